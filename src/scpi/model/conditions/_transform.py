"""Signed logarithms of p-values as z values, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from scpi.model.conditions._rows import Floats

_LN10 = np.log(10.0)


def to_z(signed_logp: Floats) -> Floats:
    """Standard normal values with the sign and the two-sided p-values of sign · -log10(p)."""
    return np.asarray(np.sign(signed_logp) * -special.ndtri_exp(-np.abs(signed_logp) * _LN10 - np.log(2.0)))


def to_signed_logp(z: Floats) -> Floats:
    """The inverse of :func:`to_z`."""
    return np.asarray(np.sign(z) * -(special.log_ndtr(-np.abs(z)) + np.log(2.0)) / _LN10)
