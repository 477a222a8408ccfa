from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Ellipse

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed, read_labels
from scpi.pl._figure import GREY, PALETTE, finish, legend_columns, new_axes, place_labels, shorten, style
from scpi.pl._fit import fit_texts

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

# Radius of an ellipse in standard deviations, and width of the figure in inches
_REACH, _WIDTH = 2.0, 3.6
_MARKERS = "os^Dv<>Pp*"


@fill
def latent_mixture(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.DGD,
    color: str | None = None,
    min_weight: float = 0.01,
    size: float | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw latent representations and the components of their mixture, along the axes of the largest variance.

    An ellipse reaches two standard deviations from the mean of a component. The name of the component is next to its
    mean if there is room.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :meth:`scpi.model.DGD.write_mixture`. The representations are in
        `adata.obsm['X_' + key]`.
    color
        Column of `adata.obs` with the categories to colour cells by; their component if `None`.
    min_weight
        Minimum weight of the components to draw.
    size
        Area of a dot in square points; if `None`, it decreases with the number of cells.
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If the data has no such result or column.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(100, n_genes=60, de_prob=0.5, rng=0)
    >>> scpi.model.DGD.setup_anndata(adata)
    >>> model = scpi.model.DGD(adata, n_latent=4, n_components=2)
    >>> model.train(max_epochs=3, enable_progress_bar=False)
    >>> model.write_mixture()
    >>> axes = scpi.pl.latent_mixture(adata, color="group", show=False)
    """
    adata = resolve_modality(data, mod)
    mixture = adata.uns.get(key)
    if not hasattr(mixture, "get") or "means" not in mixture or f"X_{key}" not in adata.obsm:
        msg = (
            f"`adata.uns` has no mixture {key!r}, only {listed(adata.uns)}. Call `scpi.model.DGD.write_mixture` first."
        )
        raise KeyError(msg)
    axes = np.asarray(mixture["axes"], dtype=np.float64)
    points, means = (np.asarray(values) @ axes for values in (adata.obsm[f"X_{key}"], mixture["means"]))
    groups = read_labels(adata, key if color is None else color)
    size = float(np.clip(20_000 / max(len(points), 1), 0.5, 12.0)) if size is None else size
    with style():
        names = [shorten(str(name), 24) for name in groups.categories]
        n_columns = legend_columns(names, _WIDTH if figsize is None else figsize[0])
        if figsize is None:
            figsize = (_WIDTH, 3.0 + 0.15 * -(-len(names) // n_columns))
        figure, panel = new_axes(ax, figsize)
        # Few colours are distinguishable for everyone, so further groups have other markers
        for (marker, colour), name, label in zip(product(_MARKERS, PALETTE), groups.categories, names, strict=False):
            x, y = points[groups == name].T
            panel.scatter(x, y, s=size, color=colour, marker=marker, lw=0, label=label, rasterized=True)
        shown = np.flatnonzero(np.asarray(mixture["weights"]) >= min_weight)
        for i in shown:
            variance = np.asarray(mixture["variances"][i], dtype=np.float64)
            panel.add_patch(_ellipse(means[i], axes.T @ (variance[:, None] * axes)))
        panel.set(xlabel="Representation, first axis", ylabel="Representation, second axis", xticks=[], yticks=[])
        panel.spines[["top", "right"]].set_visible(False)
        legend: dict[str, Any] = {"markerscale": 2.0, "title": key if color is None else color, "handletextpad": 0.1}
        if ax is None:
            handles = panel.get_legend_handles_labels()
            figure.legend(*handles, loc="outside lower center", ncols=n_columns, **legend)
        else:
            panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), **legend)
        fit_texts(figure, [panel])
        components = [shorten(str(mixture["names"][i]), 12) for i in shown]
        place_labels(panel, means[:, 0], means[:, 1], components, shown=shown)
        return finish(figure, panel, ax=ax, show=show, return_fig=return_fig)


def _ellipse(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> Ellipse:
    """Make the outline of a Gaussian in the plane."""
    variances, directions = np.linalg.eigh(covariance)
    height, width = 2.0 * _REACH * np.sqrt(np.maximum(variances, 0.0))
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    return Ellipse((mean[0], mean[1]), width, height, angle=angle, fill=False, edgecolor=GREY, lw=1.0)
