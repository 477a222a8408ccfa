"""Training cells whose latent units and total counts generated cells take."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi._slots import listed
from scpi.model.base.prediction._predict import draw_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.int64]


class Sources(NamedTuple):
    """Cells from which generated cells start."""

    cells: Codes
    """Place of a training cell for each generated one."""
    status: list[str]
    """Status of the covariates of each group relative to the training cells."""


def draw_sources(
    wanted: Codes,
    sizes: Codes,
    trained: Codes,
    *,
    names: Sequence[str],
    match: Sequence[str] | None,
    order: Callable[[], Sequence[int]],
    rng: np.random.Generator,
) -> Sources:
    """Draw training cells for groups, from those that share covariates with each.

    ``wanted`` are the codes of the groups and ``trained`` those of the training cells, rows x covariates; ``match`` names
    the covariates to share. If it is ``None``, cells share all, or, if there are none of that combination, all but those
    that come last in ``order()``, as few as possible.

    Raises
    ------
    ValueError
        If ``match`` names no covariate, or no cell shares those with a group.
    """
    unknown = [name for name in match or () if name not in names]
    if unknown:
        msg = f"`match` must name categorical covariates of the model, {listed(names)}, but names {listed(unknown)}."
        raise ValueError(msg)
    cells, status = [], []
    for row, size in zip(wanted, sizes, strict=True):
        same = trained == row
        status.append(status_of(same, is_known=bool(same.any(0).all())))
        if match is not None:
            pool = np.flatnonzero(same[:, [list(names).index(name) for name in match]].all(1))
            if not len(pool):
                msg = f"No training cell shares {listed(match)} with one of the groups of the plan: match fewer covariates."
                raise ValueError(msg)
        else:
            pool = closest(same, order)
        cells.append(draw_cells(pool, int(size), rng))
    return Sources(np.concatenate(cells), status)


def explained_order(latent: NDArray[np.float32], codes: Codes) -> list[int]:
    """Covariates by how much of the variance of latent units lies between their categories, most first."""
    centred = latent - latent.mean(0)
    table = pd.DataFrame(centred)
    between = [
        float((table.groupby(codes[:, column]).transform("mean") ** 2).to_numpy().sum())
        for column in range(codes.shape[1])
    ]
    return [int(column) for column in np.argsort(-np.asarray(between), kind="stable")]


def closest(same: NDArray[np.bool_], order: Callable[[], Sequence[int]]) -> Codes:
    """Cells that share the first covariates of an order, as many of these as any cell shares; ``same`` is cells x covariates."""
    pool = np.flatnonzero(same.all(1))
    if len(pool):
        return pool
    columns = list(order())
    while not len(pool):
        columns.pop()
        pool = np.flatnonzero(same[:, columns].all(1))
    return pool


def status_of(same: NDArray[np.bool_], *, is_known: bool) -> str:
    """How covariates relate to those of training cells, which share some, and whether each occurs in some cell."""
    if same.all(1).any():
        return "trained"
    return "unseen combination" if is_known else "unseen"
