"""Slopes in which no activation of a function passes a negative gradient on to its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ACTIVATIONS = frozenset(
    [
        "celu",
        "elu",
        "gelu",
        "hardtanh",
        "leaky_relu",
        "logsigmoid",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softplus",
        "softsign",
        "tanh",
    ]
)


def rectified_slopes(function: Callable[[Tensor], Tensor], u: Tensor, outputs: Sequence[int]) -> Tensor:
    """Compute guided slopes of outputs, outputs x cells x coordinates."""
    u = u.detach().requires_grad_(True)
    with torch.enable_grad():
        sums = function(u.as_subclass(_Guided)).as_subclass(Tensor)[:, list(outputs)].sum(0)
        found = [torch.autograd.grad(total, u, retain_graph=True)[0] for total in sums]
    return torch.stack(found)


class _Guided(Tensor):
    """Cells whose activations pass on no negative gradient; the values of a function are unchanged."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func.__name__.strip("_") in ACTIVATIONS and isinstance(args[0], cls):
            if "inplace" in kwargs:
                kwargs["inplace"] = False
            return func(_Rectify.apply(args[0].as_subclass(Tensor)), *args[1:], **kwargs).as_subclass(cls)
        return super().__torch_function__(func, types, args, kwargs)


class _Rectify(torch.autograd.Function):
    """The identity, with negative gradients set to zero."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].clamp(min=0.0)
