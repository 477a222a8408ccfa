from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from scipy.integrate import trapezoid

from scpi._rng import as_generator
from scpi.attribution._checks import check_expression, check_positive, find_outputs
from scpi.attribution._space import Space
from scpi.attribution._stream import batches, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from scpi.attribution._target import AttributionTarget

_CELLS = 256


@dataclass(frozen=True, kw_only=True)
class InsertionDeletion:
    """Change of an output as genes are inserted or deleted, the most important first."""

    share: NDArray[np.float64]
    """Fraction of the genes at each step, from 0 to 1."""
    insertion: NDArray[np.float64]
    """Outputs x steps: fraction of the difference from the baseline that is reached by inserting genes, from 0 to 1."""
    deletion: NDArray[np.float64]
    """Outputs x steps: fraction of the difference that remains after setting genes to the baseline, from 1 to 0."""

    insertion_auc: NDArray[np.float64]
    """Area under the insertion curve of each output; larger is better."""
    deletion_auc: NDArray[np.float64]
    """Area under the deletion curve of each output; smaller is better."""


def insertion_deletion(
    target: AttributionTarget,
    x: Any,
    attributions: ArrayLike | None,
    *,
    outputs: str | int | Sequence[str | int] | None = None,
    baseline: Literal["zero", "mean"] | ArrayLike = "mean",
    n_steps: int = 20,
    device: str | torch.device | None = None,
    rng: int | np.random.Generator | None = 0,
) -> InsertionDeletion:
    r"""Check whether an output depends on the genes with the largest attributions.

    Let :math:`b` be the baseline, :math:`x_S` a cell whose genes outside :math:`S` are at the baseline, and :math:`S_p`
    the fraction :math:`p` of genes that, by their attributions, move the output most towards its value in the cell. The
    insertion is

    .. math:: \text{insertion}_p = \frac{\sum_i s_i \, (f(x_{i, S_p}) - f(b))}{\sum_i |f(x_i) - f(b)|},
       \qquad s_i = \operatorname{sign}(f(x_i) - f(b)),

    and the deletion is the same for :math:`x` without :math:`S_p` (Petsiuk et al., "RISE", BMVC 2018, generalised to
    outputs of any sign and range). The curves may leave the range from 0 to 1, because some genes act against others.

    Parameters
    ----------
    target
        Function whose outputs are explained.
    x
        Registered expression, cells x genes, dense or sparse; a few hundred cells are sufficient.
    attributions
        Contributions of genes to the difference from the baseline, such as integrated gradients, outputs x cells x
        genes. Or outputs x genes, for the same attributions in all cells; these may be slopes, as they are in effect
        multiplied by the difference of the gene from the baseline. If `None`, a random order, for comparison.
    outputs
        Outputs that are explained, by name or position; all if `None`.
    baseline
        Baseline in the input space of the function: zero, the mean of the cells, or one number per gene.
    n_steps
        Number of steps.
    device
        Device of the computation, as in :func:`scpi.attribution.attribute_units`.
    rng
        Seed or generator of the random order.

    Returns
    -------
    The curves, and the areas under them.

    Raises
    ------
    ValueError
        If the shapes do not match, an output is unknown, or a number is out of range.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, insertion_deletion
    >>> target = AttributionTarget(lambda x: x @ torch.tensor([[3.0], [1.0]]), lambda x: x, ["a"], kind="latent")
    >>> found = insertion_deletion(target, [[1.0, 1.0]], [[[3.0, 1.0]]], baseline="zero", n_steps=2)
    >>> found.insertion.tolist(), found.deletion.tolist()
    ([[0.0, 0.75, 1.0]], [[1.0, 0.25, 0.0]])
    """
    check_positive(n_steps=n_steps)
    matrix, space = check_expression(x), Space(target, device)
    places = find_outputs(outputs, target.names)
    n_cells, n_genes = matrix.shape
    given = _check_attributions(attributions, (len(places), n_cells, n_genes))
    start = _baseline(baseline, space, matrix)
    generator = as_generator(rng)
    counts = np.round(np.linspace(0, n_genes, n_steps + 1)).astype(int)
    way = np.zeros((2, len(places), n_steps + 1))
    total = np.zeros(len(places))
    for rows in batches(np.arange(n_cells), _CELLS):
        cells = space.read(take(matrix, rows))
        first = space.values(space.enter(start), places)
        difference = space.values(space.enter(cells), places) - first
        total += difference.abs().sum(1).double().cpu().numpy()
        for j, place in enumerate(places):
            sign = difference[j].sign()
            order = _contributions(given, j, rows, cells - start, generator) * sign[:, None]
            rank = order.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
            for step, count in enumerate(counts):
                inside = rank < int(count)
                for k, kept in enumerate((inside, ~inside)):
                    mixed = torch.where(kept, cells, start)
                    moved = space.values(space.enter(mixed), [place])[0] - first[j]
                    way[k, j, step] += float((moved * sign).double().sum())
    insertion, deletion = way / np.where(total > 0, total, np.nan)[:, None]
    share = counts / n_genes
    return InsertionDeletion(
        share=share,
        insertion=insertion,
        deletion=deletion,
        insertion_auc=trapezoid(insertion, share),
        deletion_auc=trapezoid(deletion, share),
    )


def _check_attributions(attributions: ArrayLike | None, shape: tuple[int, int, int]) -> NDArray[np.float32] | None:
    if attributions is None:
        return None
    given = np.asarray(attributions, dtype=np.float32)
    if given.shape not in {shape, (shape[0], shape[2])}:
        msg = f"`attributions` must be outputs x cells x genes, {shape}, or outputs x genes, but are of shape {given.shape}."
        raise ValueError(msg)
    return given


def _baseline(baseline: str | ArrayLike, space: Space, matrix: Any) -> Tensor:
    """Make the baseline, one row in the input space of the function."""
    if isinstance(baseline, str) and baseline == "mean":
        rows = batches(np.arange(matrix.shape[0]), _CELLS)
        sums = [space.read(take(matrix, part)).double().sum(0) for part in rows]
        return (torch.stack(sums).sum(0) / matrix.shape[0]).to(space.dtype)[None]
    if isinstance(baseline, str) and baseline == "zero":
        return torch.zeros((1, matrix.shape[1]), dtype=space.dtype, device=space.device)
    if isinstance(baseline, str) or np.shape(baseline) != (matrix.shape[1],):
        shown = repr(baseline) if isinstance(baseline, str) else f"of shape {np.shape(baseline)}"
        msg = f"`baseline` must be 'zero', 'mean' or {matrix.shape[1]} numbers, but is {shown}."
        raise ValueError(msg)
    return torch.from_numpy(np.asarray(baseline, dtype=np.float64)).to(device=space.device, dtype=space.dtype)[None]


def _contributions(
    given: NDArray[np.float32] | None, output: int, rows: NDArray[np.intp], change: Tensor, rng: np.random.Generator
) -> Tensor:
    """Find the contribution of each gene in each cell, or draw random numbers."""
    if given is None:
        return torch.from_numpy(rng.standard_normal(tuple(change.shape), dtype=np.float32)).to(change)
    if given.ndim == 3:
        return torch.from_numpy(given[output, rows]).to(change)
    return torch.from_numpy(given[output]).to(change) * change
