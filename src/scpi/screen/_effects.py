"""What each perturbation does, tested: its effect on cells, its guides, its genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi import de, get, tl
from scpi._keys import Key
from scpi.screen._design import cells_by_sample
from scpi.screen._prepare import COUNTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scpi._screen._labels import Labelling
    from scpi.screen._design import Design

DE: str = "differential_expression"
"""Entry of ``uns`` with the tests of genes."""
_MIN_CELLS = 10


def enough_cells(adata: AnnData, design: Design, labelling: Labelling, *, least: int = _MIN_CELLS) -> list[str]:
    """Conditions with so many cells."""
    counts = adata.obs[design.perturbation_key].value_counts()
    return [str(label) for label in counts.index[counts >= least] if label != labelling.control]


def measure_effects(
    adata: AnnData, design: Design, labelling: Labelling, *, exclude_targets: bool = True, rng: int
) -> list[str]:
    """Write tests of the effect of each perturbation on its cells, and of its guides; returns notes."""
    groups = enough_cells(adata, design, labelling)
    if not groups:
        return [f"No perturbation has {_MIN_CELLS} cells: none was tested for an effect."]
    given: dict[str, Any] = {
        "perturbation_key": design.perturbation_key,
        "control": labelling.control,
        "groups": groups,
        "batch_key": design.blocks,
        "delimiter": labelling.delimiter,
        "rng": rng,
    }
    guides = design.guide_key if _has_guides(adata, design, labelling) else None
    tl.perturbation_effect(adata, guide_key=guides, exclude_targets=exclude_targets, **given)
    tl.responders(adata, **given)
    notes = []
    if guides:
        tl.guide_agreement(adata, guides, **given)
    elif design.guide_key:
        notes.append("The control has one guide only: effects are tested by cells, as if guides made no difference.")
    return notes


def _has_guides(adata: AnnData, design: Design, labelling: Labelling) -> bool:
    """Whether the control has several guides, which say how much guides differ without an effect."""
    if design.guide_key is None:
        return False
    control = (adata.obs[design.perturbation_key] == labelling.control).to_numpy()
    return adata.obs.loc[control, design.guide_key].nunique() > 1


def find_genes(adata: AnnData, design: Design, labelling: Labelling) -> list[str]:
    """Write tests of every gene under every perturbation; returns notes on how.

    By samples with limma-voom where there are counts and replicates, else by cells. The p-values are adjusted over all
    genes and perturbations together.
    """
    groups = enough_cells(adata, design, labelling)
    if not groups:
        return []
    by_samples, reason = _samples(adata, design, labelling, groups)
    if by_samples:
        de.limma(
            adata,
            design.perturbation_key,
            reference=labelling.control,
            layer=COUNTS,
            key_added=DE,
            corr_scope="all",
            min_cells=_MIN_CELLS,
            **by_samples,
        )
        return [f"Genes were tested by samples ({design.sample_key!r}), with limma-voom."]
    de.rank_genes(
        adata, design.perturbation_key, reference=labelling.control, groups=groups, key_added=DE, corr_scope="all"
    )
    return [
        f"Genes were tested by cells (rank sums), because {reason}: their p-values are too small if samples differ."
    ]


def _samples(
    adata: AnnData, design: Design, labelling: Labelling, groups: list[str]
) -> tuple[dict[str, Any] | None, str]:
    """Arguments of a test by samples, or why there can be none."""
    if design.sample_key is None:
        return None, "no replicates were named"
    if COUNTS not in adata.layers:
        return None, "without counts there is nothing to sum over the cells of a sample"
    enough = cells_by_sample(adata.obs, design, by_context=True) >= _MIN_CELLS
    control = enough.loc[labelling.control]
    if control.sum() < 2:
        return None, f"fewer than two samples have {_MIN_CELLS} control cells"
    tested = [group for group in groups if enough.loc[group].sum() > 1]
    if not tested:
        return None, f"no perturbation has {_MIN_CELLS} cells in two samples"
    sample, covariates = [design.sample_key], []
    if design.context_key:
        sample.append(design.context_key)
        covariates.append(design.context_key)
    # Samples that hold controls and perturbed cells are blocks of a paired design
    if (enough.loc[tested].any() & control).sum() > 1:
        covariates.append(design.sample_key)
    elif design.batch_key:
        covariates.append(design.batch_key)
    return {"sample_key": sample, "covariates": covariates, "groups": tested}, ""


def with_effect(adata: AnnData, conditions: list[str]) -> list[str]:
    """Conditions that were found to change cells; all if fewer than two were."""
    if Key.uns.PERTURBATION_EFFECT not in adata.uns:
        return conditions
    found = get.perturbation_effect(adata, active=True)["perturbation"].astype(str)
    active = [label for label in conditions if label in set(found)]
    return active if len(active) > 1 else conditions


def significant_genes(adata: AnnData, labelling: Labelling, *, top_n: int = 20) -> pd.DataFrame:
    """Genes that a perturbation changes at a false discovery rate of 5 %, and the first ``top_n`` of each anyway.

    Ranks are by p-value; ``is_target`` says that the gene is perturbed itself.
    """
    columns = [Key.obs.PERTURBATION, "gene", "rank", "score", "log2fc", "pval", "pval_adj", "is_target"]
    if DE not in adata.uns:
        return pd.DataFrame(columns=columns)
    table = get.de_df(adata, key=DE).rename(columns={"group": Key.obs.PERTURBATION})
    size = table["score"].abs()
    table = table.iloc[np.lexsort((-size, table["pval"], table[Key.obs.PERTURBATION].astype(str)))]
    table["rank"] = table.groupby(Key.obs.PERTURBATION, observed=True).cumcount() + 1
    table["is_target"] = _is_target(table[Key.obs.PERTURBATION], table["gene"], labelling)
    kept = (table["pval_adj"] <= 0.05) | (table["rank"] <= top_n)
    return table.loc[kept, columns].reset_index(drop=True)


def _is_target(labels: pd.Series, genes: pd.Series, labelling: Labelling) -> list[bool]:
    """Whether each gene is a member of the label beside it."""
    members = {label: labelling.members(label) for label in labels.unique()}
    return [gene in members[label] for label, gene in zip(labels, genes, strict=True)]


def effect_table(adata: AnnData, labelling: Labelling, *, exclude_targets: bool = True) -> pd.DataFrame:
    """One row for each perturbation: does it do anything, in how many cells, do its guides agree, how many genes.

    With ``exclude_targets``, a gene that is perturbed itself does not count.
    """
    if Key.uns.PERTURBATION_EFFECT not in adata.uns:
        return pd.DataFrame(columns=["perturbation", "n_cells", "active"])
    table = get.perturbation_effect(adata)
    table = table.drop(columns=["distance", "pval", "pval_cells", "pval_guides"], errors="ignore")
    responders = get.responders(adata)[["perturbation", "fraction"]].rename(columns={"fraction": "responders"})
    table = table.merge(responders, how="left", on="perturbation")
    if Key.uns.GUIDE_AGREEMENT in adata.uns:
        agreement = get.guide_agreement(adata)[["perturbation", "n_agreeing", "similarity"]]
        table = table.merge(
            agreement.rename(columns={"n_agreeing": "agreeing_guides", "similarity": "guide_similarity"}),
            how="left",
            on="perturbation",
        )
    if DE in adata.uns:
        found = get.de_df(adata, key=DE, pval_cutoff=0.05)
        if exclude_targets:
            found = found[~np.array(_is_target(found["group"], found["gene"], labelling), dtype=bool)]
        n_genes = found["group"].astype(str).value_counts()
        table["n_genes"] = table["perturbation"].astype(str).map(n_genes).fillna(0).astype(np.int64)
    return table


def strongest(adata: AnnData, conditions: Sequence[str]) -> list[str]:
    """Some conditions, those that change cells most first; those that were not tested stay last."""
    if Key.uns.PERTURBATION_EFFECT not in adata.uns:
        return list(conditions)
    order = get.perturbation_effect(adata)["perturbation"].astype(str).tolist()
    return sorted(conditions, key=lambda name: order.index(name) if name in order else len(order))
