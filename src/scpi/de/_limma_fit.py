"""From the counts of samples to moderated tests, for one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scpi.de._contrasts import contrasts
from scpi.de._ebayes import ebayes
from scpi.de._lm_fit import lm_fit
from scpi.de._norm_factors import norm_factors
from scpi.de._sample_genes import genes_to_test
from scpi.de._voom import voom

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scpi.de._contrasts import StandardError
    from scpi.de._design import Design
    from scpi.de._ebayes import ModeratedFit
    from scpi.de._sample_design import SplitContrasts
    from scpi.de._voom import Voom


@dataclass(frozen=True)
class Options:
    """How a model is fitted."""

    filter_genes: bool
    span: float | Literal["adaptive"]
    trend: bool
    robust: bool
    standard_error: StandardError


@dataclass(frozen=True)
class FittedModel:
    """Trend and tests of one model."""

    genes: NDArray[np.intp]
    """Genes that were tested."""
    trend: Voom
    """Log expression and its trend."""
    tests: list[ModeratedFit]
    """Tests of the contrasts of each split."""


def fit_model(counts: Any, design: Design, splits: Sequence[SplitContrasts], options: Options) -> FittedModel:
    """Filter genes, normalise, and test the contrasts of every split.

    Raises
    ------
    DesignError
        If fewer than two genes have enough counts.
    """
    genes = genes_to_test(counts, design, filtered=options.filter_genes)
    chosen = counts[:, genes]
    trend = voom(chosen, design, norm_factors=norm_factors(chosen), span=options.span)
    fit = lm_fit(trend.expression, design, weights=trend.weights)
    tests = [
        ebayes(
            contrasts(fit, split.matrix, names=split.names, standard_error=options.standard_error),
            trend=options.trend,
            robust=options.robust,
        )
        for split in splits
    ]
    return FittedModel(genes, trend, tests)
