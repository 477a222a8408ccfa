from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import listed, read_result
from scpi.pl._impact_heatmap import draw
from scpi.pl._order import similar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL = {"effect": "Mean activity less that of {}", "score": "Test statistic against {}"}


@fill
def pathway_activity(
    adata: AnnData,
    *,
    groups: Sequence[str] | None = None,
    sets: Sequence[str] | None = None,
    n_groups: int = 40,
    n_sets: int = 25,
    values: Literal["effect", "score"] = "effect",
    pval_cutoff: float = 0.05,
    key: str = Key.uns.DIFFERENTIAL_ACTIVITY,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of how each perturbation changes the activity of gene sets.

    A dot marks a change that is significant. Sets and perturbations stand next to similar ones.

    Parameters
    ----------
    %(adata)s
        :func:`scpi.tl.differential_activity` has been run on it.
    groups
        Perturbations to draw, in this order; if `None`, those with the most significant sets.
    sets
        Gene sets to draw, in this order; if `None`, the first of each perturbation, then the second, and so on.
    n_groups
        Most perturbations to draw, where they are not chosen.
    n_sets
        Most gene sets to draw, where they are not chosen.
    values
        Difference of the means, or the test statistic, which puts sets of different spread on one scale.
    pval_cutoff
        Largest adjusted p-value that is marked.
    key
        Entry of `adata.uns` to draw.
    %(panel_ax)s

    Raises
    ------
    KeyError
        If the data holds no such result.
    ValueError
        If a perturbation or a set was not tested.
    """
    if values not in _LABEL:
        msg = f"`values` must be one of {listed(_LABEL)}, but is {values!r}."
        raise ValueError(msg)
    stored = read_result(adata, key, tool=Key.uns.DIFFERENTIAL_ACTIVITY, part="results")
    chosen_groups = _choose_groups(stored, n_groups) if groups is None else [str(group) for group in groups]
    results = get.differential_activity(adata, group=chosen_groups, key=key)
    chosen_sets = _choose_sets(results, n_sets) if sets is None else [str(name) for name in sets]
    unknown = sorted(set(chosen_sets) - set(results["set"].astype(str)))
    if unknown:
        msg = f"These gene sets were not tested: {listed(unknown, 5)}."
        raise ValueError(msg)
    results = results[results["set"].isin(chosen_sets)].astype({"set": str, "group": str})
    matrix = results.pivot(index="set", columns="group", values=values).loc[chosen_sets, chosen_groups]
    if sets is None:
        matrix = matrix.iloc[similar(matrix.to_numpy())]
    if groups is None:
        matrix = matrix.iloc[:, similar(matrix.to_numpy().T)]
    adjusted = results.pivot(index="set", columns="group", values="pval_adj").loc[matrix.index, matrix.columns]

    return draw(
        matrix.to_numpy(),
        matrix.columns,
        matrix.index,
        marks=adjusted.to_numpy() <= pval_cutoff,
        label=_LABEL[values].format(stored["params"].get("reference", "control")),
        xlabel=f"Perturbation (dot: adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})",
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
    )


def _choose_groups(stored: object, n: int) -> list[str]:
    summary: pd.DataFrame = stored["summary"]  # type: ignore[index]
    ranked = summary.sort_values("n_significant", ascending=False, kind="stable")["group"]
    return [str(group) for group in ranked[:n]]


def _choose_sets(results: pd.DataFrame, n: int) -> list[str]:
    """First sets of all groups, then the second ones ..., so that no strong group takes all the room."""
    ranked = results.sort_values(["rank", "pval_adj"], kind="stable")["set"].astype(str)
    return list(dict.fromkeys(ranked))[:n]
