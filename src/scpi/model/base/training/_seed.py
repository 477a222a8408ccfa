"""Seeds of models."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from scvi import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def resolve_seed(seed: int | None) -> int:
    """Return the given seed, that of scvi-tools, or 0, so that the same call always gives the same result."""
    if seed is None:
        seed = settings.seed
    return 0 if seed is None else int(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch within the block, and restore its state afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
