"""Single perturbations, a part of them at a time, with all combinations that they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scpi._docs import fill
from scpi._features import find_features
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import leave_out
from scpi._slots import listed
from scpi.benchmark.splits._choose import choose, part_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scpi._features import FeatureTable
    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def leave_perturbations_out(
    adata: AnnData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_splits: int = 5,
    groups: Mapping[str, str] | None = None,
    max_similarity: float | None = None,
    features_key: str = Key.uns.PERTURBATION_FEATURES,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    reference_fraction: float = 0.5,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Leave perturbations out: all cells with one of them, alone or in a combination.

    A training mean that leaves a perturbation out tends away from it. Test perturbations are therefore to be compared with
    each other within a part, and a model whose features are shuffled (:class:`scpi.model.PerturbationGP`) shows what chance is.

    Parameters
    ----------
    %(adata)s
    perturbations
        Single perturbations to leave out, all at once; if ``None``, all of the data, divided at random into ``n_splits`` parts
        of which each is left out in turn.
    n_splits
        Number of parts.
    groups
        Group of each perturbation, such as a gene family or a scaffold: those of one group are left out together. A
        perturbation that is not in it is a group of its own.
    max_similarity
        Perturbations with a larger cosine than this in any source of features are left out together, and so are all that such
        pairs connect.
    features_key
        Entry of ``adata.uns`` with the features, as :func:`scpi.tl.perturbation_features` writes it, for ``max_similarity``.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    context_key
        Column of ``adata.obs`` with the contexts: controls are set aside within each.
    %(reference_fraction)s
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per part.

    Raises
    ------
    KeyError
        If a column or the features do not exist.
    ValueError
        If there are fewer groups than ``n_splits``, a perturbation is unknown, nothing is left to train on, or there are too few
        controls.
    """
    screen = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        cells=cells,
    )
    labels = pd.Index(sorted(set(screen.perturbation[~screen.is_control])))
    there = screen.labelling.vocabulary(labels)
    generator = as_generator(rng)
    if perturbations is not None:
        parts = [choose(perturbations, there, "perturbation")]
    else:
        table = None if max_similarity is None else _features(adata, features_key)
        together = _groups(there, groups, table, max_similarity)
        parts = _divide(there, together, n_splits, generator)
    splits = []
    for number, part in enumerate(parts, start=1):
        left_out = {label for label in labels if not set(part).isdisjoint(screen.labelling.members(label))}
        test = np.isin(screen.perturbation.astype(str), sorted(left_out))
        if (test | screen.is_control).all():
            msg = f"Without {listed(part)} no perturbed cell is left to train on: leave fewer perturbations out."
            raise ValueError(msg)
        name = part_name(part, number, len(parts))
        splits.append(leave_out(screen, name, test, reference_fraction=reference_fraction, rng=generator))
    return splits


def _features(adata: AnnData, key: str) -> FeatureTable:
    found = find_features(adata, key)
    if found is None:
        msg = (
            f"`adata.uns` has no features of perturbations {key!r}, only {listed(adata.uns)}. Make them with "
            "`scpi.tl.perturbation_features(adata, ...)`."
        )
        raise KeyError(msg)
    return found


def _groups(
    names: list[str], groups: Mapping[str, str] | None, table: FeatureTable | None, max_similarity: float | None
) -> NDArray[np.int64]:
    """Code of the group of each perturbation."""
    given = {} if groups is None else {str(name): str(group) for name, group in groups.items()}
    place: dict[tuple[bool, str], int] = {}
    # A name may be that of a group as well
    codes = [place.setdefault((name in given, given.get(name, name)), len(place)) for name in names]
    member = sparse.csr_matrix((np.ones(len(names)), (np.arange(len(names)), codes)))
    joined = member @ member.T
    if table is not None:
        for values in table.of(names).sources.values():
            rows = sparse.csr_matrix(values)
            joined = joined + (rows @ rows.T > max_similarity)
    return np.asarray(connected_components(joined, directed=False)[1], dtype=np.int64)


def _divide(names: list[str], groups: NDArray[np.int64], n_splits: int, rng: np.random.Generator) -> list[list[str]]:
    """Perturbations of each part: groups in random order, the large ones first, each to the part with the fewest."""
    n_groups = int(groups.max()) + 1
    if not 2 <= n_splits <= n_groups:
        msg = f"`n_splits` must be between 2 and the number of perturbations or groups, {n_groups}, but is {n_splits}."
        raise ValueError(msg)
    sizes = np.bincount(groups)
    order = rng.permutation(n_groups)
    parts: list[list[str]] = [[] for _ in range(n_splits)]
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        smallest = min(parts, key=len)
        smallest += [name for name, own in zip(names, groups, strict=True) if own == group]
    return [sorted(part) for part in parts]
