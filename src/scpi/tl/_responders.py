from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import check_key_added, result_params
from scpi._view import View
from scpi.tl._labelled_cells import read_labelled_cells
from scpi.tl._responder_mixture import fit_responders, held_out_projections, whiten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._groups import Label


@fill
def responders(
    data: AnnData | MuData,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Label | Sequence[Label] = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    batch_key: str | None = None,
    n_folds: int = 5,
    use_rep: str | None = None,
    n_components: int = 20,
    layer: str | None = None,
    delimiter: str | None = "+",
    min_cells: int = 10,
    probability_key: str = Key.obs.RESPONDER_PROBABILITY,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Estimate which cells of each perturbation respond, as a guide does not act in every cell that carries it.

    As in Mixscape (Papalexi et al., Nat. Genet. 53, 2021), cells are projected on the difference between the means of
    perturbed and control cells, and a mixture of two normal distributions is fitted to the projections of the perturbed
    cells. One component is that of the control cells. Unlike in Mixscape, the difference is estimated without the
    projected cell (`n_folds`), so that noise does not separate the cells of a perturbation without an effect from the
    controls. Cells are whitened by the covariance of the control cells, with Ledoit-Wolf shrinkage.

    No cell responds if the mixture does not explain the cells better than the controls alone, by the Bayesian
    information criterion. If the shift is below about two, the distributions overlap: a few strong responders look like
    many weak ones, and the interval of the fraction is wide. Cells are treated as independent. To test whether there is
    an effect at all, use :func:`scpi.tl.perturbation_effect`.

    Parameters
    ----------
    %(data)s
    %(cells_perturbation_key)s
    %(batch_key)s
    n_folds
        Number of folds of the cells. The difference for a fold is estimated on the other folds.
    %(cells_use_rep)s
    probability_key
        Column of `adata.obs` in which to store the probabilities.
    %(rng)s
    %(written_key_added)s

    `adata.obs['responder_probability' | probability_key]` : :class:`float`
        Probability that a perturbed cell responds. NaN for control cells and for cells that were left out.
    `adata.uns['responders' | key_added]` : :class:`dict`
        - `results`: DataFrame with one row per perturbation, with `perturbation`, `n_cells`, `fraction` (of responding
          cells), `fraction_low` and `fraction_high` (its 95 % likelihood interval), `n_responders` (cells with a
          probability of at least 0.5), `shift` (mean of the responders, in standard deviations of the controls; NaN
          without responders) and `evidence` (gain in log-likelihood by the responders, minus their penalty; they are
          accepted if it is positive).
        - `params`.

    Raises
    ------
    %(cells_KeyError)s

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=40, rng=0)
    >>> scpi.tl.responders(adata)
    >>> adata.obs["responder_probability"].between(0, 1).sum() == (adata.obs["perturbation"] != "control").sum()
    np.True_
    """
    key_added = Key.uns.RESPONDERS if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    check_key_added(probability_key)
    if n_folds < 2:
        msg = f"`n_folds` must be at least 2, but is {n_folds}."
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
        guide_key=None,
        use_rep=use_rep,
        n_components=n_components,
        rng=generator,
    )
    controls = cells.of(0)
    values = cells.values @ whiten(cells.values[controls])
    probability = np.full(len(values), np.nan)
    rows = []
    for code, name in enumerate(cells.names, start=1):
        own = cells.of(code)
        found = fit_responders(*held_out_projections(values[own], values[controls], n_folds, generator))
        probability[own] = found.probability
        rows.append(
            {
                "perturbation": name,
                "n_cells": len(own),
                "fraction": found.fraction,
                "fraction_low": found.fraction_low,
                "fraction_high": found.fraction_high,
                "n_responders": int((found.probability >= 0.5).sum()),
                "shift": found.shift,
                "evidence": found.evidence,
            }
        )
    stored = {
        "params": result_params(
            perturbation_key=perturbation_key,
            control=cells.control,
            batch_key=batch_key,
            n_folds=n_folds,
            use_rep=use_rep,
            n_components=cells.values.shape[1],
            probability_key=probability_key,
            n_reference=len(controls),
        ),
        "results": pd.DataFrame(rows).astype({"perturbation": object}),
    }
    result, target = view.output(copy)
    target.obs[probability_key] = probability
    target.uns[key_added] = stored
    return result
