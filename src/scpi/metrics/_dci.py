"""Disentanglement, completeness and informativeness of the units of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import entr

from scpi._rng import as_generator
from scpi.metrics._arrays import as_sample
from scpi.metrics._association import units_and_truths

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True)
class DCIScores:
    """Scores of :func:`scpi.metrics.dci`."""

    disentanglement: float
    """Whether each unit is informative about one truth only, between 0 and 1."""
    completeness: float
    """Whether each truth is captured by one unit only, between 0 and 1."""
    informativeness: float
    """Mean fraction of the variance of a truth in held-out cells that the units explain; negative values count as 0."""
    importance: NDArray[np.float64]
    """Importance of every unit in the prediction of every truth, units x truths."""


def disentanglement(importance: ArrayLike) -> float:
    r"""Compute the disentanglement: whether each unit is important for one truth only.

    With :math:`P_{ij} = R_{ij} / \sum_k R_{ik}`, the score of a unit is :math:`1 + \sum_j P_{ij} \log_K P_{ij}` for *K*
    truths. Units are averaged with their total importance as weights, so that unimportant units do not count.

    Parameters
    ----------
    importance
        Importance of the units for the truths, units x truths, non-negative.

    Returns
    -------
    The score: 1 if no unit is important for two truths, 0 if all units are equally important for all truths.

    Raises
    ------
    ValueError
        If there are fewer than two truths, or a value is negative, NaN or infinite, or all are 0.

    Examples
    --------
    >>> from scpi.metrics import disentanglement
    >>> disentanglement([[2.0, 0.0], [1.0, 1.0]])
    0.5
    """
    return _mean_concentration(_as_importance(importance), "truths")


def completeness(importance: ArrayLike) -> float:
    r"""Compute the completeness: whether each truth depends on one unit only.

    Parameters
    ----------
    importance
        Importance of the units for the truths, units x truths, non-negative.

    Returns
    -------
    The score, as :func:`scpi.metrics.disentanglement` with units and truths exchanged: 1 if no truth depends on two
    units, 0 if every truth depends equally on all units.

    Raises
    ------
    ValueError
        If there are fewer than two units, or a value is negative, NaN or infinite, or all are 0.

    Examples
    --------
    >>> from scpi.metrics import completeness
    >>> completeness([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    0.75
    """
    return _mean_concentration(_as_importance(importance).T, "units")


def _as_importance(importance: ArrayLike) -> NDArray[np.float64]:
    values = as_sample(importance, "importance")
    if (values < 0).any() or not values.any():
        msg = "`importance` must not be negative, nor 0 for all units and truths."
        raise ValueError(msg)
    return values


def _mean_concentration(values: NDArray[np.float64], name: str) -> float:
    """One minus the normalised entropy of each row, averaged with the sums of the rows as weights."""
    if values.shape[1] < 2:
        msg = f"There must be at least two {name} to choose from, but there is {values.shape[1]}."
        raise ValueError(msg)
    total = values.sum(axis=1)
    share = values / np.where(total > 0, total, 1.0)[:, None]
    return float(np.average(1.0 - entr(share).sum(axis=1) / np.log(values.shape[1]), weights=total))


def dci(
    units: ArrayLike,
    truths: ArrayLike,
    *,
    predictor: Literal["forest", "lasso"] = "forest",
    test_size: float = 0.25,
    n_trees: int = 100,
    rng: int | np.random.Generator | None = 0,
) -> DCIScores:
    """Compute disentanglement, completeness and informativeness of the units of a model.

    Every truth is predicted from all units, and the importance of the units in this prediction is scored.

    Parameters
    ----------
    units
        Activities of the units, cells x units.
    truths
        Known factors of the same cells, cells x truths, or one label for each cell.
    predictor
        `"forest"`: random forests; importance is the variance reduction by splits on a unit. `"lasso"`: linear models
        with a penalty chosen by cross-validation; importance is the absolute coefficient of the scaled unit.
    test_size
        Fraction of the cells that are held out for the informativeness.
    n_trees
        Number of trees of each forest.
    rng
        Seed or generator of the split and of the predictor.

    Returns
    -------
    The three scores and the importance of the units.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, a truth is constant in all or in the training cells,
        there are fewer than two units or truths, nothing can be predicted, or `predictor` is unknown.

    Notes
    -----
    The scores are those of Eastwood and Williams (ICLR, 2018). In the completeness, truths are weighted by their
    importance, like units in the disentanglement. Each column of the importance sums to 1, or is 0 for a truth that
    cannot be predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.metrics import dci
    >>> truths = np.random.default_rng(0).random((400, 2))
    >>> found = dci(truths * [1.0, -3.0], truths)
    >>> min(found.disentanglement, found.completeness, found.informativeness) > 0.95
    True
    """
    from sklearn.model_selection import train_test_split

    if predictor not in ("forest", "lasso"):
        msg = f"`predictor` must be 'forest' or 'lasso', but is {predictor!r}."
        raise ValueError(msg)
    activity, known = units_and_truths(units, truths)
    if activity.shape[1] < 2 or known.shape[1] < 2:
        msg = (
            f"There must be at least two units and two truths, but there are {activity.shape[1]} and {known.shape[1]}."
        )
        raise ValueError(msg)
    generator = as_generator(rng)
    train, test = train_test_split(
        np.arange(len(activity)), test_size=test_size, random_state=int(generator.integers(2**31))
    )
    # Scale the units, so that the penalty treats them equally
    spread = activity[train].std(axis=0)
    activity = (activity - activity[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    units_and_truths(activity[train], known[train])
    importance, explained = [], []
    for truth in known.T:
        model = _predictor(predictor, n_trees, int(generator.integers(2**31)))
        model.fit(activity[train], truth[train])
        values = model.feature_importances_ if predictor == "forest" else np.abs(model.coef_)
        importance.append(values / max(values.sum(), np.finfo(float).tiny))
        explained.append(_explained(truth[test], model.predict(activity[test])))
    matrix = np.array(importance).T
    return DCIScores(
        disentanglement=disentanglement(matrix),
        completeness=completeness(matrix),
        informativeness=float(np.mean(explained)),
        importance=matrix,
    )


def _predictor(kind: str, n_trees: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LassoCV

    if kind == "lasso":
        return LassoCV(cv=5, random_state=seed)
    return RandomForestRegressor(n_trees, min_samples_leaf=5, random_state=seed)


def _explained(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Explained fraction of the variance, at least 0; 0 without variance."""
    variance = truth.var()
    return max(0.0, 1.0 - float(np.mean((truth - predicted) ** 2) / variance)) if variance > 0 else 0.0
