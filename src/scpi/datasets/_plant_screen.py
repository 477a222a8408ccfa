"""A perturbation screen with known effects, planted into the counts of real cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scpi._docs import fill
from scpi._gene_sets import match_gene_sets, write_gene_sets
from scpi._keys import Key
from scpi._rng import as_generator
from scpi.datasets._labels import CONTROL, DELIMITER, conditions, repeat_conditions
from scpi.datasets._planted_effects import plan_effects
from scpi.datasets._recover import recover_counts
from scpi.datasets._simulated import check_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


# Level of a factor, relative to one that is fully switched, from which on a condition acts through it
_MEDIATES = 0.25


def _default_cells() -> AnnData:
    import scanpy as sc

    source = sc.datasets.pbmc68k_reduced()
    return AnnData(
        recover_counts(source.raw.X),
        obs=pd.DataFrame({"cell_type": source.obs["bulk_labels"]}, index=source.obs_names),
        var=pd.DataFrame(index=source.raw.var_names),
    )


def _as_counts(adata: AnnData) -> sparse.csr_matrix:
    counts = sparse.csr_matrix(adata.to_memory().X if adata.isbacked else adata.X)
    values = counts.data
    if len(values) == 0:
        msg = "`adata.X` contains no counts: all entries are zero."
        raise ValueError(msg)
    if not np.isfinite(values).all() or values.min() < 0 or (values != np.round(values)).any():
        msg = "`adata.X` must contain counts, which are non-negative integers. Effects cannot be planted otherwise."
        raise ValueError(msg)
    return counts


def _choose_programs(
    counts: sparse.csr_matrix, genes: pd.Index, n_programs: int, set_size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw distinct genes for each program (programs x genes), the first of which names it, and return all others.

    They are drawn from the half of the genes that is detected in most cells, where effects are visible.
    """
    needed = n_programs * set_size
    if needed + set_size > len(genes):
        msg = (
            f"{n_programs} programs of {set_size} genes, and at least {set_size} more genes for the decoys, "
            f"need {needed + set_size} genes, but there are {len(genes)}."
        )
        raise ValueError(msg)
    detected = np.asarray((counts > 0).sum(axis=0)).ravel()
    ranked = np.argsort(-detected, kind="stable")
    programs = rng.choice(ranked[: max(needed, len(genes) // 2)], size=(n_programs, set_size), replace=False)
    for program in programs:
        usable = [i for i, gene in enumerate(program) if DELIMITER not in genes[gene] and genes[gene] != CONTROL]
        if not usable:
            msg = (
                f"A perturbation is named by a gene, but each of {list(genes[program])} has {DELIMITER!r} in its name."
            )
            raise ValueError(msg)
        program[[0, usable[0]]] = program[[usable[0], 0]]
    return programs, np.setdiff1d(np.arange(len(genes)), programs)


def _thin(
    thinned: sparse.csr_matrix,
    condition: NDArray[np.integer],
    probability: NDArray[np.float64],
    rng: np.random.Generator,
) -> sparse.csr_matrix:
    """Keep each count, in place, with the probability of the condition of its cell and of its gene."""
    row = np.repeat(condition, np.diff(thinned.indptr))
    kept = rng.binomial(thinned.data.astype(np.int64), probability[row, thinned.indices])
    thinned.data = kept.astype(np.float32)
    thinned.eliminate_zeros()
    return thinned.astype(np.float32)


@fill
def plant_screen(
    adata: AnnData | None = None,
    *,
    n_perturbations: int = 8,
    n_cells: int = 100,
    n_control: int | None = None,
    set_size: int = 25,
    n_decoy_sets: int = 20,
    interaction: float = 0.5,
    effect_size: float = 1.0,
    keep: float = 0.5,
    doubles: bool = True,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Plant a perturbation screen with known truth into the counts of real cells.

    Each perturbation acts on one factor, factors act on each other along an acyclic graph, and each factor changes the
    genes of its program. Half of the perturbations switch on a factor that is off in the control, the others switch off
    one that is on. A factor with the input

    .. math:: u_j = s_j + \sum_i v_i\, G_{ij}

    has the level :math:`v_j = (1 - \alpha)\, u_j + \alpha\, f_j(u_j)`, where :math:`\alpha` is `interaction` and
    :math:`f_j` responds only to inputs beyond a threshold, saturates, and cannot push a factor below off or above on.
    At `interaction=0`, the log fold change of a pair of perturbations is the sum of those of the single perturbations.
    Otherwise it is not: effects of both on a factor saturate, mask each other, or exceed the threshold only together.

    Every simulated cell is a real cell, drawn with replacement, in which each count is kept with the probability
    :math:`k_g 2^{l_{cg}}` for the log2 fold change :math:`l_{cg}` of its condition and gene. :math:`k_g` is `keep`, or
    less for genes whose fold change is so large that the probability would exceed one. Fold changes are therefore
    exact, and everything else about the cells is real.

    Parameters
    ----------
    adata
        Cells with counts in `X`. By default the 700 peripheral blood cells that scanpy ships
        (:func:`scanpy.datasets.pbmc68k_reduced`), with 765 genes and counts recovered from their log-normalised values.
    n_perturbations
        Number of perturbations, factors and programs.
    n_cells
        Number of cells of each perturbation and of each pair.
    n_control
        Number of control cells. By default five times `n_cells`.
    set_size
        Number of genes of a program and of a decoy set. No gene is in two programs.
    n_decoy_sets
        Number of gene sets without any effect, drawn from the genes that are in no program.
    interaction
        From 0, where log fold changes are additive, to 1, where the whole response is non-linear.
    effect_size
        Log2 fold change of a gene with the largest loading if its factor is fully switched.
    keep
        Fraction of the counts that is kept without a change of expression.
    doubles
        Whether to plant all pairs of perturbations.
    %(rng)s

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, names of genes for single perturbations, and pairs such as `A+B`. A perturbation is named by the
        gene of its program with the largest loading.
    `adata.obs['source_cell']`
        Name of the real cell. The other columns are those of the real cells.
    `adata.varm['gene_sets']`, `adata.uns['gene_sets']`
        The programs and the decoys as gene sets, as :func:`scpi.tl.gene_sets` writes them.
    `adata.uns['truth']` : :class:`dict`
        `conditions` (names), `lfc` and `additive_lfc` (conditions x genes, log2; the latter is the sum of the single
        effects), `levels` (conditions x factors), `mediators` (of the same shape: whether the level is at least a quarter of that of
        a factor that is fully switched, so that the program of the factor is one through which the condition acts), `graph` (factors x factors, the effect of row on column), `order`
        (factors from cause to effect), `programs` (loadings, factors x genes), `targets` (`perturbation`, the index of
        its `factor`, and its `direction`), `keep` (for each gene) and `params`.

    Raises
    ------
    ValueError
        If `X` does not contain counts, there are too few genes, or a number is out of range.

    Examples
    --------
    >>> from scpi.datasets import plant_screen
    >>> adata = plant_screen(n_perturbations=3, n_cells=10)
    >>> adata.shape
    (110, 765)
    >>> adata.uns["truth"]["lfc"].shape
    (7, 765)
    """
    n_control = 5 * n_cells if n_control is None else n_control
    sizes = {"n_perturbations": n_perturbations, "n_cells": n_cells, "n_control": n_control, "set_size": set_size}
    check_numbers("at least 1", lambda x: x >= 1, **sizes)
    check_numbers("at least 0", lambda x: x >= 0, n_decoy_sets=n_decoy_sets)
    check_numbers("between 0 and 1", lambda x: (x >= 0) & (x <= 1), interaction=interaction)
    check_numbers("above 0 and at most 1", lambda x: (x > 0) & (x <= 1), keep=keep)
    cells = _default_cells() if adata is None else adata
    if not cells.var_names.is_unique:
        msg = "The names of the genes are not unique. Call `adata.var_names_make_unique()`."
        raise ValueError(msg)
    counts = _as_counts(cells)
    generator = as_generator(rng)
    genes = cells.var_names.astype(str)
    programs, others = _choose_programs(counts, genes, n_perturbations, set_size, generator)
    names = [genes[program[0]] for program in programs]
    labels, design = conditions(names, doubles=doubles)
    effects = plan_effects(design, programs, len(genes), interaction=interaction, rng=generator)
    lfc, additive = effect_size * effects.lfc, effect_size * effects.additive_lfc
    kept = np.minimum(keep, 2.0 ** -lfc.max(axis=0))

    condition = repeat_conditions(labels, n_cells, n_control)
    source = generator.integers(cells.n_obs, size=len(condition))
    obs = cells.obs.iloc[source].copy()
    obs[Key.obs.SOURCE_CELL] = cells.obs_names[source].astype(str)
    obs[Key.obs.PERTURBATION] = condition
    obs.index = pd.Index([f"cell{i}" for i in range(len(condition))])
    screen = AnnData(
        _thin(counts[source], condition.codes, np.minimum(kept * 2.0**lfc, 1.0), generator),
        obs=obs,
        var=cells.var.copy(),
    )
    sets = {f"program_{name}": list(genes[program]) for name, program in zip(names, programs, strict=True)}
    for i in range(n_decoy_sets):
        sets[f"decoy_{i}"] = list(genes[generator.choice(others, size=set_size, replace=False)])
    match = match_gene_sets(list(genes), sets, min_size=1, case="exact")
    write_gene_sets(screen, match, params={"min_size": 1, "case": "exact"})
    screen.uns[Key.uns.TRUTH] = {
        "conditions": np.array(labels, dtype=object),
        "lfc": lfc,
        "additive_lfc": additive,
        "levels": effects.levels,
        "mediators": np.abs(effects.levels) >= _MEDIATES,
        "graph": effects.graph,
        "order": effects.order,
        "programs": effects.loadings,
        "targets": {
            "perturbation": np.array(names, dtype=object),
            "factor": np.arange(n_perturbations),
            "direction": effects.direction,
        },
        "keep": kept,
        "params": {
            "interaction": interaction,
            "effect_size": effect_size,
            "keep": keep,
            "set_size": set_size,
            "n_decoy_sets": n_decoy_sets,
        },
    }
    return screen
