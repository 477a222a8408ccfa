"""Hold out single perturbations, with all combinations that contain them."""

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
    """Hold out perturbations: all cells with one of them, alone or in a combination.

    The mean of the training perturbations is biased away from the held-out ones. Compare test perturbations with each
    other only within a fold, and use a model with shuffled features (:class:`scpi.model.PerturbationGP`) for the chance
    level.

    Parameters
    ----------
    %(adata)s
    perturbations
        Single perturbations to hold out together. If ``None``, all perturbations are divided at random into
        ``n_splits`` folds, each of which is held out in turn.
    n_splits
        Number of folds.
    groups
        Group of each perturbation, such as a gene family or a scaffold. Perturbations of a group are held out together.
        A perturbation without an entry forms its own group.
    max_similarity
        Perturbations with a larger cosine similarity than this in any source of features are held out together, as are
        all perturbations that such pairs connect.
    features_key
        Entry of ``adata.uns`` with the features from :func:`scpi.tl.perturbation_features`, for ``max_similarity``.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    context_key
        Column of ``adata.obs`` with the contexts. Reference controls are set aside within each context.
    %(reference_fraction)s
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per fold.

    Raises
    ------
    KeyError
        If a column or the features do not exist.
    ValueError
        If there are fewer groups than ``n_splits``, a perturbation is unknown, no training cells are left, or there are
        too few controls.
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
    """Perturbations of each fold: groups in random order, large ones first, each to the fold with the fewest."""
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
