from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._docs import fill
from scpi.attribution._checks import check_codes, check_expression, find_outputs
from scpi.attribution._stream import Baseline, Question, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray

    from scpi.attribution._methods._method import Slopes, Values
    from scpi.attribution._target import AttributionTarget


@dataclass(frozen=True)
class BatchAttributions:
    """Attributions of some cells of one group, computed on demand for each output."""

    group: int
    """Group of the cells."""
    cells: NDArray[np.intp]
    """Positions of the cells."""
    of_output: Callable[[int], NDArray[Any]]
    """Function that takes the position of an output in `outputs`, and returns its attributions, cells x genes."""


@fill
def attribute_batches(
    target: AttributionTarget,
    x: Any,
    codes: ArrayLike | None = None,
    *,
    outputs: str | int | Sequence[str | int] | None = None,
    method: str = "gradient",
    baseline: Baseline | ArrayLike | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    rng: int | np.random.Generator | None = 0,
    **options: Any,
) -> Iterator[BatchAttributions]:
    """Compute attributions of single cells in batches that are not stored, for custom summaries.

    Parameters
    ----------
    %(attribution_target)s
    %(codes)s
    %(outputs)s
    %(attribution_method)s
    %(attribution_baseline)s
    %(attribution_batch_size)s

    Returns
    -------
    An iterator over batches of cells, one group after another.

    %(attribution_Raises)s

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, attribute_batches
    >>> target = AttributionTarget(lambda x: (x**2).sum(1, keepdim=True), lambda x: x, ["norm"], kind="logit")
    >>> [batch.of_output(0).tolist() for batch in attribute_batches(target, np.array([[1.0, 3.0]]))]
    [[[2.0, 6.0]]]
    """
    matrix = check_expression(x)
    groups = check_codes(codes, matrix.shape[0])
    places = find_outputs(outputs, target.names)
    of_groups = [places] * (int(groups.max()) + 1)
    question = Question(target, matrix, groups, of_groups, method, baseline, batch_size, device, rng, options)
    return (BatchAttributions(group, rows, partial(_of_output, found)) for group, rows, found in stream(question))


def _of_output(explained: Slopes | Values, output: int) -> NDArray[Any]:
    return np.asarray(explained.of_genes(output).cpu().numpy())
