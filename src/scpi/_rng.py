from __future__ import annotations

import numpy as np


def as_generator(rng: int | np.integer | np.random.Generator | None) -> np.random.Generator:
    """Convert a seed, a generator (used directly, so that its state advances), or ``None`` (fresh entropy).

    A `TypeError` refuses anything else, such as the legacy :class:`numpy.random.RandomState`.
    """
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        return np.random.default_rng(int(rng))
    msg = f"rng must be an integer, a numpy.random.Generator or None, not {type(rng).__name__}."
    raise TypeError(msg)
