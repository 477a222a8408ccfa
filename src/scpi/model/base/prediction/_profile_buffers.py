"""Arrays that a model computes from its training cells and stores with its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import nn

from scpi.model.base.prediction._profiles import Profiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

T = TypeVar("T")


class ArrayBuffers(nn.Module):
    """Holds arrays as buffers, so that a model saves and loads them."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._kept = tuple(names)
        for name in self._kept:
            self.register_buffer(name, torch.empty(0))

    def put(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays by their name."""
        for name, values in arrays.items():
            # PyTorch does not support negative strides, which components of scikit-learn may have
            # Not all devices support double precision
            kept = torch.from_numpy(np.array(values, order="C"))
            setattr(self, name, kept.float() if kept.is_floating_point() else kept)

    def array(self, name: str) -> NDArray[np.float64]:
        """One of the arrays of numbers, in double precision."""
        values: Tensor = getattr(self, name)
        return values.cpu().double().numpy()

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        # Shapes, such as the number of measured pairs, depend on the training cells: take them from the saved arrays
        for name in self._kept:
            # An older version did not save the arrays that a newer one added
            saved = state_dict.setdefault(prefix + name, torch.empty(0))
            setattr(self, name, torch.empty_like(saved))
        super()._load_from_state_dict(state_dict, prefix, *args)


class ProfileBuffers(ArrayBuffers):
    """Holds profiles, and arrays of further names."""

    _profiles: Profiles | None
    _made: dict[Callable[[Profiles], Any], Any]

    def __init__(self, more: Sequence[str] = ()) -> None:
        super().__init__((*Profiles._fields, *more))
        self._forget()

    def put(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays by their name."""
        super().put(arrays)
        self._forget()

    def profiles(self) -> Profiles:
        """The stored profiles, in double precision."""
        if self._profiles is None:
            kept = (getattr(self, name).cpu() for name in Profiles._fields)
            self._profiles = Profiles(
                *((values.double() if values.is_floating_point() else values).numpy() for values in kept)
            )
        return self._profiles

    def once(self, of: Callable[[Profiles], T]) -> T:
        """Result of a function of the profiles, computed once and shared by predictions: do not modify it."""
        if of not in self._made:
            self._made[of] = of(self.profiles())
        made: T = self._made[of]
        return made

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._forget()

    def _forget(self) -> None:
        self._profiles, self._made = None, {}
