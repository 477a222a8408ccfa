from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._docs import fill
from scpi.attribution._checks import check_codes, check_expression, find_outputs, one_output_each
from scpi.attribution._methods._method import Slopes
from scpi.attribution._stream import Baseline, Question, stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from scpi.attribution._methods._method import Values
    from scpi.attribution._target import AttributionTarget


@dataclass(frozen=True, kw_only=True)
class GroupAttributions:
    """Attributions of groups of cells, groups x genes, or groups x outputs x genes where all outputs were asked for."""

    mean: NDArray[np.float64]
    """Mean over the cells of the group; NaN for a group without cells."""
    mean_abs: NDArray[np.float64] | None
    """Mean of the absolute values; `None` without `spread`."""
    std: NDArray[np.float64] | None
    """Standard deviation between the cells, with one degree of freedom less than cells; `None` without `spread`."""
    n_cells: NDArray[np.intp]
    """Number of cells of each group."""
    error: NDArray[np.float64] | None
    """Mean absolute completeness error: by how much the attributions of a cell miss the difference of the output from
    that of the baseline. `None` for a method whose attributions need not sum to it."""
    difference: NDArray[np.float64] | None
    """Mean absolute difference of the output from that of the baseline, to compare the error with."""


@fill
def attribute_groups(
    target: AttributionTarget,
    x: Any,
    codes: ArrayLike,
    *,
    outputs: Sequence[str | int] | Literal["all"] | None = None,
    method: str = "gradient",
    baseline: Baseline | ArrayLike | None = None,
    spread: bool = True,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    rng: int | np.random.Generator | None = 0,
    **options: Any,
) -> GroupAttributions:
    """Attributions of genes, averaged over the cells of each group.

    Cells are read a batch at a time and nothing is kept of them but sums, so memory does not grow with their number.
    The outputs of a cell share one forward pass, and every output takes one backward pass for all cells of a batch. A
    target with a projection runs both from its first hidden layer on.

    Parameters
    ----------
    %(attribution_target)s
    codes
        Group of each cell, from 0 on; a cell with a negative one is left out.
    outputs
        Output to explain in each group, by name or place, or `"all"` outputs in every group. If `None`, the groups are
        those of the outputs: group 0 has the first.
    %(attribution_method)s
    baseline
        What cells are compared with: `"zero"`, zeros; `"mean"`, the mean of all cells; `"rest"`, the mean of the cells
        of all other groups; or an array of genes, or groups x genes. Expected gradients draw from the `"cells"`, from
        the `"rest"` of them, or from the rows of an array. All of these are in the input of `target.function`, after the
        transform. The default is that of the method.
    spread
        Compute the mean of absolute values and the standard deviation as well. Without them, gradients are averaged
        before they are turned into those of genes, which is faster for a target with a projection.
    %(attribution_batch_size)s

    Returns
    -------
    Means, means of absolute values and standard deviations over the cells of each group.

    Raises
    ------
    TypeError
        If the method has no such option.
    ValueError
        If the method or an output is unknown, the shapes do not fit, values are not finite, the function cannot be
        differentiated, or the values that it gives a cell depend on the other cells or on chance.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, attribute_groups
    >>> weight = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    >>> target = AttributionTarget(lambda x: x @ weight, lambda x: x, ["a", "b"], kind="logit")
    >>> attribute_groups(target, np.ones((4, 2)), [0, 0, 1, 1]).mean.tolist()
    [[1.0, 0.0], [-2.0, 3.0]]
    """
    matrix = check_expression(x)
    groups = check_codes(codes, matrix.shape[0])
    n_groups = int(groups.max()) + 1
    of_groups = _outputs_of_groups(outputs, target.names, n_groups)
    question = Question(target, matrix, groups, of_groups, method, baseline, batch_size, device, rng, options)
    found = [[_Moments(spread) for _ in of_group] for of_group in of_groups]
    for group, _, explained in stream(question):
        for j, moments in enumerate(found[group]):
            moments.add(explained, j)
    width = max(moments.width for row in found for moments in row)
    sizes = np.bincount(groups[groups >= 0], minlength=n_groups)
    complete = all(moments.complete for row in found for moments in row if moments.n)

    def collect(name: str, *shape: int) -> NDArray[np.float64]:
        blank = np.full(shape, np.nan)
        table = np.array([[getattr(moments, name)() if moments.n else blank for moments in row] for row in found])
        return table if isinstance(outputs, str) else table[:, 0]

    return GroupAttributions(
        mean=collect("mean", width),
        mean_abs=collect("mean_abs", width) if spread else None,
        std=collect("std", width) if spread else None,
        n_cells=sizes,
        error=collect("error") if complete else None,
        difference=collect("difference") if complete else None,
    )


def _outputs_of_groups(
    outputs: Sequence[str | int] | str | None, names: Sequence[str], n_groups: int
) -> list[list[int]]:
    if isinstance(outputs, str):
        if outputs != "all":
            msg = f"`outputs` must be one output for each group, or 'all', but is {outputs!r}."
            raise ValueError(msg)
        return [list(range(len(names)))] * n_groups
    return one_output_each(find_outputs(outputs, names), n_groups)


class _Moments:
    """Sums over the cells of a group, from which its means are made."""

    def __init__(self, spread: bool) -> None:
        self.n, self.complete = 0, False
        self._spread = spread
        self._slopes: Tensor | float = 0.0
        self._leave: Any = None
        self._mean: Any = 0.0
        self._abs: Any = 0.0
        self._squares: Any = 0.0
        self._error = self._difference = 0.0

    def add(self, explained: Slopes | Values, output: int) -> None:
        if not self._spread and isinstance(explained, Slopes) and explained.change is None:
            slopes = explained.slopes[output]
            self._leave = explained.space.leave
            self._slopes = self._slopes + slopes.sum(0)
            n = len(slopes)
        else:
            n = self._add_genes(explained.of_genes(output))
        if explained.completeness is not None:
            self.complete = True
            self._error += float(explained.completeness.error[output].abs().sum())
            self._difference += float(explained.completeness.difference[output].abs().sum())
        self.n += n

    def _add_genes(self, values: Tensor) -> int:
        """Merge the moments of a batch with those before it (Chan et al., 1979)."""
        n, mean = len(values), values.mean(0)
        shift = mean.double().cpu().numpy() - self._mean
        share = n / (self.n + n)
        if self._spread:
            self._abs = self._abs + values.abs().sum(0).double().cpu().numpy()
            squares = (values - mean).square_().sum(0).double().cpu().numpy()
            self._squares = self._squares + squares + shift**2 * (self.n * share)
        self._mean = self._mean + shift * share
        return n

    @property
    def width(self) -> int:
        return len(self.mean()) if self.n else 0

    def mean(self) -> NDArray[np.float64]:
        if self._leave is None:
            return np.asarray(self._mean)
        return np.asarray(self._leave(self._slopes / self.n).double().cpu().numpy())

    def mean_abs(self) -> NDArray[np.float64]:
        return np.asarray(self._abs / self.n)

    def std(self) -> NDArray[np.float64]:
        if self.n < 2:
            return np.full(np.shape(self._squares), np.nan)
        return np.asarray(np.sqrt(self._squares / (self.n - 1)))

    def error(self) -> float:
        return self._error / self.n

    def difference(self) -> float:
        return self._difference / self.n
