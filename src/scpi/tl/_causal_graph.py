from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi._view import View

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scpi.model import SENAVAE


@fill
def causal_graph(
    data: AnnData | MuData,
    model: SENAVAE,
    *,
    threshold: float | None = None,
    top_n: int | None = None,
    n_sets: int = 10,
    n_draws: int = 100,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Store the causal graph of a model, with the targets and the gene sets of its factors.

    Parameters
    ----------
    %(data)s
        The graph is stored in it. The stability of the edges is computed on the training cells of the model.
    model
        Trained model with a causal layer, such as :class:`scpi.model.SENAVAE`.
    threshold
        Minimum absolute weight of the edges to keep; all if `None`.
    top_n
        Number of edges to keep, by absolute weight; all if `None`.
    n_sets
        Number of gene sets that describe each factor; ignored if the model has no gene sets.
    n_draws
        Number of random halves of the training cells on which the edges are estimated again
        (:meth:`scpi.model.SENAVAE.get_edge_stability`); 0 to skip the stability.
    %(rng)s
    %(written_key_added)s

    `adata.uns['causal_graph' | key_added]` : :class:`dict`
        - `edges`: DataFrame of `source`, `target`, `weight` and `stability`.
        - `factors`: DataFrame of `factor`, `n_targets`, `targets` (the perturbations that act on it, separated by
          semicolons) and `top_sets`.
        - `targets`: DataFrame of `perturbation`, `factor`, `probability`, `strength` and `entropy`.
        - `assignment`: probability that a perturbation acts on a factor, in the order of `targets` and `factors`.
        - `params`.

    Raises
    ------
    ValueError
        If `n_sets` or `n_draws` is negative.
    """
    key_added = Key.uns.CAUSAL_GRAPH if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    for name, value in (("n_sets", n_sets), ("n_draws", n_draws)):
        if value < 0:
            msg = f"`{name}` must not be negative, but is {value}."
            raise ValueError(msg)
    edges = model.get_causal_graph(threshold=threshold, top_n=top_n)
    if n_draws:
        found = model.get_edge_stability(n_draws=n_draws, seed=int(as_generator(rng).integers(2**31)))
        edges = edges.merge(found[["source", "target", "stability"]], how="left", on=["source", "target"])
    targets = model.get_intervention_targets()
    assignment = model.get_intervention_assignment().loc[targets["perturbation"]]
    # Without gene sets, the factors have no description
    has_sets = n_sets > 0 and len(getattr(model, "gene_set_names_", "unknown")) > 0
    pathways = model.get_factor_pathways(top_n=n_sets) if has_sets else None
    names = [str(factor) for factor in assignment.columns]
    by_factor = targets.groupby(targets["factor"].astype(str), observed=True)["perturbation"].agg(list).to_dict()
    hit = [[str(label) for label in by_factor.get(factor, ())] for factor in names]
    stored = {
        "params": result_params(
            model=type(model).__name__, threshold=threshold, top_n=top_n, n_sets=n_sets, n_draws=n_draws
        ),
        "edges": _plain(edges, "source", "target"),
        "factors": pd.DataFrame(
            {
                "factor": np.array(names, dtype=object),
                "n_targets": np.array([len(labels) for labels in hit], dtype=np.int64),
                "targets": np.array([";".join(labels) for labels in hit], dtype=object),
                "top_sets": np.array(_top_sets(pathways, names), dtype=object),
            }
        ),
        "targets": _plain(targets, "perturbation", "factor"),
        "assignment": assignment.to_numpy(dtype=np.float64),
    }
    result, target = view.output(copy)
    target.uns[key_added] = stored
    return result


def _plain(frame: pd.DataFrame, *labels: str) -> pd.DataFrame:
    """Copy a table with numbered rows, and with labels that any file format can store."""
    copied = frame.reset_index(drop=True)
    for label in labels:
        copied[label] = np.array([str(value) for value in copied[label]], dtype=object)
    return copied


def _top_sets(pathways: pd.DataFrame | None, factors: list[str]) -> list[str]:
    if pathways is None:
        return [""] * len(factors)
    ranked = pathways.sort_values("rank", kind="stable")
    sets = ranked.groupby(ranked["factor"].astype(str), observed=True)["set"].agg(list).to_dict()
    return [";".join(str(name) for name in sets.get(factor, ())) for factor in factors]
