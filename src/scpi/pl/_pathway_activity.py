from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scpi import get
from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._sequence import as_list
from scpi._slots import read_result
from scpi.pl._checks import check_choice
from scpi.pl._figure import shorten
from scpi.pl._order import similar
from scpi.pl._set_heatmap import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_LABEL = {"effect": "Mean activity minus that of {}", "score": "Test statistic against {}"}


@fill
def pathway_activity(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    n_groups: int = 40,
    sets: Sequence[str] | str | None = None,
    n_sets: int = 25,
    values: Literal["effect", "score"] = "effect",
    pval_cutoff: float = 0.05,
    key: str = Key.uns.DIFFERENTIAL_ACTIVITY,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the change in activity of gene sets under each perturbation.

    Dots mark significant changes. Similar sets, and similar perturbations, are next to each other.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.differential_activity` has been run on it.
    %(activity_groups)s
    sets
        Gene sets to draw, in this order; if `None`, the top set of each perturbation, then the second of each, and so
        on.
    n_sets
        Maximum number of gene sets to draw if `sets=None`.
    values
        `"effect"` for the difference of the means, or `"score"` for the test statistic, which is comparable between sets
        of different variance.
    %(significant_pval_cutoff)s
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a perturbation or a set was not tested.
    """
    adata = resolve_modality(data, mod)
    check_choice("values", values, _LABEL)
    stored = read_result(adata, key, tool=Key.uns.DIFFERENTIAL_ACTIVITY, part="results")
    chosen_groups = (
        strongest_groups(stored["summary"], n_groups) if groups is None else [str(group) for group in as_list(groups)]
    )
    results = get.differential_activity(adata, group=chosen_groups, key=key)
    ranked_sets = _ranked_sets(results)
    chosen_sets = ranked_sets[:n_sets] if sets is None else among(ranked_sets, sets, "gene set")
    results = results[results["set"].isin(chosen_sets)].astype({"set": str, "group": str})
    matrix = results.pivot(index="set", columns="group", values=values).loc[chosen_sets, chosen_groups]
    if sets is None:
        matrix = matrix.iloc[similar(matrix.to_numpy())]
    if groups is None:
        matrix = matrix.iloc[:, similar(matrix.to_numpy().T)]
    adjusted = results.pivot(index="set", columns="group", values="pval_adj").loc[matrix.index, matrix.columns]
    return draw(
        matrix.to_numpy(),
        [shorten(name, 24) for name in matrix.columns],
        matrix.index.tolist(),
        marks=adjusted.to_numpy() <= pval_cutoff,
        label=_LABEL[values].format(stored["params"].get("reference", "control")),
        parts=[
            *([(len(chosen_groups), len(stored["summary"]), "perturbations")] if groups is None else []),
            *([(len(chosen_sets), len(ranked_sets), "gene sets")] if sets is None else []),
        ],
        xlabel=f"Perturbation (dot: adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})",
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
    )


def strongest_groups(summary: pd.DataFrame, n: int) -> list[str]:
    """Find the `n` perturbations with the most significant gene sets."""
    ranked = summary.sort_values("n_significant", ascending=False, kind="stable")["group"]
    return [str(group) for group in ranked[:n]]


def _ranked_sets(results: pd.DataFrame) -> list[str]:
    """Order gene sets, the top set of each group before the second of any, so that no group dominates."""
    ranked = results.sort_values(["rank", "pval_adj"], kind="stable")["set"].astype(str)
    return list(dict.fromkeys(ranked))
