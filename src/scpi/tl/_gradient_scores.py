"""Scores of genes in groups: effects of a sparse decoder, or attributions of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._groups import REST
from scpi._screen._expression import column_sums
from scpi._screen._matrix import as_matrix
from scpi.attribution import attribute_cells, attribute_groups, centroid_logits, contrast
from scpi.de import log_means, log_ratios, shrink_effects, shrink_fold_changes
from scpi.model import attribution_target
from scpi.tl._classifier import train_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from scpi.attribution import AttributionTarget
    from scpi.de import ShrunkenEffects, ShrunkenFoldChanges
    from scpi.tl._gradient_input import GradientInput

MEDIAN = "median"
# Posterior standard deviations between the mean and the limit of a 95 % interval
_LIMIT = 1.96


@dataclass(frozen=True)
class GradientScores:
    """Scores of every gene in every group."""

    scores: NDArray[np.float64]
    """Signed scores, groups x genes."""
    extra: Mapping[str, NDArray[np.float64]]
    """Other results of the method, groups x genes."""
    of_cells: Callable[[], Any]
    """Function that computes the attributions of single cells to their own group, cells x genes, dense or CSR."""
    fold_changes: NDArray[np.float64]
    """Log2 fold changes over the reference before shrinkage, groups x genes; NaN if there are none."""


def decoder_scores(
    given: GradientInput, codes: NDArray[np.intp], names: list[str], reference: str, *, score: str = "limit"
) -> GradientScores:
    """Compute the gradients of the log-linear decoder in its assignments, which are its weights, in log2."""
    shrunken: ShrunkenEffects | ShrunkenFoldChanges
    if reference == MEDIAN:
        estimate, std_error = log_means(given.counts, codes, covariates=given.covariates)
        over_level = shrunken = shrink_effects(estimate, std_error)
        ratio, rows = estimate - over_level.base, np.arange(len(names))
    else:
        other = None if reference == REST else names.index(reference)
        ratio, std_error = log_ratios(given.counts, codes, reference=other, covariates=given.covariates)
        # The reference is not compared with itself
        rows = np.array([row for row in range(len(names)) if row != other])
        shrunken = shrink_fold_changes(ratio[rows], std_error[rows])

    def of_all(values: NDArray[np.float64], of_reference: float) -> NDArray[np.float64]:
        table = np.full((len(names), values.shape[1]), of_reference)
        table[rows] = values
        return table

    effect, std_dev = of_all(shrunken.effect, 0.0), of_all(shrunken.std_dev, 0.0)
    limit = np.sign(effect) * np.maximum(np.abs(effect) - _LIMIT * std_dev, 0.0)
    return GradientScores(
        scores=(limit if score == "limit" else effect) / np.log(2.0),
        extra={
            "effect": effect / np.log(2.0),
            "probability": of_all(shrunken.probability, 0.0),
            "false_sign_rate": of_all(shrunken.false_sign_rate, 1.0),
        },
        of_cells=lambda: _evidence(given.counts, effect, codes),
        fold_changes=ratio / np.log(2.0),
    )


def _evidence(counts: Any, effect: NDArray[np.float64], codes: NDArray[np.intp]) -> Any:
    """Multiply counts by the gradient of their log-likelihood ratio, the effect for Poisson counts."""
    matrix = sparse.csr_matrix(as_matrix(counts))
    group = np.repeat(codes, np.diff(matrix.indptr))
    data = np.where(group >= 0, matrix.data * effect[group, matrix.indices], 0.0).astype(np.float32)
    return sparse.csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)


def network_scores(
    given: GradientInput,
    codes: NDArray[np.intp],
    names: list[str],
    reference: str,
    *,
    model: Any,
    method: str,
    seed: int,
    options: dict[str, Any],
) -> GradientScores:
    """Compute attributions of the score of a group over others, averaged over its cells.

    A classifier of the groups is trained if `model` is `None`; `options` are those of the method, and `spread`.
    """
    logits = _logits(given, codes, names, model=model, seed=seed)
    kept = [name for name in names if name != reference]
    target = contrast(logits, kept, reference=reference)
    place = np.array([kept.index(name) if name in kept else -1 for name in names])
    of_cell = np.where(codes >= 0, place[codes], -1)
    # Means alone are faster
    found = attribute_groups(target, given.counts, of_cell, method=method, rng=seed, **{"spread": False, **options})
    blank = np.full((len(names), given.counts.shape[1]), np.nan)

    # Weights of a gene without counts keep their initial values
    unseen = column_sums(given.counts) == 0

    def widen(values: NDArray[np.float64]) -> NDArray[np.float64]:
        table = blank.copy()
        table[place >= 0] = np.where(unseen, 0.0, values)
        return table

    spreads = {"mean_abs": found.mean_abs, "std": found.std}
    of_one_cell = {name: value for name, value in options.items() if name != "spread"}
    return GradientScores(
        scores=widen(found.mean),
        extra={name: widen(values) for name, values in spreads.items() if values is not None},
        of_cells=lambda: (
            attribute_cells(target, given.counts, codes=of_cell, method=method, rng=seed, **of_one_cell).values
        ),
        fold_changes=blank,
    )


def _logits(
    given: GradientInput, codes: NDArray[np.intp], names: list[str], *, model: Any, seed: int
) -> AttributionTarget:
    """Make logits of the groups: those of the model, of distances from centroids, or of a classifier."""
    if model is None:
        return train_classifier(given.counts, codes, names, seed=seed)
    if given.from_model:
        return attribution_target(model, "logit")
    latent = model.get_latent_representation(given.view.data)
    return centroid_logits(attribution_target(model, "latent"), latent, codes, names=names)
