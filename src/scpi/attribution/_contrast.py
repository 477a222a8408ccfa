from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scpi._slots import listed
from scpi.attribution._checks import find_outputs
from scpi.attribution._target import of_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from scpi.attribution._target import AttributionTarget

_OTHERS = ("rest", "mean", "median")


def contrast(
    target: AttributionTarget, outputs: str | Sequence[str] | None = None, *, reference: str = "rest"
) -> AttributionTarget:
    """Contrast outputs of a target with its other outputs.

    For class logits, a contrast is the log-odds of a class against the rest, or against one other class. It contains
    only what distinguishes the cells of a class from others, while a single logit may also contain what all classes
    share.

    Parameters
    ----------
    target
        Target whose outputs are scores or logits of groups.
    outputs
        Outputs to keep; all if `None`, without the reference.
    reference
        Value to subtract from each output. `"rest"`: the logarithm of the summed exponentials of all other outputs, so
        that the contrast of logits is the log-odds against all other classes. `"mean"` or `"median"`: that of the other
        outputs. Otherwise the name of one output.

    Returns
    -------
    Target whose outputs are the contrasts, with the same names.

    Raises
    ------
    ValueError
        If an output or the reference is unknown, an output would be compared with itself, or there is only one output.

    Examples
    --------
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, contrast
    >>> target = AttributionTarget(lambda x: x, lambda x: x, ["a", "b", "c"], kind="logit")
    >>> contrast(target, reference="c").function(torch.tensor([[3.0, 2.0, 1.0]])).tolist()
    [[2.0, 1.0]]
    """
    names = [str(name) for name in target.names]
    if len(names) < 2:
        msg = f"The target has one output, {listed(names)}: there is nothing to compare it with."
        raise ValueError(msg)
    if reference not in _OTHERS and reference not in names:
        msg = f"`reference` must be one of {listed(_OTHERS)} or an output, {listed(names)}, but is {reference!r}."
        raise ValueError(msg)
    if outputs is None:
        outputs = [name for name in names if name != reference]
    chosen = [outputs] if isinstance(outputs, str) else list(outputs)
    places = find_outputs(chosen, names)
    if reference in chosen:
        msg = f"`outputs` has the reference {reference!r} itself, which would be compared with itself."
        raise ValueError(msg)
    compare = _compare(places, len(names), reference, names)
    return of_outputs(target, compare, names=chosen, kind=f"{target.kind} over {reference}")


def _compare(places: list[int], n_outputs: int, reference: str, names: list[str]) -> Callable[[Tensor], Tensor]:
    """Make a function that maps outputs, cells x outputs, to contrasts, cells x contrasts."""
    if reference in names and reference not in _OTHERS:
        other = names.index(reference)
        return lambda scores: scores[:, places] - scores[:, other, None]
    own = torch.nn.functional.one_hot(torch.tensor(places), n_outputs).bool()  # contrasts x outputs

    def over_others(scores: Tensor) -> Tensor:
        if reference == "mean":
            return (scores[:, places] * n_outputs - scores.sum(1, keepdim=True)) / (n_outputs - 1)
        # The output itself becomes the last in the order, and adds nothing to a sum of exponentials
        end = torch.zeros(own.shape).masked_fill(own, torch.inf).to(scores)
        if reference == "rest":
            return scores[:, places] - (scores[:, None] - end).logsumexp(-1)
        ordered = (scores[:, None] + end).sort(-1).values
        # The median of an even number of values is the mean of the middle two, unlike in torch
        low, high = (n_outputs - 2) // 2, (n_outputs - 1) // 2
        return scores[:, places] - (ordered[..., low] + ordered[..., high]) / 2

    return over_others
