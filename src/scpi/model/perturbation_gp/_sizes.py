"""Expected magnitude of the effect of a perturbation in a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]


def size_parts(
    log_size: Floats, perturbation: Codes, context: Codes, n_perturbations: int, n_contexts: int
) -> tuple[Floats, Floats]:
    """What the perturbation and the context of a pair add to the logarithm of its size, relative to the geometric mean.

    Both are means over their pairs, drawn to 0 by as much as one pair weighs.
    """
    deviation = log_size - log_size.mean()
    of_context = _drawn(deviation, context, n_contexts)
    return _drawn(deviation - of_context[context], perturbation, n_perturbations), of_context


def expected_sizes(log_size: Floats, perturbation: Codes, context: Codes, blocks: Codes) -> Floats:
    """Size of each pair relative to the geometric mean, as the pairs of other blocks tell."""
    _, of_context = size_parts(log_size, perturbation, context, perturbation.max() + 1, context.max() + 1)
    n_out, out = _left(log_size, blocks)
    level = np.divide(log_size.sum() - out, len(log_size) - n_out, out=np.zeros(len(out)), where=n_out < len(log_size))
    # Of the context, without the pairs of the block
    n_there, there = _left(log_size, context)
    n_both, both = _left(log_size, _joint(blocks, context))
    offset = (there - both - level * (n_there - n_both)) / (n_there - n_both + 1)
    # Of the perturbation, without the pairs of the block
    rest = log_size - log_size.mean() - of_context[context]
    n_same, same = _left(rest, perturbation)
    n_both, both = _left(rest, _joint(blocks, perturbation))
    return np.asarray(np.exp(offset + (same - both) / (n_same - n_both + 1)))


def _left(values: Floats, codes: Codes) -> tuple[Floats, Floats]:
    """Number and sum of the values with the code of each."""
    number = np.bincount(codes).astype(np.float64)
    total = np.bincount(codes, weights=values).astype(np.float64)
    return number[codes], total[codes]


def _joint(codes: Codes, others: Codes) -> Codes:
    return np.unique(np.stack([codes, others], axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def _drawn(values: Floats, codes: Codes, n: int) -> Floats:
    return np.asarray(np.bincount(codes, weights=values, minlength=n) / (np.bincount(codes, minlength=n) + 1))
