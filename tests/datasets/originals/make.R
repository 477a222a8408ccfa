# Writes tiny files with the structure of the originals of the example data sets, with values made up here.
# Run in this folder: Rscript make.R. The classes have the slots that scpi reads; Bioconductor is not needed.
library(Matrix)

setClass("DFrame", slots = c(rownames = "ANY", listData = "list"))
setClass("SimpleAssays", slots = c(data = "ANY"))
setClass("SingleCellExperiment", slots = c(assays = "ANY", colData = "ANY"))

experiment <- function(counts, columns) {
  new("SingleCellExperiment",
    assays = new("SimpleAssays", data = new("DFrame", rownames = NULL, listData = list(counts = counts))),
    colData = new("DFrame", rownames = colnames(counts), listData = columns)
  )
}

counts <- function(values, genes, cells) {
  as(Matrix(values, length(genes), dimnames = list(genes, cells), sparse = TRUE, doDiag = FALSE), "dgCMatrix")
}

example_sce <- experiment(
  counts(c(1, 0, 2, 0, 3, 0), c("ISG15", "TXNIP_ENSG00000117289", "ISG20"), c("AA-1", "CC-1")),
  list(
    cluster_id = factor(c("B cells", "CD4 T cells")), sample_id = factor(c("ctrl101", "stim107")),
    group_id = factor(c("ctrl", "stim"))
  )
)
save(example_sce, file = "example_sce.rda", compress = "xz")

genes <- c("STAT1", "JAK2")
guides <- c("STAT1g1", "JAK2g1", "NTg1")
lowmoi_example_data <- list(
  response_matrix = as(counts(c(0, 1, 2, 0, 0, 4), genes, NULL), "TsparseMatrix"),
  grna_matrix = as(counts(c(9, 0, 1, 0, 2, 6, 5, 15, 0), guides, NULL), "TsparseMatrix"),
  extra_covariates = data.frame(bio_rep = factor(c("rep_1", "rep_2", "rep_1"))),
  grna_target_data_frame = data.frame(grna_id = guides, grna_target = factor(c("STAT1", "JAK2", "non-targeting")))
)
save(lowmoi_example_data, file = "lowmoi_example_data.rda", compress = "bzip2")

known <- counts(c(3, 1, 0, 0, 0, 7), c("CD3D", "LYZ", "MS4A1"), c("AAA", "CCC"))
pbmc_matrix <- as(log1p(t(t(known) / colSums(known)) * 1e4), "dgCMatrix")
save(pbmc_matrix, file = "pbmc_matrix.rda", compress = "xz")
pbmc_meta <- data.frame(
  orig.ident = factor(c("pbmc3k", "pbmc3k")), nCount_RNA = colSums(known), nFeature_RNA = c(2L, 1L),
  percent.mt = c(0.5, 2), RNA_snn_res.0.5 = factor(c("1", "3")), seurat_clusters = factor(c("1", "3")),
  classified = factor(c("Naive CD4 T", "B")), UMAP_1 = c(0.25, 1), UMAP_2 = c(-1, 4), row.names = colnames(known)
)
save(pbmc_meta, file = "pbmc_meta.rda", compress = "xz")
