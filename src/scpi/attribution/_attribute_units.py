from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi.attribution._checks import check_codes, check_expression, find_outputs
from scpi.attribution._group_sums import GroupSums, members
from scpi.attribution._methods._method import Slopes
from scpi.attribution._stream import Baseline, Question, cells_at_a_time, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray

    from scpi.attribution._methods._method import Completeness
    from scpi.attribution._target import AttributionTarget

    Write = Callable[[int, NDArray[np.intp], NDArray[np.float32]], None]

# Maximum size of a batch of gradients of genes, outputs x cells x genes
_NUMBERS = 1 << 25


@dataclass(frozen=True, kw_only=True)
class UnitAttributions:
    """Attributions of every output, groups x outputs x genes."""

    mean: NDArray[np.float64]
    """Mean over the cells of the group; NaN for a group without cells."""
    mean_abs: NDArray[np.float64] | None
    """Mean of the absolute values; `None` if not requested."""
    n_cells: NDArray[np.intp]
    """Number of cells of each group."""
    error: NDArray[np.float64] | None = None
    """Mean absolute completeness error of each output, over all cells. `None` for a method that is not complete."""
    difference: NDArray[np.float64] | None = None
    """Mean absolute difference between each output and that of the baseline, for comparison with the error."""


@fill
def attribute_units(
    target: AttributionTarget,
    x: Any,
    codes: ArrayLike | None = None,
    *,
    outputs: str | int | Sequence[str | int] | None = None,
    method: str = "gradient",
    baseline: Baseline | ArrayLike | None = None,
    absolute: bool = False,
    write: Write | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    rng: int | np.random.Generator | None = 0,
    **options: Any,
) -> UnitAttributions:
    """Compute attributions of genes to every output of a target, in one pass over the cells.

    Cells are read once, in order and in batches, and only sums are stored, so memory does not grow with the number of
    cells. Unlike in :func:`scpi.attribution.attribute_groups`, all cells are compared with the same baseline. For a
    target with a projection, slopes that are not multiplied by a change of the genes are averaged at the hidden units.

    Parameters
    ----------
    %(attribution_target)s
    %(codes)s
    %(outputs)s
    %(attribution_method)s
    baseline
        Baseline that cells are compared with, as in :func:`scpi.attribution.attribute_groups`, except `"rest"`.
    absolute
        Whether to average the absolute values too, which needs a product for every cell, output and gene.
    write
        Callback that receives the attributions of single cells: the position of an output in `outputs`, the positions
        of some cells, and their attributions, cells x genes.
    %(attribution_batch_size)s

    Returns
    -------
    Means over the cells of each group.

    %(attribution_Raises)s

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, attribute_units
    >>> weight = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    >>> target = AttributionTarget(lambda x: x @ weight, lambda x: x, ["a", "b"], kind="latent")
    >>> attribute_units(target, np.ones((4, 2))).mean.tolist()
    [[[1.0, 0.0], [-2.0, 3.0]]]
    """
    matrix = check_expression(x)
    groups = check_codes(codes, matrix.shape[0])
    places = find_outputs(outputs, target.names)
    included = np.where(groups >= 0, 0, -1)
    if batch_size is None and target.projection is None:
        batch_size = cells_at_a_time(len(places) * matrix.shape[1], _NUMBERS)
    question = Question(target, matrix, included, [places], method, baseline, batch_size, device, rng, options)
    n_groups, n_outputs = int(groups.max()) + 1, len(places)
    of_genes, of_sizes = GroupSums(n_groups, n_outputs), GroupSums(n_groups, n_outputs)
    of_slopes, leave = GroupSums(n_groups, n_outputs), None
    errors = _Errors()
    for _, rows, explained in stream(question):
        of_cells = groups[rows]
        errors.add(explained.completeness)
        if isinstance(explained, Slopes) and explained.change is None and not absolute and write is None:
            leave = explained.space.leave
            of_slopes.add(slice(None), explained.slopes, members(of_cells, n_groups, explained.slopes))
            continue
        for j in range(n_outputs):
            values = explained.of_genes(j)
            member = members(of_cells, n_groups, values)
            of_genes.add(j, values, member)
            if absolute:
                of_sizes.add(j, values.abs(), member)
            if write is not None:
                write(j, rows, values.cpu().numpy())
    n_cells = np.bincount(groups[groups >= 0], minlength=n_groups)
    return UnitAttributions(
        mean=of_genes.mean(n_cells) if leave is None else of_slopes.mean(n_cells, leave),
        mean_abs=of_sizes.mean(n_cells) if absolute else None,
        n_cells=n_cells,
        error=errors.mean("error"),
        difference=errors.mean("difference"),
    )


class _Errors:
    """Mean absolute completeness errors of outputs over cells."""

    def __init__(self) -> None:
        self._n = 0
        self._sums: dict[str, Any] = {}

    def add(self, completeness: Completeness | None) -> None:
        if completeness is None:
            return
        self._n += completeness.error.shape[1]
        for name in ("error", "difference"):
            found = getattr(completeness, name).abs().sum(1).double().cpu().numpy()
            self._sums[name] = self._sums.get(name, 0.0) + found

    def mean(self, name: str) -> NDArray[np.float64] | None:
        return np.asarray(self._sums[name] / self._n) if self._n else None
