from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._optional import import_extra
from scpi.de._filter_by_expr import filter_by_expr
from scpi.de._test_result import TestResult
from scpi.de._tests._method import Method
from scpi.de._units import contrast, sum_units

if TYPE_CHECKING:
    from scpi.de._tests._method import Cells


def _test(cells: Cells, *, robust: bool = False, filter_genes: bool = True) -> TestResult:
    """Quasi-likelihood F-test of edgeR on sums over samples; genes that are filtered out are NaN."""
    edger = import_extra("pyedger")
    units = sum_units(cells)
    kept = filter_by_expr(units.counts, units.design.to_numpy()) if filter_genes else units.counts.sum(axis=0) > 0
    data = edger.DGEList(pd.DataFrame(units.counts[:, kept].T))
    data = edger.calc_norm_factors(data)
    fit = edger.glm_ql_fit(data, design=units.design.set_axis(data.counts.columns), robust=robust)
    n_groups = len(np.unique(units.codes))
    effect, score, log_pval = (np.full((n_groups, cells.values.shape[1]), np.nan) for _ in range(3))
    for group in range(n_groups):
        if group == cells.reference:
            effect[group], score[group], log_pval[group] = 0.0, 0.0, 0.0
            continue
        table = edger.glm_qlf_test(fit, contrast=contrast(units, group, cells.reference)).table
        effect[group, kept] = table["logFC"]
        score[group, kept] = np.sign(table["logFC"]) * np.sqrt(np.maximum(table["F"], 0.0))
        log_pval[group, kept] = np.log(np.maximum(table["PValue"], np.finfo(np.float64).tiny))
    return TestResult(effect=effect, score=score, log_pval=log_pval)


METHOD = Method(
    name="edger",
    test=_test,
    takes="counts",
    null="Group and reference have the same mean over samples; counts vary as a quasi negative binomial.",
    source="Lund et al., Stat. Appl. Genet. Mol. Biol. 11, 2012; Chen et al., Nucleic Acids Res. 53, 2025 (pyedger)",
    unit="sample",
    package="pyedger",
    adjusts=True,
)
