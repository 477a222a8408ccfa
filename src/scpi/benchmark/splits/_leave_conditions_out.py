"""Hold out conditions of a table, such as compounds in cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._split import Split
from scpi._slots import find_column, listed, read_labels
from scpi.benchmark.splits._scaffolds import scaffold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

LeaveOut = Literal["condition", "perturbation", "context", "both"]


@fill
def leave_conditions_out(
    adata: AnnData,
    *,
    leave_out: LeaveOut = "condition",
    perturbation_key: str = Key.obs.PERTURBATION,
    context_key: str | None = None,
    scaffold_key: str | None = None,
    smiles_key: str | None = None,
    n_splits: int = 5,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out conditions of a table, whose rows are perturbations in contexts, without controls.

    Parameters
    ----------
    adata
        Conditions x genes, such as from :func:`scpi.get.signed_logp`.
    leave_out
        Conditions to hold out:

        - ``"condition"``: random conditions, so that nearly every perturbation and context is in the training set;
        - ``"perturbation"``: all conditions of some perturbations;
        - ``"context"``: all conditions of one context at a time;
        - ``"both"``: conditions of some perturbations in one context, while neither this context nor these
          perturbations are in the training set.
    %(perturbation_key)s
    context_key
        Column of ``adata.obs`` with the contexts, such as cell types.
    scaffold_key
        Column with the group of each perturbation, such as the scaffold of a compound. Groups are held out as a whole.
    smiles_key
        Column with the structure of each compound as SMILES. Compounds with the same Bemis-Murcko scaffold form a
        group. This needs the package rdkit.
    n_splits
        Number of folds of conditions, perturbations or groups, each of which is held out in turn. For contexts, there
        is one fold per context.
    %(rng)s

    Returns
    -------
    One split per fold, or per context, or per fold of each context, with ``train`` and ``test`` only.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If there are fewer units than folds, a label is missing, or the arguments are inconsistent.
    """
    _check(leave_out, context_key, scaffold_key, smiles_key)
    perturbation = _labels(adata, perturbation_key)
    context = np.zeros(adata.n_obs, dtype=np.int64) if context_key is None else _labels(adata, context_key)
    generator = as_generator(rng)
    if leave_out == "context":
        return [_split(name, ~out, out) for name, out in _each_context(adata, context_key, context)]
    if leave_out == "condition":
        units = np.unique(np.stack([perturbation, context]), axis=1, return_inverse=True)[1].ravel()
    else:
        units = _groups(adata, perturbation, scaffold_key, smiles_key)
    parts = [np.isin(units, part) for part in _divide(np.unique(units), n_splits, leave_out, generator)]
    if leave_out != "both":
        return [_split(f"part {i} of {n_splits}", ~out, out) for i, out in enumerate(parts, start=1)]
    return [
        _split(f"{name}, part {i} of {n_splits}", ~here & ~out, here & out)
        for name, here in _each_context(adata, context_key, context)
        for i, out in enumerate(parts, start=1)
        if (here & out).any() and (~here & ~out).any()
    ]


def _check(leave_out: str, context_key: str | None, scaffold_key: str | None, smiles_key: str | None) -> None:
    if leave_out not in get_args(LeaveOut):
        msg = f"`leave_out` must be one of {listed(get_args(LeaveOut))}, but is {leave_out!r}."
        raise ValueError(msg)
    if leave_out in ("context", "both") and context_key is None:
        msg = f"To leave out a context (`leave_out={leave_out!r}`), name the column of the contexts as `context_key`."
        raise ValueError(msg)
    grouped = [key for key in (scaffold_key, smiles_key) if key is not None]
    if len(grouped) > 1 or (grouped and leave_out in ("condition", "context")):
        msg = (
            "Groups are held out as a whole if perturbations are held out: give `scaffold_key` or `smiles_key`, and "
            f"`leave_out='perturbation'` or 'both' instead of {leave_out!r}."
        )
        raise ValueError(msg)


def _labels(adata: AnnData, key: str) -> NDArray[np.int64]:
    """Code of each row; a `ValueError` if a label is missing."""
    labels = read_labels(adata, key)
    if (labels.codes < 0).any():
        msg = f"`adata.obs[{key!r}]` has no label for {int((labels.codes < 0).sum())} conditions. Remove or label them."
        raise ValueError(msg)
    return labels.codes.astype(np.int64)


def _groups(
    adata: AnnData, perturbation: NDArray[np.int64], scaffold_key: str | None, smiles_key: str | None
) -> NDArray[np.int64]:
    """Code of the group that is held out as a whole."""
    if smiles_key is not None:
        smiles = find_column(adata, smiles_key).astype(str)
        known = {text: scaffold(text) for text in smiles.unique()}
        return np.unique(smiles.map(known).to_numpy(dtype=str), return_inverse=True)[1].ravel()
    return perturbation if scaffold_key is None else _labels(adata, scaffold_key)


def _divide(units: NDArray[np.int64], n_splits: int, what: str, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    if not 2 <= n_splits <= len(units):
        msg = f"`n_splits` must be between 2 and the number of units ({what!r}), {len(units)}, but is {n_splits}."
        raise ValueError(msg)
    return np.array_split(rng.permutation(units), n_splits)


def _each_context(
    adata: AnnData, context_key: str | None, context: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    names = read_labels(adata, str(context_key)).categories
    if len(names) < 2:
        msg = f"`adata.obs[{context_key!r}]` has {len(names)} context(s): at least two are needed to hold one out."
        raise ValueError(msg)
    for code, name in enumerate(names):
        yield str(name), context == code


def _split(name: str, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Split:
    return Split(name=name, train=np.flatnonzero(train), test=np.flatnonzero(test))
