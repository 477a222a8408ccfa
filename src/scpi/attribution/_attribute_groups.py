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
    """Attributions of groups of cells, groups x genes, or groups x outputs x genes for all outputs."""

    mean: NDArray[np.float64]
    """Mean over the cells of the group; NaN for a group without cells."""
    mean_abs: NDArray[np.float64] | None
    """Mean of the absolute values; `None` without `spread`."""
    std: NDArray[np.float64] | None
    """Standard deviation between the cells (n - 1 degrees of freedom); `None` without `spread`."""
    n_cells: NDArray[np.intp]
    """Number of cells of each group."""
    error: NDArray[np.float64] | None
    """Mean absolute completeness error: deviation of the sum of the attributions of a cell from the difference between
    the output and that of the baseline. `None` for a method that is not complete."""
    difference: NDArray[np.float64] | None
    """Mean absolute difference between the output and that of the baseline, for comparison with the error."""


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
    """Compute attributions of genes, averaged over the cells of each group.

    Cells are read in batches and only sums are stored, so memory does not grow with the number of cells. All outputs
    share one forward pass, and each output needs one backward pass per batch. For a target with a projection, both
    passes start at its first hidden layer.

    Parameters
    ----------
    %(attribution_target)s
    codes
        Group of each cell, numbered from 0. Cells with a negative code are left out.
    outputs
        Output to explain in each group, by name or position, or `"all"` outputs in every group. If `None`, group 0 has
        the first output, and so on.
    %(attribution_method)s
    baseline
        Baseline that cells are compared with: `"zero"`, zeros; `"mean"`, the mean of all cells; `"rest"`, the mean of
        the cells of all other groups; or an array of genes, or groups x genes. Expected gradients draw from the
        `"cells"`, from the `"rest"` of them, or from the rows of an array. Arrays are in the input space of
        `target.function`, after the transform. The default depends on the method.
    spread
        Whether to compute the mean of absolute values and the standard deviation as well. Without them, gradients are
        averaged before they are mapped to genes, which is faster for a target with a projection.
    %(attribution_batch_size)s

    Returns
    -------
    Means, means of absolute values and standard deviations over the cells of each group.

    Raises
    ------
    TypeError
        If the method has no such option.
    ValueError
        If the method or an output is unknown, the shapes do not match, values are not finite, the function cannot be
        differentiated, or its values for a cell depend on other cells or on random numbers.

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
    """Sums over the cells of a group that give its means."""

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
