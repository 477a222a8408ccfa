# Writes tiny files with the structure of the originals of the example data sets, with values made up here.
# Run in this folder: Rscript make.R. The classes have the slots that scpi reads; Bioconductor is not needed.
library(Matrix)

setClass("DFrame", slots = c(rownames = "ANY", listData = "list"))
setClass("SimpleAssays", slots = c(data = "ANY"))
setClass("CompressedGRangesList", slots = c(elementMetadata = "ANY"))
setClass("SingleCellExperiment", slots = c(assays = "ANY", colData = "ANY", rowRanges = "ANY"))

experiment <- function(counts, columns, genes = list()) {
  new("SingleCellExperiment",
    assays = new("SimpleAssays", data = new("DFrame", rownames = NULL, listData = list(counts = counts))),
    colData = new("DFrame", rownames = colnames(counts), listData = columns),
    rowRanges = new("CompressedGRangesList",
      elementMetadata = new("DFrame", rownames = NULL, listData = genes)
    )
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

glioblastoma_example_data <- experiment(
  counts(c(1, 0, 2, 5), c("ENSG00000118785.13", "ENSG00000167996.15"), c("AA", "AA.1")),
  list(
    patient_id = c("PW030", "PW030"), treatment_id = c("701", "704"), age = c(65L, 65L),
    condition = factor(c("panobinostat", "ctrl")), sample_id = c("PW030-701", "PW030-704")
  ),
  list(
    gene_id = c("ENSG00000118785", "ENSG00000167996"), symbol = c("SPP1", "FTH1"), chromosome = factor(c("4", "11")),
    gene_length = c(7777L, 7943L)
  )
)
save(glioblastoma_example_data, file = "glioblastoma_example_data.rda", compress = "bzip2")

ids <- c("ENSG00000103034.14", "ENSG00000103034.15")
wells <- c("E11_A01", "G07_B02")
saveRDS(counts(c(1, 0, 0, 6), ids, wells), "small_a549_dex_exprs.rda")
saveRDS(
  data.frame(id = ids, gene_short_name = c("NDRG4", "NDRG4"), num_cells_expressed = c(3L, 4L), row.names = ids),
  "small_a549_dex_fdata.rda"
)
saveRDS(
  data.frame(
    cell = wells, n.umi = c(4805, 1094), dose = c(0, 10), vehicle = c(TRUE, FALSE), cell_type = c("A549", "A549"),
    row.names = wells
  ),
  "small_a549_dex_pdata.rda"
)

pbmc.ctrl <- counts(c(1, 0, 0, 2, 0, 0), c("NOC2L", "ISG15", "HES4"), c("TT-1", "GG-1"))
pbmc.stim <- counts(c(0, 7, 1), c("NOC2L", "ISG15", "HES4"), "TT-1")
save(pbmc.stim, pbmc.ctrl, file = "pbmc_stim.RData", compress = "xz")
