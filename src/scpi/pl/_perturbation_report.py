from __future__ import annotations

from typing import TYPE_CHECKING

from scpi import get
from scpi._changes import among
from scpi._docs import fill
from scpi._explained._slot import read_explained
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._checks import check_at_least_one
from scpi.pl._figure import FONT, finish_panels, panel_grid, style
from scpi.pl._fit import wrap
from scpi.pl._report_panels import Report, available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_N_COLUMNS = 2


@fill
def perturbation_report(
    data: AnnData | MuData,
    perturbation: str | None = None,
    *,
    panels: str | Sequence[str] | None = None,
    pval_cutoff: float = 0.05,
    n_genes: int = 12,
    key: str = Key.uns.EXPLAINED_PREDICTION,
    hits_key: str = Key.uns.PREDICTED_HITS,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    r"""Draw a report on one predicted perturbation.

    The panels, each drawn if its data exists, are:

    - `"change"`: genes with the largest predicted changes, with intervals, measured changes with two standard errors,
      and a star for predicted hits;
    - `"perturbations"` and `"features"`, or `"factors"`, or `"units"`: parts that carry most of the special change,
      without the part that is common to all perturbations. Bars are dark if `q` is at most `pval_cutoff`;
    - `"sets"`: gene sets that the change affects, with the same colours;
    - `"fidelity"`: the fraction of the prediction that is lost if the largest parts are removed from the model, and if
      other parts are, with their standard deviation;
    - `"scores"`: the correlation with the measured change of the prediction and of the mean of other perturbations, and
      the largest correlation that the noise of the cells allows;
    - `"agreement"`: the measured against the predicted change of all genes.

    Parameters
    ----------
    %(data)s
    perturbation
        One of the explained perturbations; the first if `None`.
    panels
        Panels to draw; all that have data if `None`.
    pval_cutoff
        Largest q-value that counts as significant.
    n_genes
        Number of genes in the first panel.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.explain_prediction`.
    hits_key
        Entry of `adata.uns` written by :func:`scpi.tl.predicted_hits`, drawn if it exists.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If the perturbation was not explained, or a panel has no data.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scpi
    >>> names = ["control", *(f"{family}{i}" for family in ("KLF", "IRF", "SOX") for i in range(1, 7))]
    >>> effects = np.vstack([np.zeros(40), np.repeat(np.eye(3, 40), 6, axis=0) + 0.1])
    >>> adata = AnnData((1.5 + effects).astype("float32"), obs=pd.DataFrame({"perturbation": names}, index=names))
    >>> scpi.tl.perturbation_features(adata, perturbations=["KLF7"])
    >>> scpi.model.PerturbationGP.setup_anndata(adata)
    >>> model = scpi.model.PerturbationGP(adata)
    >>> model.train(train_size=1.0)
    >>> scpi.tl.explain_prediction(adata, model, "KLF7")
    >>> len(scpi.pl.perturbation_report(adata, show=False))
    4
    """
    check_at_least_one(n_genes=n_genes)
    adata = resolve_modality(data, mod)
    stored = read_explained(adata, key)
    (label,) = among(
        stored.perturbations, stored.perturbations[0] if perturbation is None else perturbation, "perturbation"
    )
    tables = {
        name: table[table[Key.obs.PERTURBATION] == label].reset_index(drop=True)
        for name, table in stored.tables.items()
    }
    report = Report(tables, _hits(adata, label, hits_key, pval_cutoff), pval_cutoff, n_genes)
    drawable = available(report)
    wanted = list(drawable) if panels is None else [str(name) for name in as_list(panels)]
    if unknown := [name for name in wanted if name not in drawable]:
        msg = f"There is nothing to draw in the panel {listed(unknown)} of {label!r}, only in {listed(drawable)}."
        raise ValueError(msg)
    with style():
        figure, axes = panel_grid(len(wanted), ax, figsize, size=(3.54, 2.1), n_columns=_N_COLUMNS)
        for panel, name in zip(axes, wanted, strict=True):
            drawable[name](panel, report)
            panel.spines[["top", "right"]].set_visible(False)
        if ax is None:
            condition = tables["conditions"].iloc[0]
            title = figure.suptitle(f"{label}: {condition[Key.obs.STATUS]}", fontsize=FONT + 1, fontweight="bold")
            wrap(title, 0.98 * figure.bbox.width)
        return finish_panels(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _hits(adata: AnnData, label: str, key: str, pval_cutoff: float) -> set[str] | None:
    """Read the genes that are predicted to change; ``None`` if this was not tested."""
    if key not in adata.uns:
        return None
    found = get.predicted_hits(adata, key=key)
    found = found[found[Key.obs.PERTURBATION] == label]
    return set(found["gene"][found["qval"] <= pval_cutoff]) if len(found) else None
