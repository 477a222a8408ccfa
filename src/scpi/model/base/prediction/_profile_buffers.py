"""Arrays that a model takes from its training cells and keeps with its weights."""

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
            # PyTorch knows no negative strides, which components of scikit-learn may have
            # Not all devices know double precision
            kept = torch.from_numpy(np.array(values, order="C"))
            setattr(self, name, kept.float() if kept.is_floating_point() else kept)

    def array(self, name: str) -> NDArray[np.float64]:
        """One of the arrays of numbers, in double precision."""
        values: Tensor = getattr(self, name)
        return values.cpu().double().numpy()

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        # Shapes, such as the number of measured pairs, are known from the training cells, and thus from what was saved.
        for name in self._kept:
            # What a newer version keeps beside, an older one has not saved
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
        """What is kept, in double precision."""
        if self._profiles is None:
            kept = (getattr(self, name).cpu() for name in Profiles._fields)
            self._profiles = Profiles(
                *((values.double() if values.is_floating_point() else values).numpy() for values in kept)
            )
        return self._profiles

    def once(self, of: Callable[[Profiles], T]) -> T:
        """What a function makes of the profiles: computed for the first of many predictions, and not to be changed."""
        if of not in self._made:
            self._made[of] = of(self.profiles())
        made: T = self._made[of]
        return made

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._forget()

    def _forget(self) -> None:
        self._profiles, self._made = None, {}
