"""Slopes in which every nonlinear operation of a function has its secant slope from a start to the cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from scpi.attribution._rectified import ACTIVATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Elementwise operations: the slope is a ratio of differences
_ELEMENTWISE = ACTIVATIONS | frozenset(
    [
        "abs",
        "clamp",
        "cos",
        "erf",
        "exp",
        "expm1",
        "log",
        "log1p",
        "pow",
        "reciprocal",
        "rsqrt",
        "sin",
        "sqrt",
        "square",
    ]
)
# Operations on all numbers of a cell: the slope is the mean gradient on the line from the start
_JOINT = frozenset(
    [
        "cdist",
        "layer_norm",
        "log_softmax",
        "logsumexp",
        "norm",
        "normalize",
        "softmax",
        "vector_norm",
        "linalg_vector_norm",
    ]
)
_PLACES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
# Below this difference, a ratio of differences is noise, and the derivative is used instead
_SMALL = 1e-6


def paired_slopes(function: Callable[[Tensor], Tensor], u: Tensor, start: Tensor, outputs: Sequence[int]) -> Tensor:
    """Compute secant slopes of outputs between cells and starts, outputs x cells x coordinates."""
    pair = torch.cat([u, start]).detach().requires_grad_(True)
    with torch.enable_grad():
        found = function(pair.as_subclass(_Pair)).as_subclass(Tensor)
        sums = found[: len(u), list(outputs)].sum(0)
        slopes = [torch.autograd.grad(total, pair, retain_graph=True)[0][: len(u)] for total in sums]
    return torch.stack(slopes)


class _Pair(Tensor):
    """Cells stacked on their starts, on which nonlinear operations have secant slopes.

    Results that a function computes from it are of this class too, but its parameters are not.
    """

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func.__name__.strip("_")
        rest = (*args[1:], *kwargs.values())
        if name in _ELEMENTWISE | _JOINT and isinstance(args[0], cls) and not any(isinstance(a, cls) for a in rest):
            if "inplace" in kwargs:
                kwargs["inplace"] = False
            operation = partial(_call, func, args[1:], kwargs)
            return _Secant.apply(args[0].as_subclass(Tensor), operation, name in _ELEMENTWISE).as_subclass(cls)
        return super().__torch_function__(func, types, args, kwargs)


def _call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Tensor) -> Tensor:
    return func(value, *args, **kwargs)


class _Secant(torch.autograd.Function):
    """An operation whose gradient is its secant slope."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, operation: Callable[[Tensor], Tensor], elementwise: bool) -> Tensor:
        result = operation(value.clone())
        ctx.save_for_backward(value, result)
        ctx.operation, ctx.elementwise = operation, elementwise
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        value, result = ctx.saved_tensors
        half = len(value) // 2
        gradient = gradients[0][:half]
        if ctx.elementwise:
            run, rise = value[:half] - value[half:], result[:half] - result[half:]
            small = run.abs() < _SMALL
            slope = torch.where(small, _derivative(ctx.operation, value[:half]), rise / run.masked_fill(small, 1.0))
            found = gradient * slope
        else:
            found = _mean_gradient(ctx.operation, value[:half], value[half:], gradient)
        return torch.cat([found, torch.zeros_like(found)]), None, None


def _derivative(operation: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    value = value.detach().requires_grad_(True)
    with torch.enable_grad():
        return torch.autograd.grad(operation(value.clone()).sum(), value)[0]


def _mean_gradient(operation: Callable[[Tensor], Tensor], value: Tensor, start: Tensor, gradient: Tensor) -> Tensor:
    total = torch.zeros_like(value)
    run = torch.where(value == start, torch.zeros_like(value), value - start)  # also of infinity from itself
    for place, weight in zip((_PLACES + 1) / 2, _WEIGHTS / 2, strict=True):
        between = (start + float(place) * run).detach().requires_grad_(True)
        with torch.enable_grad():
            total += float(weight) * torch.autograd.grad(operation(between), between, gradient)[0]
    return total
