from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.patches import Ellipse

from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import listed, read_labels
from scpi.pl._figure import GREY, PALETTE, finish, new_axes, style

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Standard deviations that an ellipse reaches
_REACH = 2.0


@fill
def latent_mixture(
    adata: AnnData,
    *,
    key: str = Key.uns.DGD,
    color: str | None = None,
    min_weight: float = 0.01,
    size: float | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw latent representations and the components of their mixture, along the axes of the largest variance.

    An ellipse reaches two standard deviations from the mean of a component, where its name stands.

    Parameters
    ----------
    %(adata)s
    key
        Entry of `adata.uns` that :meth:`scpi.model.DGD.write_mixture` wrote; representations are in `adata.obsm['X_' + key]`.
    color
        Column of `adata.obs` with the categories to colour cells by; their component if `None`.
    min_weight
        Smallest weight of a component that is drawn.
    size
        Area of a dot in square points; if `None`, it decreases with the number of cells.
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
        figure, panel = new_axes(ax, (3.6, 3.0) if figsize is None else figsize)
        names = groups.categories
        # More groups than there are colours of the palette take those of a map
        colours = PALETTE if len(names) <= len(PALETTE) else plt.get_cmap("turbo")(np.linspace(0.05, 0.95, len(names)))
        for name, colour in zip(names, colours, strict=False):
            x, y = points[groups == name].T
            panel.scatter(x, y, s=size, color=colour, lw=0, label=str(name), rasterized=True)
        for name, weight, mean, variance in zip(
            mixture["names"], mixture["weights"], means, np.asarray(mixture["variances"], dtype=np.float64), strict=True
        ):
            if weight >= min_weight:
                panel.add_patch(_ellipse(mean, axes.T @ (variance[:, None] * axes)))
                panel.annotate(str(name), mean, ha="center", va="center")
        panel.set(xlabel="Representation, first axis", ylabel="Representation, second axis", xticks=[], yticks=[])
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=2.0, title=key if color is None else color
        )
        return finish(figure, panel, ax=ax, show=show, return_fig=return_fig)


def _ellipse(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> Ellipse:
    """Outline of a Gaussian in the plane."""
    variances, directions = np.linalg.eigh(covariance)
    height, width = 2.0 * _REACH * np.sqrt(np.maximum(variances, 0.0))
    angle = float(np.degrees(np.arctan2(directions[1, 1], directions[0, 1])))
    return Ellipse((mean[0], mean[1]), width, height, angle=angle, fill=False, edgecolor=GREY, lw=1.0)
