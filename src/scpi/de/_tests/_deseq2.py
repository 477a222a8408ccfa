from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

from scpi._optional import import_extra
from scpi.de._test_result import TestResult
from scpi.de._tests._method import Method
from scpi.de._units import contrast, sum_units

if TYPE_CHECKING:
    from scpi.de._tests._method import Cells


def _test(cells: Cells, *, cooks_filter: bool = True) -> TestResult:
    """Wald test of DESeq2 on sums over samples; genes without counts and, with `cooks_filter`, outliers are NaN."""
    dds = import_extra("pydeseq2.dds")
    ds = import_extra("pydeseq2.ds")
    units = sum_units(cells)
    kept = units.counts.sum(axis=0) > 0
    names = [f"unit{i}" for i in range(len(units.codes))]
    counts = pd.DataFrame(units.counts[:, kept].astype(int), index=names)
    counts.columns = counts.columns.astype(str)
    inference = import_extra("pydeseq2.default_inference").DefaultInference(n_cpus=cells.n_jobs)
    fit = dds.DeseqDataSet(
        counts=counts,
        metadata=pd.DataFrame({"group": units.codes.astype(str)}, index=names),
        design=units.design.set_axis(names),
        inference=inference,
        quiet=True,
    )
    fit.deseq2()
    n_groups = len(np.unique(units.codes))
    effect, score, log_pval = (np.full((n_groups, cells.values.shape[1]), np.nan) for _ in range(3))
    for group in range(n_groups):
        if group == cells.reference:
            effect[group], score[group], log_pval[group] = 0.0, 0.0, 0.0
            continue
        test = ds.DeseqStats(
            fit,
            contrast=contrast(units, group, cells.reference),
            cooks_filter=cooks_filter,
            independent_filter=False,
            inference=inference,
            quiet=True,
        )
        test.summary()
        table = test.results_df
        effect[group, kept] = table["log2FoldChange"]
        score[group, kept] = table["stat"]
        tested = np.where(table["pvalue"].isna(), np.nan, np.abs(table["stat"]))
        log_pval[group, kept] = np.minimum(np.log(2.0) + special.log_ndtr(-tested), 0.0)
    return TestResult(effect=effect, score=score, log_pval=log_pval)


METHOD = Method(
    name="deseq2",
    test=_test,
    takes="counts",
    null="Group and reference have the same mean over samples; counts are negative binomial.",
    source="Love et al., Genome Biol. 15, 2014 (pydeseq2: Muzellec et al., Bioinformatics 39, 2023)",
    unit="sample",
    package="pydeseq2",
    adjusts=True,
)
