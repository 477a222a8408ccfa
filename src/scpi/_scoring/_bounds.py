"""What a metric can tell apart on given cells: a replicate, a prediction that knows nothing, and no change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi import de
from scpi._scoring._metrics import CONTRASTS, METRICS
from scpi._scoring._noise_ceiling import can_be_halved, halved
from scpi._scoring._prediction import draw_places
from scpi._scoring._score import Scores
from scpi._screen._chosen_rows import column_means
from scpi._screen._matrix import dense_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from scpi._scoring._prediction import Prediction

POSITIVE = "positive bound"
"""Name of a replicate of the condition as a prediction."""
NEGATIVE = "negative bound"
"""Name of a prediction from all other conditions."""
UNCHANGED = "no change bound"
"""Name of control cells as a prediction."""


class Others(NamedTuple):
    """The other perturbed conditions of the training cells."""

    cells: Callable[[], Any]
    """Reads cells of them."""
    change: NDArray[np.float64]
    """Mean over them of the change of the mean."""
    constant: NDArray[np.float64]
    """The same over all conditions, which is the same for each of them."""


def metric_bounds(
    measured: Iterable[tuple[Prediction, Others | None]], metrics: Sequence[str], *, rng: np.random.Generator
) -> dict[str, list[dict[str, float]]]:
    """Score bounds of each condition, as Miller et al. define them, against one half of its measured cells.

    The positive bound is the other half in metrics of cells and tests (technical duplicate). In metrics of means, the other
    half is blended with the mean of the other conditions, gene by gene with one less the adjusted p-value of the
    difference as weight (interpolated duplicate): genes that do not differ are better known from the others. The negative
    bound is the other conditions: their cells, or the mean of their changes; where these are the reference of the metric,
    no change; and the same change for all conditions where these are told apart.

    Returns
    -------
    Scores by name for each condition, by the name of the bound; NaN where there is nothing to make the bound of.
    """
    names = {
        kind: [name for name in metrics if _kind(name) == kind] for kind in ("contrast", "centred", "mean", "cell")
    }
    wanted = {
        (POSITIVE, "blend"): [*names["contrast"], *(name for name in metrics if _of_means(name))],
        (POSITIVE, "half"): [name for name in metrics if name in METRICS and not _of_means(name)],
        (NEGATIVE, "mean"): names["mean"],
        (NEGATIVE, "cells"): names["cell"],
        (NEGATIVE, "constant"): names["contrast"],
        (NEGATIVE, "control"): names["centred"],
        (UNCHANGED, "control"): list(metrics),
    }
    scores = {key: Scores(chosen) for key, chosen in wanted.items()}
    known: list[dict[str, bool]] = []
    for one, others in measured:
        made = _made(halved(one, rng), others, blend=bool(wanted[POSITIVE, "blend"])) if can_be_halved(one) else {}
        known.append({kind: kind in made for _, kind in wanted})
        for key, of_bound in scores.items():
            if key[1] in made:
                of_bound.add(made[key[1]])
    rows = {key: iter(of_bound.rows()) for key, of_bound in scores.items()}
    found: dict[str, list[dict[str, float]]] = {POSITIVE: [], NEGATIVE: [], UNCHANGED: []}
    for has in known:
        own: dict[str, dict[str, float]] = {bound: dict.fromkeys(metrics, float("nan")) for bound in found}
        for bound, kind in wanted:
            if has[kind]:
                own[bound] |= next(rows[bound, kind])
        for bound, row in own.items():
            found[bound].append(row)
    return found


def _of_means(name: str) -> bool:
    return name in METRICS and METRICS[name].space == "means"


def _kind(name: str) -> str:
    if name in CONTRASTS:
        return "contrast"
    if METRICS[name].needs_perturbed_mean:
        return "centred"
    return "mean" if _of_means(name) else "cell"


def _made(half: Prediction, others: Others | None, *, blend: bool) -> dict[str, Prediction]:
    """Predictions of one half of the cells, by their kind."""
    start = column_means(half.start)[None]
    made = {"half": half, "control": replace(half, predicted=half.start)}
    if others is None:
        return made
    cells = others.cells()
    made["cells"] = replace(half, predicted=cells)
    made["mean"] = replace(half, predicted=start + others.change, start=start)
    made["constant"] = replace(half, predicted=start + others.constant, start=start)
    if blend:
        weight = _weight(half, cells)
        blended = weight * column_means(half.predicted) + (1.0 - weight) * made["mean"].predicted
        made["blend"] = replace(half, predicted=blended, start=start)
    return made


def _weight(half: Prediction, others: Any) -> NDArray[np.float64]:
    """One less the adjusted p-value of each gene, of a half of the cells against those of the other conditions."""
    rng = np.random.default_rng(half.seed)
    kinds = [dense_rows(x, draw_places(x.shape[0], half.n_cells, rng)) for x in (others, half.predicted)]
    codes = np.repeat([0, 1], [len(x) for x in kinds])
    tested = de.wilcoxon(np.concatenate(kinds), codes, reference=0)
    return np.nan_to_num(1.0 - de.false_discovery_control(tested.pval[1]), nan=0.0)
