"""From the counts of samples to moderated tests, for one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._screen._matrix import sums
from scpi.de._contrasts import contrasts
from scpi.de._design import DesignError
from scpi.de._ebayes import ebayes
from scpi.de._filter_by_expr import filter_by_expr
from scpi.de._lm_fit import lm_fit
from scpi.de._norm_factors import norm_factors
from scpi.de._voom import voom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.de._contrasts import StandardError
    from scpi.de._design import Design
    from scpi.de._ebayes import ModeratedFit
    from scpi.de._limma_design import SplitContrasts
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
    kept = sums(counts, axis=0) > 0
    if options.filter_genes:
        kept &= filter_by_expr(counts, design)
    genes = np.flatnonzero(kept)
    if len(genes) < 2:
        rule = "enough counts to be tested: see `scpi.de.filter_by_expr`" if options.filter_genes else "any counts"
        msg = f"{len(genes)} of {len(kept)} genes have {rule}."
        raise DesignError(msg)
    chosen = counts[:, genes]
    empty = int((sums(chosen, axis=1) == 0).sum())
    if empty:
        msg = f"{empty} sample(s) have no counts in the {len(genes)} genes that are tested: leave them out."
        raise DesignError(msg)
    trend = voom(chosen, design, norm_factors=norm_factors(chosen), span=options.span)
    fit = lm_fit(trend.expression, design, weights=trend.weights)
    tests = [
        ebayes(
            contrasts(fit, split.matrix, names=split.groups, standard_error=options.standard_error),
            trend=options.trend,
            robust=options.robust,
        )
        for split in splits
    ]
    return FittedModel(genes, trend, tests)
