from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._checks import check_choice
from scpi.pl._figure import DIVERGING, shorten
from scpi.pl._set_heatmap import OVERLAID, choose, draw, parts_chosen, scaled_by_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

_LABEL = {"zscore": "z of the difference,", "difference": "Difference of the impact,"}


@fill
def impact_contrast(
    data: AnnData | MuData,
    *,
    units: Sequence[str] | str | None = None,
    sets: Sequence[str] | str | None = None,
    n_units: int = 24,
    n_sets: int = 25,
    values: Literal["zscore", "difference"] = "zscore",
    style: Literal["paper"] | None = None,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.IMPACT_CONTRAST,
    impact_key: str = Key.uns.GENE_SET_IMPACT,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the difference in impact between two groups of cells; red is higher in the target.

    Dots mark differences that are significant in both tests: against gene sets of similar expression, and between the
    cells (or the donors) of the two groups.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.impact_contrast` has been run on it.
    %(impact_units)s
    values
        `"zscore"`, which is comparable between units and sets of different scale, or `"difference"`.
    style
        `"paper"` draws differences in the style of Kinalis et al. (BMC Bioinformatics 20, 2019). They are divided by
        the largest absolute difference of the set, and drawn only if the impact in all cells, scaled to between 0 and 1
        within the set, is above 0.85. No dots are drawn. Differences in the paper have the opposite sign: rest minus
        group.
    pval_cutoff
        Largest adjusted p-value, of both tests together, that counts as significant.
    %(result_key)s
    impact_key
        Entry of `adata.uns` written by :func:`scpi.tl.gene_set_impact`, for `style="paper"`.
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such unit or set, `values` or `style` is unknown, or the impacts are of other units or sets.

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
    adata = resolve_modality(data, mod)
    check_choice("values", values, _LABEL)
    check_choice("style", style, ["paper"], optional=True)
    stored = read_result(adata, key, tool=Key.uns.IMPACT_CONTRAST, part="difference")
    paper = style == "paper"
    table = _overlay(adata, stored, impact_key) if paper else np.asarray(stored[values])
    rows, columns = choose(stored, units=units, sets=sets, n_units=n_units, n_sets=n_sets, by=table)
    part = np.ix_(rows, columns)
    sides = " \N{MINUS SIGN} ".join(shorten(str(stored["params"][side]), 24) for side in ("target", "reference"))
    colours: dict[str, Any] = {"cmap": DIVERGING, "vmin": -1.0, "vmax": 1.0} if paper else {}
    return draw(
        table[part].T,
        [shorten(str(stored["units"][i]), 24) for i in rows],
        [str(stored["sets"][i]) for i in columns],
        marks=None if paper else (np.asarray(stored["pval_both_adj"])[part] <= pval_cutoff).T,
        label=f"{'Difference / largest of the set,' if paper else _LABEL[values]} {sides}",
        xlabel="Unit" if paper else f"Unit (dot: adjusted p of both tests \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})",
        parts=parts_chosen(stored, rows, columns, units=units, sets=sets),
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
        **colours,
    )


def _overlay(adata: AnnData, stored: Mapping[str, Any], impact_key: str) -> NDArray[np.float64]:
    """Divide differences, units x sets, by the largest of the set; set them to 0 if the impact in all cells is low."""
    overall = read_result(adata, impact_key, tool=Key.uns.GENE_SET_IMPACT, part="impact")
    for part in ("units", "sets"):
        if list(map(str, overall[part])) != list(map(str, stored[part])):
            msg = f"`adata.uns[{impact_key!r}]` has other {part} than the contrast: compute both with the same {part}."
            raise ValueError(msg)
    difference = np.asarray(stored["difference"])
    largest = np.abs(difference).max(axis=0)
    scaled = difference / np.where(largest > 0, largest, 1.0)
    return np.where(scaled_by_set(np.asarray(overall["impact"])) > OVERLAID, scaled, 0.0)
