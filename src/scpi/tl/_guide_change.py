"""Tests of whether guides change cells in the direction of the other guides of their gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# With fewer control guides, the variation between guides cannot be estimated
FEWEST_CONTROL_GUIDES = 3


class GuideChange(NamedTuple):
    """Comparison of one guide with the other guides of its gene."""

    strength: float
    """Length of the mean change, corrected for noise; 0 if noise explains it."""
    similarity: float
    """Cosine with the change of the other guides, corrected for noise.

    NaN if the length of one of the two is within two standard errors of noise.
    """
    score: float
    """Change along the direction of the other guides over its standard error, with the variation between guides."""
    pval: float
    """Probability of at least this score for a guide without an effect."""


def compare_guides_of_gene(
    guides: list[NDArray[np.float64]], controls: ArrayLike, control_guides: ArrayLike | None, rng: np.random.Generator
) -> list[GuideChange]:
    """Compare each guide of a gene with the others.

    Values are cells x components, in which the covariance of control cells is the identity. The direction of the other
    guides is relative to one half of the controls, and the change of the guide relative to the other half, because the
    noise of shared controls would look like agreement. If there are control guides, each is scored on the same
    direction, and these scores estimate the variation between guides beyond the noise of their cells.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> guides = [rng.normal(size=(50, 3)) + [5, 0, 0] for _ in range(2)]
    >>> found = compare_guides_of_gene(guides, rng.normal(size=(200, 3)), None, rng)
    >>> [round(one.similarity, 1) for one in found]
    [1.0, 1.0]
    """
    y = np.asarray(controls, dtype=np.float64)
    half = rng.permutation(np.arange(len(y)) % 2).astype(bool)
    codes = None if control_guides is None else np.unique(np.asarray(control_guides), return_inverse=True)[1]
    n_codes = 0 if codes is None else int(codes.max()) + 1
    found = []
    for i, own in enumerate(guides):
        others = np.concatenate([cells for j, cells in enumerate(guides) if j != i])
        a, b = own.mean(axis=0) - y[half].mean(axis=0), others.mean(axis=0) - y[~half].mean(axis=0)
        lengths = [_length(a, own, y[half]), _length(b, others, y[~half])]
        is_seen = all(length > 0 and length > 2 * error for length, error in lengths)
        cosine = float(np.clip(a @ b / np.sqrt(lengths[0][0] * lengths[1][0]), -1, 1)) if is_seen else np.nan
        score = _along(own, y[half], b)
        null = (
            np.array([_of_control(y, half, codes == code, others) for code in range(n_codes)])
            if codes is not None and n_codes >= FEWEST_CONTROL_GUIDES
            else None
        )
        if null is None:
            pval = float(stats.norm.sf(score))
        else:
            # The degrees of freedom come from the number of control guides
            score /= max(1.0, float(np.sqrt(np.mean(null**2))))
            pval = float(stats.t.sf(score, len(null)))
        found.append(GuideChange(float(np.sqrt(max(lengths[0][0], 0.0))), cosine, score, pval))
    return found


def _length(
    change: NDArray[np.float64], cells: NDArray[np.float64], controls: NDArray[np.float64]
) -> tuple[float, float]:
    """Compute the squared length of a change, corrected for noise, and its standard error without an effect."""
    variance = cells.var(axis=0, ddof=1) / len(cells) + controls.var(axis=0, ddof=1) / len(controls)
    return float(change @ change - variance.sum()), float(np.sqrt(2 * (variance**2).sum()))


def _along(cells: NDArray[np.float64], controls: NDArray[np.float64], direction: NDArray[np.float64]) -> float:
    """Compute the difference between cells and controls along a direction, over its standard error."""
    x, y = cells @ direction, controls @ direction
    error = np.sqrt(x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y))
    return float((x.mean() - y.mean()) / error) if error > 0 else 0.0


def _of_control(
    y: NDArray[np.float64], half: NDArray[np.bool_], guide: NDArray[np.bool_], others: NDArray[np.float64]
) -> float:
    """Score a control guide on the direction of the guides of a gene; 0 if there are no other controls."""
    one, other = half & ~guide, ~half & ~guide
    if guide.sum() < 2 or one.sum() < 2 or not other.any():
        return 0.0
    return _along(y[guide], y[one], others.mean(axis=0) - y[other].mean(axis=0))
