from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import listed, read_result
from scpi.pl._figure import DIVERGING
from scpi.pl._impact_heatmap import OVERLAID, choose, draw, scaled_by_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_LABEL = {"zscore": "z of the difference,", "difference": "Difference of the impact,"}


@fill
def impact_contrast(
    adata: AnnData,
    *,
    units: Sequence[str] | None = None,
    sets: Sequence[str] | None = None,
    n_units: int = 24,
    n_sets: int = 25,
    values: Literal["zscore", "difference"] = "zscore",
    style: Literal["paper"] | None = None,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.IMPACT_CONTRAST,
    impact_key: str = Key.uns.GENE_SET_IMPACT,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the difference of impacts between two groups of cells: red is more in the target.

    A dot marks a difference that is significant both against gene sets of the same expression and between the cells, or
    the donors, of the two groups.

    Parameters
    ----------
    %(adata)s
        :func:`scpi.tl.impact_contrast` has been run on it.
    units
        Units to draw, in this order; if `None`, those with the largest values.
    sets
        Gene sets to draw, in this order; if `None`, the first of each unit, then the second, and so on.
    n_units
        Most units to draw, where they are not chosen.
    n_sets
        Most gene sets to draw, where they are not chosen.
    values
        What to draw: the z-score, which puts units and sets of any scale side by side, or the difference itself.
    style
        `"paper"` draws as Kinalis et al. (BMC Bioinformatics 20, 2019) do: differences over the largest of the set, and
        only where the impact in all cells, scaled to 0 to 1 within the set, is above 0.85. Nothing is marked. Their
        differences have the other sign: rest less group.
    pval_cutoff
        Largest adjusted p-value of both tests that is marked.
    key
        Entry of `adata.uns` to draw.
    impact_key
        Entry of `adata.uns` that :func:`scpi.tl.gene_set_impact` wrote, for `style="paper"`.
    %(panel_ax)s

    Raises
    ------
    KeyError
        If the data holds no such result.
    ValueError
        If a unit or a set was not compared, a word is unknown, or the impacts are of other units or sets.

    Examples
    --------
    >>> import scvi
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(200, 100, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.obs["state"] = (adata.obsm["programs"].iloc[:, 0] > 0).map({True: "on", False: "off"})
    >>> adata.obs["donor"] = list("abcd") * 50
    >>> scvi.model.LinearSCVI.setup_anndata(adata)
    >>> model = scvi.model.LinearSCVI(adata, n_latent=2)
    >>> model.train(1, accelerator="cpu", enable_progress_bar=False)
    >>> scpi.tl.impact_contrast(adata, model, "state", target="on", reference="off", donor_key="donor")
    >>> axes = scpi.pl.impact_contrast(adata, show=False)
    """
    if values not in _LABEL:
        msg = f"`values` must be one of {listed(_LABEL)}, but is {values!r}."
        raise ValueError(msg)
    if style not in (None, "paper"):
        msg = f"`style` must be None or 'paper', but is {style!r}."
        raise ValueError(msg)
    stored = read_result(adata, key, tool=Key.uns.IMPACT_CONTRAST, part="difference")
    paper = style == "paper"
    table = _overlay(adata, stored, impact_key) if paper else np.asarray(stored[values])
    rows, columns = choose(stored, units=units, sets=sets, n_units=n_units, n_sets=n_sets, by=table)
    part = np.ix_(rows, columns)
    sides = f"{stored['params']['target']} \N{MINUS SIGN} {stored['params']['reference']}"
    colours: dict[str, Any] = {"cmap": DIVERGING, "vmin": -1.0, "vmax": 1.0} if paper else {}
    return draw(
        table[part].T,
        [str(stored["units"][i]) for i in rows],
        [str(stored["sets"][i]) for i in columns],
        marks=None if paper else (np.asarray(stored["pval_both_adj"])[part] <= pval_cutoff).T,
        label=f"{'Difference / largest of the set,' if paper else _LABEL[values]} {sides}",
        xlabel="Unit" if paper else f"Unit (dot: adjusted p of both tests \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})",
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
        **colours,
    )


def _overlay(adata: AnnData, stored: Mapping[str, Any], impact_key: str) -> NDArray[np.float64]:
    """Differences over the largest of the set where the impact in all cells is high, else 0; units x sets."""
    general = read_result(adata, impact_key, tool=Key.uns.GENE_SET_IMPACT, part="impact")
    for part in ("units", "sets"):
        if list(map(str, general[part])) != list(map(str, stored[part])):
            msg = f"`adata.uns[{impact_key!r}]` has other {part} than the contrast: compute both with the same."
            raise ValueError(msg)
    difference = np.asarray(stored["difference"])
    largest = np.abs(difference).max(axis=0)
    scaled = difference / np.where(largest > 0, largest, 1.0)
    return np.where(scaled_by_set(np.asarray(general["impact"])) > OVERLAID, scaled, 0.0)
