from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from scpi._optional import import_extra
from scpi.de._sample_genes import genes_to_test
from scpi.de._tests._method import Method, SampleTests

if TYPE_CHECKING:
    from scpi.de._tests._method import SampleCounts


def _test(samples: SampleCounts, *, cooks_filter: bool = True, independent_filter: bool = True) -> SampleTests:
    """Wald test of DESeq2 on pseudobulks; genes without counts and, with `cooks_filter`, outliers are NaN.

    With `independent_filter`, genes of low mean get no adjusted p-value, which reduces the correction of the others.
    """
    dds = import_extra("pydeseq2.dds")
    ds = import_extra("pydeseq2.ds")
    kept = genes_to_test(samples.counts, samples.design, filtered=False)
    names = [f"sample{i}" for i in range(len(samples.counts))]
    counts = pd.DataFrame(samples.counts[:, kept].astype(int), index=names)
    counts.columns = counts.columns.astype(str)
    inference = import_extra("pydeseq2.default_inference").DefaultInference(n_cpus=samples.n_jobs)
    fit = dds.DeseqDataSet(
        counts=counts,
        metadata=pd.DataFrame({"sample": names}, index=names),
        design=samples.design.set_axis(names),
        inference=inference,
        quiet=True,
    )
    fit.deseq2()
    shape = (samples.contrasts.shape[1], samples.counts.shape[1])
    effect, score, log_pval, average = (np.full(shape, np.nan) for _ in range(4))
    counted = np.ones(shape, dtype=bool)
    for row, contrast in enumerate(samples.contrasts.T):
        test = ds.DeseqStats(
            fit,
            contrast=contrast,
            cooks_filter=cooks_filter,
            independent_filter=independent_filter,
            inference=inference,
            quiet=True,
        )
        test.summary()
        table = test.results_df
        effect[row, kept] = table["log2FoldChange"]
        score[row, kept] = table["stat"]
        tested = np.where(table["pvalue"].isna(), np.nan, np.abs(table["stat"]))
        log_pval[row, kept] = np.minimum(np.log(2.0) + special.log_ndtr(-tested), 0.0)
        average[row, kept] = np.log2(table["baseMean"])
        counted[row, kept] = table["padj"].notna()
    return SampleTests(effect=effect, score=score, log_pval=log_pval, ave_expr=average, counted=counted)


METHOD = Method(
    name="deseq2",
    test=_test,
    takes="counts",
    null="Group and reference have the same mean over samples, or a contrast is zero; counts are negative binomial.",
    source="Love et al., Genome Biol. 15, 2014 (pydeseq2: Muzellec et al., Bioinformatics 39, 2023)",
    unit="sample",
    package="pydeseq2",
    adjusts=True,
)
