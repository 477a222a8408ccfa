"""Rankings of genes by tests of samples, for all tests but limma."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._ranking import Ranking
from scpi._screen._matrix import as_dense
from scpi._slots import result_params
from scpi.de._fdr import adjust_pvals
from scpi.de._sample_models import comparison_table, fit_samples, pairing
from scpi.de._tests._method import SampleCounts, SampleTests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpi._view import View
    from scpi.de._comparisons import Comparisons
    from scpi.de._design import Design
    from scpi.de._sample_design import SplitContrasts
    from scpi.de._sample_models import Question
    from scpi.de._tests._method import Method


def rank_samples(
    view: View,
    test: Method,
    question: Question,
    *,
    options: Mapping[str, Any],
    params: Mapping[str, Any],
    n_jobs: int,
) -> tuple[Ranking, pd.DataFrame, Comparisons]:
    """Test genes in the samples of each model.

    Parameters
    ----------
    view
        Cells.
    test
        Test of samples.
    question
        What to test.
    options
        Options of the test.
    params
        What is stored of the call; it has `corr_method` and `corr_scope`.
    n_jobs
        Threads to use.

    Returns
    -------
    The ranking, the table of its groups, and what is compared.

    Raises
    ------
    ValueError
        As of :func:`scpi.de.limma`.
    """

    def fit(counts: Any, design: Design, splits: list[SplitContrasts], _: pd.DataFrame) -> SampleTests:
        matrix = pd.DataFrame(design.matrix, columns=list(design.names))
        contrasts = np.concatenate([split.matrix.toarray() for split in splits], axis=1)
        samples = SampleCounts(as_dense(counts, np.float64), matrix, contrasts, n_jobs)
        tests = test.test(samples, **options)
        assert isinstance(tests, SampleTests)
        return tests

    asked, fitted = fit_samples(view, question, fit)
    tests = [model.fit for model in fitted]
    log_pval = np.concatenate([one.log_pval for one in tests])
    counted = np.concatenate([_counted(one) for one in tests])
    pval = np.where(counted, np.exp(log_pval), np.nan)
    effect = np.concatenate([one.effect for one in tests])
    table = comparison_table(fitted).assign(n_genes=(~np.isnan(log_pval)).sum(axis=1))
    return (
        Ranking(
            groups=table["group"].to_numpy(dtype=object),
            genes=view.genes,
            scores=np.concatenate([one.score for one in tests]),
            logfoldchanges=effect,
            log10_pvals=log_pval / np.log(10.0),
            pvals_adj=adjust_pvals(pval, params["corr_method"], params["corr_scope"]),
            extra={"effect": effect, "ave_expr": np.concatenate([one.ave_expr for one in tests])},
            params=question.params
            | {"reference": asked.reference}
            | dict(params)
            | result_params(pairing=pairing(table)),
        ),
        table,
        asked,
    )


def _counted(tests: SampleTests) -> Any:
    return np.ones(tests.score.shape, dtype=bool) if tests.counted is None else tests.counted
