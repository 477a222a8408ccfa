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
    """Attributions of single cells; the first axis is missing where there is one output a cell."""

    values: NDArray[np.float32]
    """Outputs x cells x genes; NaN for a cell that was left out."""
    error: NDArray[np.float64] | None
    """Completeness error, outputs x cells: sum of the attributions of a cell less the difference that they should sum
    to. `None` for a method whose attributions need not sum to anything."""
    difference: NDArray[np.float64] | None
    """Difference of the output from that of the baseline, outputs x cells, to compare the error with."""


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
    """Attributions of genes in single cells.

    The result is dense: outputs x cells x genes numbers of four bytes. Means over groups of cells need not store it:
    :func:`scpi.attribution.attribute_groups`.

    Parameters
    ----------
    %(attribution_target)s
    outputs
        Output to explain, by name or place, or several of them; all if `None`. With `codes`, the output of each group;
        the groups are those of the outputs if `None`.
    codes
        Group of each cell, from 0 on, if cells of different groups have different outputs explained; a cell with a
        negative one is left out.
    %(attribution_method)s
    %(attribution_baseline)s
    %(attribution_batch_size)s

    Returns
    -------
    Attributions: cells x genes for one output or with `codes`, else outputs x cells x genes. With them, for a method
    that is complete, by how much those of each cell miss what they should sum to.

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
