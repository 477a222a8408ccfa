from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._optional import import_extra
from scpi.de._sample_genes import genes_to_test
from scpi.de._tests._method import Method, SampleTests

if TYPE_CHECKING:
    from scpi.de._tests._method import SampleCounts


def _test(samples: SampleCounts, *, robust: bool = False, filter_genes: bool = True) -> SampleTests:
    """Quasi-likelihood F-test of edgeR on pseudobulks; filtered genes are NaN."""
    edger = import_extra("pyedger")
    counts, contrasts = samples.counts, samples.contrasts
    kept = genes_to_test(counts, samples.design, filtered=filter_genes)
    data = edger.DGEList(pd.DataFrame(counts[:, kept].T))
    data = edger.calc_norm_factors(data)
    fit = edger.glm_ql_fit(data, design=samples.design.set_axis(data.counts.columns), robust=robust)
    effect, score, log_pval, average = (np.full((contrasts.shape[1], counts.shape[1]), np.nan) for _ in range(4))
    for row, contrast in enumerate(contrasts.T):
        table = edger.glm_qlf_test(fit, contrast=contrast).table
        effect[row, kept] = table["logFC"]
        score[row, kept] = np.sign(table["logFC"]) * np.sqrt(np.maximum(table["F"], 0.0))
        log_pval[row, kept] = np.log(np.maximum(table["PValue"], np.finfo(np.float64).tiny))
        average[row, kept] = table["logCPM"]
    return SampleTests(effect=effect, score=score, log_pval=log_pval, ave_expr=average)


METHOD = Method(
    name="edger",
    test=_test,
    takes="counts",
    null="Group and reference have the same mean over samples, or a contrast is zero; counts vary as a quasi negative binomial.",
    source="Lund et al., Stat. Appl. Genet. Mol. Biol. 11, 2012; Chen et al., Nucleic Acids Res. 53, 2025 (pyedger)",
    unit="sample",
    package="pyedger",
    adjusts=True,
)
