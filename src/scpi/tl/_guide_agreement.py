from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi._view import View
from scpi.de import false_discovery_control
from scpi.tl._guide_change import compare_guides_of_gene
from scpi.tl._labelled_cells import read_labelled_cells
from scpi.tl._responder_mixture import whiten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._groups import Label
    from scpi.tl._labelled_cells import LabelledCells


@fill
def guide_agreement(
    data: AnnData | MuData,
    guide_key: str,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Label | Sequence[Label] = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    batch_key: str | None = None,
    pval_cutoff: float = 0.05,
    use_rep: str | None = None,
    n_components: int = 20,
    layer: str | None = None,
    delimiter: str | None = "+",
    min_cells: int = 10,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Test whether the guides of a perturbation change cells in the same direction.

    Each guide is compared with the other guides of its perturbation: how similar are the two mean effects relative to
    the controls, and does the guide change cells along the direction of the others? The null hypothesis is that the
    guide has no more effect in this direction than a control guide. An effect of a single guide may be off-target; a
    guide without an effect may not cut.

    If the control cells have at least three guides, the scores of these guides on the same direction estimate the
    variation between guides, and the p-value comes from a t distribution with the corresponding degrees of freedom.
    Otherwise, cells are treated as independent.

    Parameters
    ----------
    %(data)s
    guide_key
        Column of `adata.obs` with the guide of each cell.
    %(cells_perturbation_key)s
    %(batch_key)s
    %(effect_pval_cutoff)s
    %(cells_use_rep)s
        Guides with fewer cells are left out too.
    %(rng)s
    %(written_key_added)s

    `adata.uns['guide_agreement' | key_added]` : :class:`dict`
        - `guides`: DataFrame with one row per guide of the perturbations with at least two guides, with `perturbation`,
          `guide`, `n_cells`, `strength` (length of the mean effect in standard deviations of the controls, corrected
          for noise), `similarity` (cosine with the effect of the other guides, corrected for noise; NaN if one of the
          effects does not exceed noise), `score`, `pval`, `pval_adj` (Benjamini-Hochberg over the guides) and `agrees`
          (`pval_adj` of at most `pval_cutoff`).
        - `results`: DataFrame with one row per perturbation, with `perturbation`, `n_guides`, `n_agreeing`,
          `similarity` (mean over the guides, NaN ignored) and `agree` (whether more than half of the guides agree).
        - `params`.

    Raises
    ------
    %(cells_KeyError)s
        Also if no perturbation has two guides with enough cells.

    Examples
    --------
    >>> import numpy as np
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=60, rng=0)
    >>> adata.obs["guide"] = adata.obs["perturbation"].astype(str) + np.where(np.arange(adata.n_obs) % 2, "_1", "_2")
    >>> scpi.tl.guide_agreement(adata, "guide")
    >>> scpi.get.guide_agreement(adata)["n_guides"].unique().tolist()
    [2]
    """
    key_added = Key.uns.GUIDE_AGREEMENT if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    if not 0 < pval_cutoff < 1:
        msg = f"`pval_cutoff` must be between 0 and 1, but is {pval_cutoff}."
        raise ValueError(msg)
    generator = as_generator(rng)
    cells = read_labelled_cells(
        view,
        perturbation_key=perturbation_key,
        control=control,
        groups=groups,
        delimiter=delimiter,
        min_cells=min_cells,
        batch_key=batch_key,
        guide_key=guide_key,
        use_rep=use_rep,
        n_components=n_components,
        rng=generator,
    )
    guides = _compare(cells, min_cells, generator)
    if guides.empty:
        msg = (
            f"No perturbation has two guides of at least {min_cells} cells: `obs[{guide_key!r}]` must hold guides, several "
            f"for each label of `obs[{perturbation_key!r}]`."
        )
        raise ValueError(msg)
    guides["pval_adj"] = false_discovery_control(guides["pval"])
    guides["agrees"] = guides["pval_adj"] <= pval_cutoff
    by_perturbation = guides.groupby("perturbation", sort=False)
    results = by_perturbation.agg(
        n_guides=("guide", "size"), n_agreeing=("agrees", "sum"), similarity=("similarity", "mean")
    ).reset_index()
    results["agree"] = 2 * results["n_agreeing"] > results["n_guides"]
    stored = {
        "params": result_params(
            perturbation_key=perturbation_key,
            guide_key=guide_key,
            control=cells.control,
            batch_key=batch_key,
            pval_cutoff=pval_cutoff,
            use_rep=use_rep,
            n_components=cells.values.shape[1],
            n_reference=len(cells.of(0)),
        ),
        "guides": guides,
        "results": results.astype({"perturbation": object}),
    }
    result, target = view.output(copy)
    target.uns[key_added] = stored
    return result


def _compare(cells: LabelledCells, min_cells: int, rng: np.random.Generator) -> pd.DataFrame:
    """Compare the guides of each perturbation that has at least two with enough cells, one row per guide."""
    assert cells.guide is not None  # for the type checker
    control = cells.of(0)
    values = cells.values @ whiten(cells.values[control])
    rows = []
    for code, name in enumerate(cells.names, start=1):
        own = cells.of(code)
        found, sizes = np.unique(cells.guide[own], return_counts=True)
        kept = found[sizes >= min_cells]
        if len(kept) < 2:
            continue
        by_guide = [values[own[cells.guide[own] == guide]] for guide in kept]
        changes = compare_guides_of_gene(by_guide, values[control], cells.guide[control], rng)
        rows += [
            {"perturbation": name, "guide": cells.guide_names[guide], "n_cells": len(of_guide), **change._asdict()}
            for guide, of_guide, change in zip(kept, by_guide, changes, strict=True)
        ]
    return pd.DataFrame(rows).astype(dict.fromkeys(["perturbation", "guide"] if rows else [], object))
