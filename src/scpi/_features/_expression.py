"""Features from expression: how perturbed genes vary among control cells, and what perturbations do in other screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._components import principal_axes
from scpi._features._rows import find_rows, take_rows, unit_rows
from scpi._features._tables import numbers_of
from scpi._screen._blocks import sum_cells
from scpi._screen._conditions import read_screen
from scpi._screen._matrix import as_dense, means
from scpi._slots import read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

_FEWEST_CELLS = 20
_MAX_CELLS = 20_000


def gene_components(controls: Any, n_components: int) -> NDArray[np.float64]:
    """Correlation of each gene with the principal components of control cells x genes, genes x components.

    0 for genes that do not vary. At most 20,000 cells, drawn with a fixed seed, are looked at.
    """
    n_cells = controls.shape[0]
    if n_cells < _FEWEST_CELLS:
        msg = (
            f"Co-expression needs {_FEWEST_CELLS} control cells or more, but there are {n_cells}: `coexpression=False`."
        )
        raise ValueError(msg)
    if n_cells > _MAX_CELLS:
        controls = controls[np.sort(np.random.default_rng(0).choice(n_cells, _MAX_CELLS, replace=False))]
    axes = principal_axes(controls, n_components, seed=0)
    if axes is None:
        msg = "The control cells do not differ in two genes or more: there is no co-expression to learn from."
        raise ValueError(msg)
    centre = means(controls)
    squares = controls.multiply(controls) if hasattr(controls, "multiply") else np.square(controls, dtype=np.float64)
    spread = np.sqrt(np.maximum(means(squares) - np.square(centre), 0.0))
    scores = as_dense(controls @ axes.T) - centre @ axes.T
    loadings = axes.T * scores.std(axis=0)
    return np.divide(loadings, spread[:, None], out=np.zeros_like(loadings), where=spread[:, None] > 1e-6)


def features_of_coexpression(
    ids: Sequence[str], genes: Sequence[str], controls: Any, *, n_components: int, case: str
) -> tuple[Any, list[str]]:
    """Correlations of perturbed genes with the components of control cells, and the names of these."""
    rows = find_rows(ids, genes, case=case, what="the measured genes")
    found = gene_components(controls, n_components)
    return unit_rows(take_rows(found, rows)), [f"PC{number}" for number in range(1, found.shape[1] + 1)]


def features_of_screen(
    ids: Sequence[str], screen: AnnData | pd.DataFrame, *, what: str, n_components: int, case: str, **labels: Any
) -> tuple[Any, list[str]]:
    """What perturbations do in another screen, against the mean of all of its perturbations, in principal components.

    The screen is a table of changes, perturbations x genes, or cells or profiles with ``labels`` as of
    :func:`~scpi._screen._conditions.read_screen`.
    """
    changes = screen if isinstance(screen, pd.DataFrame) else changes_of(screen, **labels)
    values = numbers_of(changes, what=what)
    rows = find_rows(ids, changes.index.astype(str).tolist(), case=case, what=what)
    centred = values - values.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    n = max(1, min(n_components, len(values) - 1, int((size > 1e-10 * max(size[0], 1e-300)).sum())))
    return unit_rows(take_rows(left[:, :n] * size[:n], rows)), [f"PC{number}" for number in range(1, n + 1)]


def changes_of(screen: AnnData, **labels: Any) -> pd.DataFrame:
    """Change of the mean under each single perturbation of a screen, perturbations x genes."""
    found = read_screen(screen, **labels)
    codes = np.full(screen.n_obs, -1, dtype=np.intp)
    codes[found.cells] = found.condition
    size = np.bincount(found.condition, minlength=len(found.conditions))[:, None]
    mean = as_dense(sum_cells(read_layer(screen, None), codes, len(size)), np.float64) / np.maximum(size, 1)
    n_members = np.array([len(one.doses) for one in found.conditions])
    single = n_members == 1
    control = np.average(mean[n_members == 0], axis=0, weights=size[n_members == 0, 0])
    names = [one.label for one, kept in zip(found.conditions, single, strict=True) if kept]
    # Doses of one perturbation are averaged
    return pd.DataFrame(mean[single] - control, index=names, columns=screen.var_names).groupby(level=0).mean()
