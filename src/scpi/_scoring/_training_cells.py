"""What a score takes from the cells that models learn from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._components import principal_axes
from scpi._scoring._metrics import METRICS
from scpi._scoring._prediction import draw_places
from scpi._screen._chosen_rows import column_means

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Read = Callable[[NDArray[np.int64]], Any]
    """Expression of cells, given by position: log-normalised cells x genes, dense or sparse."""

_MAX_CELLS = 20_000


def components_of(
    read: Read, cells: NDArray[np.int64], n_components: int | None, metrics: Sequence[str]
) -> NDArray[np.float64] | None:
    """Directions of the principal components of cells, genes x components.

    At most 20,000 cells, drawn with a fixed seed, are looked at. ``None`` where distances are taken in genes
    (``n_components=None``), or no metric takes components.
    """
    if n_components is None or not any(name in METRICS and METRICS[name].space == "components" for name in metrics):
        return None
    # All of them in memory
    x = read(cells[draw_places(len(cells), _MAX_CELLS, np.random.default_rng(0))])[:]
    axes = principal_axes(x, n_components, seed=0)
    return None if axes is None else axes.T


def perturbed_mean_of(
    read: Read, cells: NDArray[np.int64], strata: NDArray[np.integer], metrics: Sequence[str]
) -> NDArray[np.float64] | None:
    """Mean over perturbed conditions, each with the same weight, one value per gene.

    ``strata`` are codes of the condition and context of each of the perturbed cells. ``None`` where there is no cell,
    or no metric needs the mean.
    """
    if not len(cells) or not any(name in METRICS and METRICS[name].needs_perturbed_mean for name in metrics):
        return None
    return np.mean([column_means(read(cells[strata == code])) for code in np.unique(strata)], axis=0)


def others_of(
    read: Read,
    cells: NDArray[np.int64],
    labels: NDArray[np.object_],
    label: str,
    *,
    n_cells: int,
    seed: int,
) -> Callable[[], Any] | None:
    """Reads perturbed cells with another label, at most ``n_cells`` of them; ``None`` where there are fewer than two.

    ``labels`` are those of each of the perturbed cells.
    """
    others = cells[labels != label]
    if len(others) < 2:
        return None
    return partial(read, others[draw_places(len(others), n_cells, np.random.default_rng(seed))])
