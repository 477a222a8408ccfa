from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi.attribution._checks import check_codes, check_expression, find_outputs, one_output_each
from scpi.attribution._stream import Baseline, Question, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray

    from scpi.attribution._target import AttributionTarget


@dataclass(frozen=True, kw_only=True)
class CellAttributions:
    """Attributions of single cells; the first axis is missing if there is one output per cell."""

    values: NDArray[np.float32]
    """Attributions, outputs x cells x genes; NaN for a cell that was left out."""
    error: NDArray[np.float64] | None
    """Completeness error, outputs x cells: sum of the attributions of a cell, minus the difference that they should sum
    to. `None` for a method that is not complete."""
    difference: NDArray[np.float64] | None
    """Difference between the output and that of the baseline, outputs x cells, for comparison with the error."""


@fill
def attribute_cells(
    target: AttributionTarget,
    x: Any,
    outputs: str | int | Sequence[str | int] | None = None,
    *,
    codes: ArrayLike | None = None,
    method: str = "gradient",
    baseline: Baseline | ArrayLike | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    rng: int | np.random.Generator | None = 0,
    **options: Any,
) -> CellAttributions:
    """Compute attributions of genes in single cells.

    The result is a dense array of outputs x cells x genes, four bytes per number. To get means over groups of cells
    without storing it, use :func:`scpi.attribution.attribute_groups`.

    Parameters
    ----------
    %(attribution_target)s
    outputs
        Output or outputs to explain, by name or position; all if `None`. With `codes`, one output per group; if `None`,
        group 0 has the first output, and so on.
    codes
        Group of each cell, numbered from 0, to explain different outputs in different groups. Cells with a negative
        code are left out.
    %(attribution_method)s
    %(attribution_baseline)s
    %(attribution_batch_size)s

    Returns
    -------
    Attributions, cells x genes for one output or with `codes`, else outputs x cells x genes. For a complete method,
    also the completeness error of each cell.

    %(attribution_Raises)s

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, attribute_cells
    >>> target = AttributionTarget(lambda x: (x**2).sum(1, keepdim=True), lambda x: x, ["norm"], kind="logit")
    >>> found = attribute_cells(target, np.array([[1.0, 3.0]]), "norm", method="integrated_gradients", baseline="zero")
    >>> found.values.round(4).tolist(), found.difference.round(4).tolist()
    ([[1.0, 9.0]], [10.0])
    """
    matrix = check_expression(x)
    groups = check_codes(codes, matrix.shape[0])
    single = codes is not None or isinstance(outputs, str | int | np.integer)
    if isinstance(outputs, str | int | np.integer):
        outputs = [outputs]
    places = find_outputs(outputs, target.names)
    of_groups = [places] if codes is None else one_output_each(places, int(groups.max()) + 1)
    question = Question(target, matrix, groups, of_groups, method, baseline, batch_size, device, rng, options)
    n_outputs, n_cells = len(of_groups[0]), matrix.shape[0]
    values: NDArray[np.float32] | None = None
    error = np.full((2, n_outputs, n_cells), np.nan)
    complete = False
    for _, rows, explained in stream(question):
        for j in range(n_outputs):
            of_genes = explained.of_genes(j)
            if values is None:
                values = np.full((n_outputs, n_cells, of_genes.shape[1]), np.nan, dtype=np.float32)
            values[j, rows] = of_genes.cpu().numpy()
        if explained.completeness is not None:
            complete = True
            error[0][:, rows] = explained.completeness.error.cpu().numpy()
            error[1][:, rows] = explained.completeness.difference.cpu().numpy()
    assert values is not None  # at least one cell is left in
    keep = 0 if single else slice(None)
    return CellAttributions(
        values=values[keep],
        error=error[0][keep] if complete else None,
        difference=error[1][keep] if complete else None,
    )
