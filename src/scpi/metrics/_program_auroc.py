"""Recovery of known gene programs by the genes of units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.optimize import linear_sum_assignment

from scpi.metrics._arrays import as_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def program_auroc(
    saliency: ArrayLike,
    programs: ArrayLike,
    matching: Sequence[int] | NDArray[np.integer] | None = None,
    *,
    absolute: bool = True,
) -> NDArray[np.float64]:
    """Compute the probability that a gene of a known program has a larger saliency in its unit than another gene.

    Parameters
    ----------
    saliency
        Saliencies, loadings or weights of the genes, genes x units.
    programs
        Membership or weights of the same genes, genes x programs: a gene is in a program if its entry is not 0.
    matching
        The unit of each program, -1 for none, such as from :func:`scpi.metrics.match_units` on activities. If `None`,
        the one-to-one matching with the largest total is used, which is optimistic with many units and few genes.
    absolute
        Whether to rank genes by the absolute saliency instead of the saliency.

    Returns
    -------
    The area under the receiver operating characteristic of each program, with ties as one half: 0.5 by chance, and for
    a program without a unit.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, `matching` contains an unknown unit, or a program has no
        genes or all genes.

    Examples
    --------
    >>> from scpi.metrics import program_auroc
    >>> saliency = [[0.1, -2.0], [0.2, 1.5], [0.9, 0.2], [0.3, 0.0]]
    >>> program_auroc(saliency, [[1, 0], [1, 0], [0, 1], [0, 0]], [1, 0])
    array([1., 1.])
    """
    values, member = as_sample(saliency, "saliency"), as_sample(programs, "programs") != 0
    if len(values) != len(member):
        msg = f"`saliency` has {len(values)} genes and `programs` has {len(member)}: they must be the same genes."
        raise ValueError(msg)
    inside = member.sum(axis=0)
    useless = np.flatnonzero((inside == 0) | (inside == len(member)))
    if len(useless):
        msg = f"A program must have genes, but not all genes: those in column(s) {useless.tolist()} do not."
        raise ValueError(msg)
    ranks = stats.rankdata(np.abs(values) if absolute else values, axis=0)
    areas = (member.T @ ranks - (inside * (inside + 1) / 2)[:, None]) / (inside * (len(member) - inside))[:, None]
    found = np.full(len(inside), 0.5)
    if matching is None:
        rows, units = linear_sum_assignment(areas, maximize=True)
    else:
        units = _as_matching(matching, len(inside), values.shape[1])
        rows = np.flatnonzero(units >= 0)
        units = units[rows]
    found[rows] = areas[rows, units]
    return found


def _as_matching(matching: Sequence[int] | NDArray[np.integer], n_programs: int, n_units: int) -> NDArray[np.integer]:
    units = np.asarray(matching)
    valid = units.shape == (n_programs,) and np.issubdtype(units.dtype, np.integer)
    if not valid or (units < -1).any() or (units >= n_units).any():
        msg = f"`matching` must name one of the {n_units} units, or -1, for each of the {n_programs} programs, but is {units}."
        raise ValueError(msg)
    return units
