# Designs and parts of limma beyond the plain pipeline, on simulated counts. Run in this folder: Rscript parts.R
suppressMessages({library(edgeR); library(limma); library(splines)})
set.seed(11)
options(digits = 15)
G <- 150
obs <- expand.grid(cond = c("ctrl", "stim", "drug"), donor = paste0("d", 1:8))[-c(2, 9, 16), ]  # partly paired
n <- nrow(obs)
obs$sex <- ifelse(obs$donor %in% c("d1", "d3", "d5", "d8"), "f", "m")
obs$dose <- round(runif(n, 0, 3), 2)
obs$sample <- paste0("s", seq_len(n))
mean <- c(rep(0, 3), rgamma(G - 3, 0.7, 0.012))  # three genes without counts
effect <- exp(matrix(rnorm(G * 3, sd = 0.3), G))[, as.integer(factor(obs$cond))]
donor <- exp(matrix(rnorm(G * 8, sd = 0.25), G))[, as.integer(factor(obs$donor))]
slope <- exp(outer(rnorm(G, sd = 0.1), obs$dose))
noise <- outer(1 / rchisq(G, 8), ifelse(seq_len(n) %in% c(5, 12), 4, 1))  # two poor samples
y <- matrix(rnbinom(G * n, mu = mean * effect * donor * slope, size = 1 / noise), G)
y[20:26, obs$cond == "stim"] <- 0  # genes that one condition does not express
rownames(y) <- paste0("g", seq_len(G)); colnames(y) <- obs$sample
gz <- function(x, name) { con <- gzfile(name, "w", compression = 9); write.csv(x, con, row.names = FALSE); close(con) }
gz(y, "counts.csv.gz"); write.csv(obs, "obs.csv", row.names = FALSE)
counted <- rowSums(y) > 0
shown <- seq(1, sum(counted), by = 6)
d <- calcNormFactors(DGEList(y[counted, ]))
obs$cond <- factor(obs$cond, c("ctrl", "drug", "stim")); obs$sex <- factor(obs$sex); obs$donor <- factor(obs$donor)
rows <- list(); one <- list()
keep <- function(case, e, coef = 1) rows[[case]] <<- data.frame(case, gene = rownames(d)[shown], logFC = e$coefficients[shown, coef],
  t = e$t[shown, coef], p = e$p.value[shown, coef], B = if (is.null(e$lods)) NA else e$lods[shown, coef], row.names = NULL)
joint <- function(case, e, coef) { f <- topTable(e, coef = coef, n = Inf, sort.by = "none")[shown, ]
  rows[[case]] <<- data.frame(case, gene = rownames(f), logFC = NA, t = f$F, p = f$P.Value, B = NA, row.names = NULL) }
number <- function(name, value) one[[name]] <<- data.frame(name, place = seq_along(value), value = as.numeric(value), row.names = NULL)
fit <- function(mm, con = NULL) { f <- lmFit(voom(d, mm), mm); if (is.null(con)) f else contrasts.fit(f, con) }

# designs
mm <- model.matrix(~0 + cond + sex, obs); colnames(mm) <- sub("cond", "", colnames(mm))
con <- makeContrasts(stim - ctrl, (stim + drug) / 2 - ctrl, drug - (ctrl + stim) / 2, stim - drug, levels = colnames(mm))
e <- eBayes(fit(mm, con))
for (i in 1:4) keep(c("difference", "mean", "rest", "pair")[i], e, i)
mm <- model.matrix(~cond * sex, obs); e <- eBayes(fit(mm))
keep("interaction_drug", e, "conddrug:sexm"); keep("interaction_stim", e, "condstim:sexm"); joint("interaction_F", e, c("conddrug:sexm", "condstim:sexm"))
mm <- model.matrix(~dose + sex, obs); e <- eBayes(fit(mm)); keep("slope", e, "dose")
mm <- model.matrix(~cond * dose, obs); e <- eBayes(fit(mm)); keep("slope_of_stim", e, "condstim:dose")
mm <- model.matrix(~bs(dose, df = 4) + cond, obs); e <- eBayes(fit(mm)); keep("spline", e, 3); joint("spline_F", e, 2:5)

# treat
mm <- model.matrix(~cond + sex, obs); f <- fit(mm)
keep("treat", treat(f, lfc = 0.5), "condstim"); keep("treat_fc", treat(f, fc = 1.2, trend = TRUE), "condstim")
keep("treat_robust", treat(f, lfc = 0.3, robust = TRUE), "condstim")

# blocks
mm <- model.matrix(~cond, obs)
v <- voom(d, mm); dc <- duplicateCorrelation(v, mm, block = obs$donor); number("correlation_voom", dc$consensus.correlation)
number("atanh_voom", dc$atanh.correlations[shown])
plain <- duplicateCorrelation(v$E, mm, block = obs$donor); number("correlation_plain", plain$consensus.correlation); number("atanh_plain", plain$atanh.correlations[shown])
keep("block_plain", eBayes(lmFit(v$E, mm, block = obs$donor, correlation = 0.3)), "condstim")
v <- voom(d, mm, block = obs$donor, correlation = dc$consensus.correlation); number("weights_block", v$weights[shown[1:5], ])
dc <- duplicateCorrelation(v, mm, block = obs$donor); number("correlation_twice", dc$consensus.correlation)
keep("block", eBayes(lmFit(v, mm, block = obs$donor, correlation = dc$consensus.correlation)), "condstim")

