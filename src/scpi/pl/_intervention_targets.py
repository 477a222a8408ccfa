from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._figure import BLUE, GREY, MAX_HEIGHT, PAGE_WIDTH, SMALL, VERMILLION, finish, new_axes, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def intervention_targets(
    data: AnnData | MuData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_perturbations: int = 70,
    key: str = Key.uns.CAUSAL_GRAPH,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the causal factor that each perturbation acts on, with the strength and the certainty of the assignment.

    The heatmap shows the probability of each factor. The marginal plots show the strength of the shift, the normalised
    entropy of the assignment, and the number of perturbations that act on each factor. The entropy is 0 if the
    assignment is certain, and 1 (dotted line) if all factors are equally probable.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.causal_graph` has been run on it.
    perturbations
        Perturbations to draw; all if `None`.
    n_perturbations
        Maximum number of perturbations to draw if `perturbations=None`, those with the strongest shifts.
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    Returns
    -------
    The axes of the heatmap if the figure is not shown, or the figure if `return_fig=True`.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a perturbation is unknown.
    """
    adata = resolve_modality(data, mod)
    stored = read_result(adata, key, tool=Key.uns.CAUSAL_GRAPH, part="assignment")
    targets, factors = stored["targets"].reset_index(drop=True), [str(name) for name in stored["factors"]["factor"]]
    probability = np.asarray(stored["assignment"], dtype=np.float64)
    n_all = len(targets)
    if perturbations is not None:
        chosen = among(targets["perturbation"].tolist(), perturbations, "perturbation")
        rows = np.flatnonzero(targets["perturbation"].isin(chosen))
    else:
        rows = np.sort(np.argsort(-targets["strength"].abs().to_numpy(), kind="stable")[:n_perturbations])
    best = probability[rows].argmax(axis=1)
    # Ordered by factor, and within a factor by decreasing probability
    rows = rows[np.lexsort((-probability[rows, best], best))]
    targets = targets.iloc[rows]

    if figsize is None:
        width = min(PAGE_WIDTH, 4.0 + 0.16 * len(factors))
        figsize = (width, min(MAX_HEIGHT, max(2.4, 1.1 + 0.115 * len(rows))))
    with style():
        figure, axes = new_axes(ax, figsize)
        image = axes.imshow(probability[rows], cmap="viridis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        prefix = "factor_" if all(name.startswith("factor_") for name in factors) else ""
        step = -(-len(factors) // 40)  # more than 40 numbers would overlap
        axes.set_xticks(range(0, len(factors), step), [name.removeprefix(prefix) for name in factors[::step]])
        if not prefix:
            axes.tick_params(axis="x", labelrotation=90)
        axes.set_yticks(range(len(rows)), [shorten(str(name), 24) for name in targets["perturbation"]])
        axes.tick_params(length=2)
        axes.set_xlabel("Causal factor")
        axes.set_ylabel("Perturbation" if len(rows) == n_all else f"Perturbation ({len(rows)} of {n_all})")

        strength, entropy, counts, legend = _margins(figure, axes, len(factors), figsize[1])
        y = np.arange(len(rows))
        shift = targets["strength"].to_numpy()
        strength.barh(y, shift, height=0.7, color=np.where(shift < 0, VERMILLION, BLUE))
        strength.axvline(0, color="black", lw=0.6)
        strength.set_xlabel("Strength")
        entropy.barh(y, targets["entropy"], height=0.7, color=GREY)
        entropy.axvline(1.0, color="black", lw=0.8, ls=":")
        entropy.set_xlim(0, 1.08)
        entropy.set_xlabel("Entropy")
        counts.bar(range(len(factors)), np.bincount(probability.argmax(axis=1), minlength=len(factors)), color=GREY)
        counts.set_ylabel("Perturbations", fontsize=SMALL, rotation=0, ha="right", va="center")
        for margin in (strength, entropy):
            margin.tick_params(axis="y", left=False, labelleft=False)
            margin.locator_params(axis="x", nbins=3)
        counts.tick_params(axis="x", bottom=False, labelbottom=False)
        for margin in (strength, entropy, counts):
            margin.spines[["top", "right"]].set_visible(False)
        bar = figure.colorbar(image, cax=legend, orientation="horizontal", ticks=[0, 0.5, 1])
        bar.ax.xaxis.set_ticks_position("top")
        bar.ax.set_title("Probability", fontsize=SMALL, pad=3)
        bar.ax.tick_params(length=2)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if ax is None:
            figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.03, hspace=0.0, wspace=0.0)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _margins(figure: Figure, ax: Axes, n_factors: int, height: float) -> tuple[Axes, Axes, Axes, Axes]:
    """Divide the area of the axes into the heatmap, the three marginal plots and the colour bar."""
    # Ratios of the sizes in inches
    shape = {
        "width_ratios": (max(1.2, 0.16 * n_factors), 0.7, 0.7),
        "height_ratios": (0.4, max(1.0, height - 1.1)),
    }
    spec = ax.get_subplotspec()
    if spec is None:
        box = ax.get_position()
        grid: Any = figure.add_gridspec(2, 3, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1, **shape)
    else:
        grid = spec.subgridspec(2, 3, **shape)
    ax.set_subplotspec(grid[1, 0])
    strength, entropy = (figure.add_subplot(grid[1, column], sharey=ax) for column in (1, 2))
    counts = figure.add_subplot(grid[0, 0], sharex=ax)
    corner = figure.add_subplot(grid[0, 1:])
    corner.set_axis_off()
    return strength, entropy, counts, corner.inset_axes((0.05, 0.1, 0.9, 0.3))
