"""Checks and normalisation of a screen before anything is trained."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi import tl
from scpi._gene_sets import match_gene_sets, parse_gene_sets
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._scoring._rows import refuse_conditions
from scpi._screen._checks import check_annotations, check_expression, is_counts
from scpi._screen._matrix import as_matrix
from scpi._slots import find_column, find_layer, layer_name, listed, read_labels, text_labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._screen._labels import Labelling
    from scpi.screen._design import Design

COUNTS = Key.layers.COUNTS
_TARGET_SUM = 1e4
_NO_SETS = (
    "There are no gene sets, so that the first layer of the model has no names, and no set is tested: give a GMT file, or a collection such as "
    "hallmark (`gene_sets`, --gene-sets)."
)


def prepare_screen(
    data: AnnData | MuData,
    gene_sets: str | Any | Mapping[str, Iterable[str]] | None,
    *,
    design: Design,
    labelling: Labelling,
    unassigned: Sequence[str] = (),
    layer: str | None,
    mod: str | None,
    min_size: int,
    n_top_genes: int | None,
    notes: list[str],
) -> AnnData:
    """Copy a screen of counts or log-normalised values, check it, match gene sets and normalise it.

    Returns log-normalised ``X``, canonical labels, the columns of the design, ``varm["gene_sets"]`` if there are any, and,
    where there are counts, ``layers["counts"]``. Labels that are ``unassigned`` are none, beside those that mean it anyway. The gene sets are those
    of the screen if ``None``. At most ``n_top_genes`` genes are kept,
    those that vary most and those that are perturbed; all if ``None``. ``notes`` receives a sentence on whatever is
    left out.
    """
    source = resolve_modality(data, mod)
    perturbation_key = design.perturbation_key
    labels = read_labels(data, perturbation_key, mod=mod, argument="perturbation_key")
    if gene_sets is not None:
        # Before any work, on all genes
        match_gene_sets(list(map(str, source.var_names)), parse_gene_sets(gene_sets), min_size=min_size)
    adata = in_memory(source)
    for argument, column in design.columns().items():
        values = find_column(data, column, mod=mod, argument=argument)
        adata.obs[column] = text_labels(values) if column in design.names else np.asarray(values)
    check_annotations(adata)
    read = labelling.read(labels.remove_categories(labels.categories.intersection(unassigned)))
    _refuse_profiles(adata, read, design, labelling)
    expression = find_layer(adata, layer)
    check_expression(expression, what=layer_name(layer))
    holds_counts = is_counts(expression)
    adata.X = sparse.csr_matrix(expression, dtype=np.float32, copy=True)
    adata.obs[perturbation_key] = read
    labelling.warn_of_lone_members(adata.obs[perturbation_key].cat.categories)
    adata = _drop_cells(adata, design, notes)
    _check_labels(adata.obs[perturbation_key], labelling)
    perturbed = set(labelling.vocabulary(adata.obs[perturbation_key].cat.categories))
    adata = _most_variable(adata, n_top_genes, perturbed, is_counts=holds_counts, notes=notes)
    if holds_counts:
        adata.layers[COUNTS] = adata.X.copy()
        _log_normalise(adata)
    if gene_sets is not None:
        tl.gene_sets(adata, gene_sets, min_size=min_size)
    elif Key.varm.GENE_SETS not in adata.varm:
        notes.append(_NO_SETS)
    return adata


def _refuse_profiles(adata: AnnData, labels: pd.Categorical, design: Design, labelling: Labelling) -> None:
    """Refuse rows that are conditions, of which there is another analysis."""
    columns = [column for column in (design.context_key, design.dose_key) if column is not None]
    keys = pd.DataFrame({"label": labels, **{column: adata.obs[column].to_numpy() for column in columns}}).dropna()
    refuse_conditions(
        keys.groupby(list(keys), observed=True).ngroup(),
        (keys["label"] == labelling.control).to_numpy(),
        advice="Call `scpi.screen.run_pseudobulk` (--rows conditions, or --rows changes), which compares means only.",
    )


def in_memory(source: AnnData) -> AnnData:
    """Cells and all that is known of them, with matrices that can be copied; those share their numbers with the source."""
    from anndata import AnnData

    slots = {name: dict(getattr(source, name)) for name in ("obsm", "varm", "obsp", "varp")}
    layers = {name: as_matrix(source.layers[name]) for name in source.layers if name is not None}
    x = None if source.X is None else as_matrix(source.X)
    uns = copy.deepcopy(dict(source.uns))
    adata = AnnData(x, source.obs.copy(), source.var.copy(), uns, layers=layers, **slots)
    if source.raw is not None:
        adata.raw = source.raw.to_adata()
    return adata


def _drop_cells(adata: AnnData, design: Design, notes: list[str]) -> AnnData:
    """Leave out cells that are not assigned to a perturbation, lack a value of the design, or have no count."""
    keep = np.ones(adata.n_obs, dtype=bool)
    empty = np.asarray(adata.X.sum(axis=1)).ravel() <= 0
    for lacking, what in (
        (adata.obs[design.perturbation_key].isna(), f"without a label, or unassigned, in '{design.perturbation_key}'"),
        *((adata.obs[column].isna(), f"without a value in '{column}'") for column in design.required),
        (empty, "without any expression"),
    ):
        dropped = keep & np.asarray(lacking)
        if dropped.any():
            notes.append(f"{int(dropped.sum()):,} cells {what} were left out.")
        keep &= ~dropped
    if keep.all():
        return adata
    adata = adata[keep].copy()
    for column in (design.perturbation_key, *design.names):
        adata.obs[column] = adata.obs[column].cat.remove_unused_categories()
    return adata


def _check_labels(labels: pd.Series, labelling: Labelling) -> None:
    control = labelling.control
    counts = labels.value_counts()
    n_control = int(counts.get(control, 0))
    if n_control == 0:
        msg = (
            f"No cell of `obs[{labels.name!r}]` is labelled {listed(labelling.control_names)} (`control`), only "
            f"{listed(labels.cat.categories, 12)}."
        )
        raise ValueError(msg)
    if n_control < 20:
        msg = f"There are {n_control} control cells {control!r}; at least 20 are needed to train, validate and test."
        raise ValueError(msg)
    if len(counts) < 2:
        msg = f"`obs[{labels.name!r}]` holds no perturbation, only {control!r}."
        raise ValueError(msg)


def _log_normalise(adata: AnnData) -> None:
    import scanpy as sc

    sc.pp.normalize_total(adata, target_sum=_TARGET_SUM)
    sc.pp.log1p(adata)


def _most_variable(
    adata: AnnData, n_top_genes: int | None, perturbed: set[str], *, is_counts: bool, notes: list[str]
) -> AnnData:
    """Keep the genes that vary most, and those that are perturbed."""
    if n_top_genes is None or n_top_genes >= adata.n_vars:
        return adata
    import scanpy as sc
    from anndata import AnnData

    scratch = AnnData(adata.X.copy(), var=pd.DataFrame(index=adata.var_names))
    if is_counts:
        _log_normalise(scratch)
    found = sc.pp.highly_variable_genes(scratch, n_top_genes=n_top_genes, inplace=False)
    keep = found["highly_variable"].to_numpy() | adata.var_names.isin(perturbed)
    notes.append(
        f"{int(keep.sum()):,} of {adata.n_vars:,} genes were used: the {n_top_genes:,} that vary most, and those that "
        "are perturbed."
    )
    return adata[:, keep].copy()
