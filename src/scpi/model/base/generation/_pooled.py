"""Tests of groups of generated cells, over several draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi.de import limma, pool_limma, pseudobulk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData


def pooled_tests(
    draw: Callable[[], AnnData],
    n_draws: int,
    groupby: str,
    sample_key: Sequence[str],
    min_cells: int,
    comparison: Mapping[str, Any],
    *,
    key_added: str,
) -> AnnData:
    """Draw cells, sum and test them, ``n_draws`` times, and pool the tests; ``comparison`` are arguments of limma."""
    if n_draws < 2:
        msg = f"`n_draws` must be at least 2, got {n_draws}: one draw has no variance between draws."
        raise ValueError(msg)
    divided = [groupby, *([comparison["split_by"]] if comparison.get("split_by") else [])]
    sets = []
    for _ in range(n_draws):
        samples = pseudobulk(draw(), sample_key=sample_key, groupby=divided, min_cells=min_cells)
        limma(samples, groupby, key_added=key_added, **comparison)
        sets.append(samples)
    return pool_limma(sets, key=key_added)
