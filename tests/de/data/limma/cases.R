# Designs and options that the main data do not have. Run in this folder: Rscript cases.R
suppressMessages({library(edgeR); library(limma)})
set.seed(7)
G <- 400; n <- 20
group <- factor(c("a", rep("b", 4), rep("c", 5), rep("d", 5), rep("e", 5)))  # one sample of "a"
age <- round(runif(n, 20, 70), 1); batch <- factor(sample(c("x", "y", "z"), n, TRUE))
mean <- c(rep(0, 5), rgamma(G - 5, 0.8, 0.01))  # five genes without counts
fold <- exp(matrix(rnorm(G * 5, sd = 0.4), G))[, group] * exp(outer(rnorm(G, sd = 0.005), age - 45))
phi <- 1 / rchisq(G, 6); phi[10:14] <- 4  # a few genes of outlying variance
y <- matrix(rnbinom(G * n, mu = mean * fold, size = 1 / phi), G)
rownames(y) <- paste0("g", 1:G); colnames(y) <- paste0("s", 1:n)
obs <- data.frame(group, age, batch)
gz <- function(x, name) { con <- gzfile(name, "w", compression = 9); write.csv(x, con); close(con) }
options(digits = 17)
gz(y, "case_counts.csv.gz"); write.csv(obs, "case_obs.csv", row.names = FALSE)
d <- calcNormFactors(DGEList(y))
keep <- function(e) data.frame(e$t, e$p.value, e$lods, F = e$F, Fp = e$F.p.value, s2 = e$s2.post, df = e$df.total, prior = e$s2.prior)
# Treatment coding, a number, and a design without any group
mm <- model.matrix(~group + age + batch, obs)
con <- makeContrasts(groupb, groupc - groupb, groupc, groupd - (groupb + groupc) / 2, levels = make.names(colnames(mm)))
for (option in c("plain", "robust", "trend", "both")) {
  v <- voom(d, mm)
  fit <- contrasts.fit(lmFit(v, mm), con)
  e <- eBayes(fit, trend = option %in% c("trend", "both"), robust = option %in% c("robust", "both"))
  gz(keep(e), paste0("case_", option, ".csv.gz"))
}
mm <- model.matrix(~poly(age, 2) + batch, obs)
gz(keep(eBayes(lmFit(voom(d, mm), mm)[, 2:3])), "case_numbers.csv.gz")
# Without weights, on log expression, with variances that do not differ: infinite prior degrees of freedom
z <- matrix(rnorm(G * n), G); gz(z, "case_equal.csv.gz"); mm <- model.matrix(~0 + group, obs)
fit <- contrasts.fit(lmFit(z, mm), makeContrasts(groupb - groupa, groupc - groupa, levels = colnames(mm)))
gz(keep(eBayes(fit)), "case_equal_plain.csv.gz"); gz(keep(eBayes(fit, robust = TRUE)), "case_equal_robust.csv.gz")
z[7, ] <- 30 * z[7, ]; z[8, ] <- 4 * z[8, ]  # outliers among equal variances
fit <- contrasts.fit(lmFit(z, mm), makeContrasts(groupb - groupa, groupc - groupa, levels = colnames(mm)))
gz(keep(eBayes(fit, robust = TRUE)), "case_outlier_robust.csv.gz")
fit$sigma[3] <- 0  # a gene that does not vary
gz(keep(suppressWarnings(eBayes(fit))), "case_zero_plain.csv.gz")
gz(keep(suppressWarnings(eBayes(fit, robust = TRUE))), "case_zero_robust.csv.gz")
# filterByExpr where groups are large, by group, and without any
design <- model.matrix(~batch, obs)
gz(data.frame(design = filterByExpr(DGEList(y), design), group = filterByExpr(DGEList(y), group = batch), none = filterByExpr(DGEList(y))), "case_keep.csv.gz")
