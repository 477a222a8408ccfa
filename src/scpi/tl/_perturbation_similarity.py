from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.de import false_discovery_control
from scpi.tl._effect_similarity import compare_pairs, compute_effects, whitened_moments
from scpi.tl._labelled_cells import read_labelled_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._groups import Label


@fill
def perturbation_similarity(
    data: AnnData | MuData,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Label | Sequence[Label] = "control",
    groups: Label | Sequence[Label] | Literal["all"] = "all",
    batch_key: str | None = None,
    pval_cutoff: float = 0.05,
    confidence_level: float = 0.95,
    exclude_targets: bool = False,
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
    """Test which perturbations act alike, by the cosine of their mean effects relative to the control cells.

    Components are scaled so that the covariance of the control cells is the identity. The cosine is 1 if two
    perturbations change cells in the same direction, whatever the strength, and -1 if in opposite directions. Noise
    makes a plain cosine of two equal effects too small, and controls that two perturbations share make unrelated
    effects similar; both are corrected for.

    The null hypothesis is that the directions of the two effects are unrelated: given one of them, all directions of
    the other one are equally likely. With 20 components, the cosine is then between -0.43 and 0.43 in 95 % of all
    cases, without any noise. The confidence interval, in contrast, is about the noise of the cells: a similarity of 0.3
    can be known exactly, and be no more than chance.

    Perturbations whose mean effect does not exceed noise have no direction, and are not compared.

    Parameters
    ----------
    %(data)s
    %(cells_perturbation_key)s
    batch_key
        Column of ``adata.obs`` with the batch of each cell, such as the replicate. Cells are compared with control
        cells of the same batch.
    pval_cutoff
        Largest adjusted p-value of a mean effect that counts as significant.
    confidence_level
        Coverage of the intervals of the similarity.
    exclude_targets
        Whether to leave out genes that are named like a perturbation, so that the loss of a knocked-out gene does not
        count as an effect. Not with `use_rep`.
    %(cells_use_rep)s
    %(rng)s
    %(written_key_added)s

    `adata.uns['perturbation_similarity' | key_added]` : :class:`dict`
        - `results`: DataFrame with one row per perturbation, with `perturbation`, `n_cells`, `strength` (length of the
          mean effect in standard deviations of the controls, corrected for noise), `pval`, `pval_adj`
          (Benjamini-Hochberg over the perturbations) and `has_effect` (`pval_adj` of at most `pval_cutoff`).
        - `pairs`: arrays `similarity`, `similarity_low`, `similarity_high`, `pval` and `pval_adj` (Benjamini-Hochberg
          over the pairs) of all pairs of perturbations with an effect, in the order of
          :func:`scipy.spatial.distance.pdist`. :func:`scpi.get.perturbation_similarity` returns tables.
        - `params`.

    Raises
    ------
    %(cells_KeyError)s

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.zeros((400, 1)), obs={"perturbation": np.repeat(["control", "A", "B", "C"], 100)})
    >>> adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(400, 10))
    >>> adata.obsm["X_pca"][100:300, 0] += 5
    >>> adata.obsm["X_pca"][300:, 1] += 5
    >>> scpi.tl.perturbation_similarity(adata, use_rep="X_pca")
    >>> pairs = scpi.get.perturbation_similarity(adata)
    >>> pairs.loc[pairs["pval_adj"] < 0.05, ["perturbation", "other"]].values.tolist()
    [['A', 'B']]
    """
    key_added = Key.uns.PERTURBATION_SIMILARITY if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    if not 0 < pval_cutoff < 1 or not 0 < confidence_level < 1:
        msg = (
            "`pval_cutoff` and `confidence_level` must be between 0 and 1, but they are "
            f"{pval_cutoff} and {confidence_level}."
        )
        raise ValueError(msg)
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
        rng=as_generator(rng),
        exclude_targets=exclude_targets,
    )
    moments = whitened_moments(cells.values, cells.codes, cells.batch)
    effects = compute_effects(moments)
    apart = [name for name, noise in zip(cells.names, effects.noise, strict=True) if np.isnan(noise)]
    if apart:
        warn_user(
            f"Not compared: no batch has control cells and cells of {len(apart)} perturbations, such as {apart[0]!r}."
        )
    results = pd.DataFrame(
        {
            "perturbation": pd.Series(cells.names, dtype=object),
            "n_cells": moments.sizes[1:].sum(axis=1).astype(np.int64),
            "strength": effects.strength,
            "pval": effects.pval,
            "pval_adj": false_discovery_control(effects.pval),
        }
    )
    results["has_effect"] = (results["pval_adj"] <= pval_cutoff) & (results["strength"] > 0)
    pairs = compare_pairs(moments, effects, np.flatnonzero(results["has_effect"]), confidence_level)
    stored = {
        "params": result_params(
            perturbation_key=perturbation_key,
            control=cells.control,
            batch_key=batch_key,
            pval_cutoff=pval_cutoff,
            confidence_level=confidence_level,
            exclude_targets=exclude_targets,
            use_rep=use_rep,
            n_components=moments.means.shape[2],
            n_reference=int(moments.sizes[0].sum()),
        ),
        "results": results,
        "pairs": pairs._asdict() | {"pval_adj": false_discovery_control(pairs.pval)},
    }
    result, target = view.output(copy)
    target.uns[key_added] = stored
    return result