# quality of samples
v <- voom(d, mm)
number("array_genebygene", arrayWeights(v$E, mm, method = "genebygene")); number("array_reml", arrayWeights(v$E, mm, method = "reml"))
number("array_weighted", arrayWeights(v, mm)); number("array_prior", arrayWeights(v, mm, prior.n = 30))
q <- voomWithQualityWeights(d, mm); number("quality_samples", q$targets$sample.weights); keep("quality", eBayes(lmFit(q, mm)), "condstim")

# exact zeros
f <- voomLmFit(d, mm, keep.EList = TRUE); number("zeros_df", f$df.residual[shown]); keep("zeros", eBayes(f), "condstim"); keep("zeros_drug", eBayes(f), "conddrug")
f <- voomLmFit(d, mm, block = obs$donor, keep.EList = TRUE); number("zeros_correlation", f$correlation); keep("zeros_block", eBayes(f), "condstim")
f <- voomLmFit(d, mm, sample.weights = TRUE, keep.EList = TRUE); number("zeros_samples", f$targets$sample.weight); keep("zeros_quality", eBayes(f), "condstim")

# log counts per million with a trend
lc <- cpm(d, log = TRUE, prior.count = 2); number("log_cpm", lc[shown[1:3], ])
keep("trend", eBayes(lmFit(lc, mm), trend = TRUE), "condstim"); keep("trend_robust", eBayes(lmFit(lc, mm), trend = TRUE, robust = TRUE), "condstim")

# batches
number("batch_one", removeBatchEffect(lc, batch = obs$sex, design = mm)[shown[1:3], ])
number("batch_two", removeBatchEffect(lc, batch = obs$sex, covariates = obs$dose, design = mm)[shown[1:3], ])
number("batch_none", removeBatchEffect(lc, batch = obs$donor)[shown[1:3], ])

# gene sets
sets <- list(a = 1:12, b = 20:31, c = seq(2, 140, 7), d = 100:103)
for (name in c("fixed", "estimated")) {
  r <- camera(v, sets, mm, contrast = 3, inter.gene.cor = if (name == "fixed") 0.01 else NA, sort = FALSE)
  number(paste0("camera_", name), as.matrix(data.frame(r$PValue, sign = ifelse(r$Direction == "Up", 1, -1))))
  if (name == "estimated") number("camera_correlation", r$Correlation) }
r <- camera(v, sets, mm, contrast = 3, use.ranks = TRUE, sort = FALSE); number("camera_ranks", r$PValue)
r <- camera(lc, sets, mm, contrast = 3, trend.var = TRUE, sort = FALSE); number("camera_trend", r$PValue)
r <- cameraPR(setNames(seq(-3, 3, length.out = 147)^3, NULL), sets, sort = FALSE); number("camera_ranked", r$PValue)
r <- fry(v, sets, mm, contrast = 3, sort = "none"); number("fry", as.matrix(data.frame(r$PValue, r$PValue.Mixed, ifelse(r$Direction == "Up", 1, -1))))
r <- fry(lc, sets, mm, contrast = 3, sort = "none"); number("fry_plain", as.matrix(data.frame(r$PValue, r$PValue.Mixed, ifelse(r$Direction == "Up", 1, -1))))
both <- function(r) as.matrix(data.frame(r$PValue, r$PValue.Mixed, ifelse(r$Direction == "Up", 1, -1)))
number("fry_block", both(fry(v, sets, mm, contrast = 3, block = obs$donor, correlation = 0.3, sort = "none")))
number("fry_block_plain", both(fry(lc, sets, mm, contrast = 3, block = obs$donor, correlation = 0.3, sort = "none")))
number("fry_trend", both(fry(lc, sets, mm, contrast = 3, trend.var = TRUE, sort = "none")))
number("fry_robust", both(fry(lc, sets, mm, contrast = 3, robust = TRUE, sort = "none")))
for (s in c("mean", "floormean", "mean50", "msq")) {
  r <- mroast(v, sets, mm, contrast = 3, set.statistic = s, nrot = 99999, sort = "none")
  number(paste0("roast_", s), cbind(as.matrix(data.frame(r$PropDown, r$PropUp)), both(r))) }
r <- mroast(lc, sets, mm, contrast = 3, trend = TRUE, robust = TRUE, nrot = 99999, sort = "none")
number("roast_trend", cbind(as.matrix(data.frame(r$PropDown, r$PropUp)), both(r)))
r <- mroast(v, sets, mm, contrast = 3, nrot = 999, sort = "none")
number("roast_fdr", cbind(r$PValue, r$FDR, r$PValue.Mixed, r$FDR.Mixed))

# few genes
for (k in c(4, 7, 9, 10, 12)) for (trend in c(FALSE, TRUE)) {
  e <- eBayes(lmFit(lc[41:(40 + k), ], mm), robust = TRUE, trend = trend)
  number(paste0("few_", k, if (trend) "_trend" else ""), c(e$df.prior, e$t[, "condstim"])) }

gz(data.frame(lapply(do.call(rbind, rows), function(x) if (is.numeric(x)) signif(x, 14) else x)), "tests.csv.gz")
gz(transform(do.call(rbind, one), value = signif(value, 14)), "numbers.csv.gz")
