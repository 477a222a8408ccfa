# The tests of designs.py by limma and edgeR themselves: Rscript designs.R folder, with counts and samples of each situation
suppressMessages({library(limma); library(edgeR)})
folder <- commandArgs(TRUE)[1]
read <- function(name) {
  y <- as.matrix(read.csv(file.path(folder, paste0(name, ".counts.csv")), check.names = FALSE))
  rownames(y) <- seq_len(nrow(y)) - 1
  list(y = y, obs = read.csv(file.path(folder, paste0(name, ".obs.csv")), colClasses = "character"))
}
kept <- function(y, mm) { d <- DGEList(y); calcNormFactors(d[filterByExpr(d, mm), , keep.lib.sizes = FALSE]) }
keep <- function(name, way, gene, fold, p)
  write.csv(data.frame(gene, log2fc = fold, pval = p), file.path(folder, paste0(name, ".", way, ".csv")), row.names = FALSE)
fitted <- function(name, way, e) keep(name, way, rownames(e$coefficients), e$coefficients[, 2], e$p.value[, 2])
plain <- function(s, formula = ~condition) { mm <- model.matrix(formula, s$obs); d <- kept(s$y, mm); list(v = voom(d, mm), d = d, mm = mm) }
blocked <- function(name, s) {
  m <- plain(s); donor <- s$obs$donor; v <- m$v
  for (i in 1:2) { rho <- duplicateCorrelation(v, m$mm, block = donor)$consensus; if (i == 1) v <- voom(m$d, m$mm, block = donor, correlation = rho) }
  fitted(name, "donor as block", eBayes(lmFit(v, m$mm, block = donor, correlation = rho)))
}
s <- read("2 poor samples of 10"); m <- plain(s)
fitted("2 poor samples of 10", "plain", eBayes(lmFit(m$v, m$mm)))
fitted("2 poor samples of 10", "sample_weights", eBayes(lmFit(voomWithQualityWeights(m$d, m$mm), m$mm)))
name <- "partly paired donors"; s <- read(name); m <- plain(s, ~ condition + donor)
fitted(name, "donor as covariate", eBayes(lmFit(m$v, m$mm))); blocked(name, s)
name <- "3 samples per donor"; s <- read(name); m <- plain(s)
fitted(name, "as samples", eBayes(lmFit(m$v, m$mm))); blocked(name, s)
first <- !duplicated(s$obs$donor)
m <- plain(list(y = sumTechReps(s$y, s$obs$donor)[, s$obs$donor[first]], obs = s$obs[first, ]))
fitted(name, "summed (donor_key)", eBayes(lmFit(m$v, m$mm)))
name <- "log2 fold change above 1"; m <- plain(read(name)); f <- lmFit(m$v, m$mm)
fitted(name, "FDR, then fold change", eBayes(f)); fitted(name, "log2fc_min", treat(f, lfc = 1))
name <- "gene sets, correlation 0.1"; m <- plain(read(name)); set <- as.integer(rownames(m$d)) %/% 20
sets <- split(seq_along(set), set); sets <- sets[lengths(sets) >= 5]; t <- eBayes(lmFit(m$v, m$mm))$t[, 2]
keep(name, "rank-sum test of t", names(sets), 0, sapply(sets, function(i) wilcox.test(t[i], t[-i])$p.value))
of <- function(way, r) keep(name, way, rownames(r), 0, r$PValue)
of("camera", camera(m$v, sets, m$mm)); of("camera, estimated", camera(m$v, sets, m$mm, inter.gene.cor = NA))
of("fry", fry(m$v, sets, m$mm)); of("roast", mroast(m$v, sets, m$mm, nrot = 999))
