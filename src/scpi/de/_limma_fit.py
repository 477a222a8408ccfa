"""Moderated tests of one model, from the counts of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from scpi.de._array_weights import array_weights
from scpi.de._contrasts import contrasts
from scpi.de._design import DesignError
from scpi.de._duplicate_correlation import duplicate_correlation
from scpi.de._ebayes import ebayes
from scpi.de._exact_zeros import exact_zeros
from scpi.de._lm_fit import lm_fit
from scpi.de._log_cpm import log_cpm
from scpi.de._norm_factors import norm_factors
from scpi.de._sample_genes import genes_to_test
from scpi.de._treat import treat
from scpi.de._voom import voom

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scpi.de._contrasts import StandardError
    from scpi.de._design import Design
    from scpi.de._ebayes import ModeratedFit
    from scpi.de._lm_fit import LinearFit
    from scpi.de._sample_design import SplitContrasts
    from scpi.de._voom import Voom


FitMethod = Literal["voom", "trend"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of the fit: arguments of :func:`scpi.de.limma`."""

    filter_genes: bool
    span: float | Literal["adaptive"]
    trend: bool
    robust: bool
    standard_error: StandardError
    method: FitMethod = "voom"
    block: str | None = None
    sample_weights: bool = False
    exact_zeros: bool = False
    log2fc_min: float = 0.0


@dataclass(frozen=True)
class FittedModel:
    """Trend and tests of one model."""

    genes: NDArray[np.intp]
    """Genes that were tested."""
    expression: NDArray[np.float64]
    """Log counts per million, samples x genes."""
    weights: NDArray[np.float64] | None
    """Precision weights, samples x genes or one for each sample, or none."""
    trend: Voom | None
    """Log expression and its trend, if voom computed weights."""
    tests: list[ModeratedFit]
    """Tests of the contrasts of each split."""
    block: NDArray[np.object_] | None = None
    """Block of each sample, if there are blocks."""
    correlation: float | None = None
    """Correlation within blocks, if there are blocks."""
    sample_weights: pd.DataFrame | None = None
    """Name and weight of each sample, if they were estimated."""


def fit_model(
    counts: Any, design: Design, splits: Sequence[SplitContrasts], obs: pd.DataFrame, options: Options
) -> FittedModel:
    """Filter genes, normalise, and test the contrasts of every split.

    Raises
    ------
    DesignError
        If fewer than two genes have enough counts, or blocks cannot be used.
    """
    genes = genes_to_test(counts, design, filtered=options.filter_genes)
    chosen = counts[:, genes]
    block = None if options.block is None else _block(obs, options.block)
    scale = norm_factors(chosen)
    zeros = exact_zeros(chosen, design) if options.exact_zeros else None
    trend: Voom | None
    weights: NDArray[np.float64] | None
    if options.method == "voom":
        trend, weights, of_samples, correlation = _with_voom(chosen, design, scale, block, zeros, options)
        expression = trend.expression
    else:
        trend, expression = None, log_cpm(chosen, norm_factors=scale)
        of_samples = array_weights(expression, design, zeros=zeros) if options.sample_weights else None
        weights, correlation = of_samples, _correlation(expression, design, block, of_samples, zeros)
    fit = lm_fit(expression, design, weights=weights, block=block, correlation=correlation, zeros=zeros)
    tests = [
        _test(contrasts(fit, split.matrix, names=split.names, standard_error=options.standard_error), options)
        for split in splits
    ]
    named = None if of_samples is None else pd.DataFrame({"sample": obs.index.astype(str), "weight": of_samples})
    return FittedModel(genes, expression, weights, trend, tests, block, correlation, named)


def _with_voom(
    counts: Any,
    design: Design,
    scale: NDArray[np.float64],
    block: NDArray[np.object_] | None,
    zeros: NDArray[np.bool_] | None,
    options: Options,
) -> tuple[Voom, NDArray[np.float64], NDArray[np.float64] | None, float | None]:
    """Trend, weights of values and of samples, and correlation; two rounds if they depend on each other."""
    of_samples: NDArray[np.float64] | None = None
    correlation: float | None = None
    for _ in range(1 if block is None and not options.sample_weights else 2):
        trend = voom(
            counts,
            design,
            norm_factors=scale,
            span=options.span,
            sample_weights=of_samples,
            block=None if correlation is None else block,
            correlation=correlation,
            zeros=zeros,
        )
        weights = trend.weights
        if options.sample_weights:
            of_samples = array_weights(trend.expression, design, weights=weights, zeros=zeros)
            weights = weights * of_samples[:, None]
        correlation = _correlation(trend.expression, design, block, weights, zeros)
    return trend, weights, of_samples, correlation


def _correlation(
    expression: NDArray[np.float64],
    design: Design,
    block: NDArray[np.object_] | None,
    weights: NDArray[np.float64] | None,
    zeros: NDArray[np.bool_] | None,
) -> float | None:
    if block is None:
        return None
    return duplicate_correlation(expression, design, block, weights=weights, zeros=zeros).consensus


def _test(fit: LinearFit, options: Options) -> ModeratedFit:
    trend = options.trend or options.method == "trend"
    if options.log2fc_min:
        return treat(fit, log2fc_min=options.log2fc_min, trend=trend, robust=options.robust)
    return ebayes(fit, trend=trend, robust=options.robust)


def _block(obs: pd.DataFrame, column: str) -> NDArray[np.object_]:
    """Block of each sample."""
    if column not in obs:
        msg = f"`block` is {column!r}, which differs between the cells of a sample: add it to `sample_key`."
        raise ValueError(msg)
    names = obs[column].astype(str).to_numpy(dtype=object)
    sizes = pd.Series(names).value_counts()
    if len(sizes) < 2 or sizes.max() < 2:
        msg = f"`block` {column!r} has {len(sizes)} block(s) of at most {sizes.max()} sample(s): it needs two blocks, one of two samples."
        raise DesignError(msg)
    return names
