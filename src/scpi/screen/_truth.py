"""What was planted into a screen, beside what was found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi import get
from scpi._keys import Key
from scpi.datasets._labels import DELIMITER
from scpi.metrics import edge_average_precision, edge_chance_level, pearson_delta, target_recovery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi._screen._labels import Labelling

_PARTS = ("conditions", "lfc", "additive_lfc", "graph", "targets")
_PROGRAM = "program_"


def compare_with_truth(adata: AnnData, held_out: Sequence[str], *, labelling: Labelling) -> dict[str, Any] | None:
    """Compare targets, graph and gene sets with those that :func:`scpi.datasets.plant_screen` planted.

    The screen has the results of ``tl.causal_graph`` and of ``tl.differential_activity``. How wrong it is to add
    effects is said for the combinations ``held_out``; for all if empty. Returns numbers by name, or ``None`` if nothing
    was planted.
    """
    truth = adata.uns.get(Key.uns.TRUTH)
    if not hasattr(truth, "get") or any(part not in truth for part in _PARTS):
        return None
    found = get.intervention_targets(adata).set_index("perturbation")
    planted = pd.Series(truth["targets"]["perturbation"]).astype(str)
    # Those without training cells have no target that could be compared
    is_trained = planted.isin(found.index).to_numpy()
    names, factors = planted[is_trained].tolist(), np.asarray(truth["targets"]["factor"])[is_trained]
    found, order = found.loc[names], np.sort(factors)
    graph = np.asarray(truth["graph"])[np.ix_(order, order)]
    estimated = _graph_of_perturbations(adata, list(found["factor"]))[np.ix_(np.argsort(factors), np.argsort(factors))]
    return {
        **_error_of_adding(truth, held_out, labelling=labelling),
        "n_perturbations": len(names),
        "targets_recovered": target_recovery(factors, np.unique(found["factor"], return_inverse=True)[1]),
        "n_factors_used": int(found["factor"].nunique()),
        "n_edges": int((graph != 0).sum()),
        "edge_average_precision": edge_average_precision(graph, estimated) if graph.any() else float("nan"),
        "edge_chance": edge_chance_level(graph) if graph.any() else float("nan"),
        **_own_sets(adata, names),
    }


def _error_of_adding(truth: Any, held_out: Sequence[str], *, labelling: Labelling) -> dict[str, float]:
    """How far the sum of the single log fold changes is from the planted ones."""
    members = [frozenset(str(label).split(DELIMITER)) for label in truth["conditions"]]
    wanted = {frozenset(labelling.members(label)) for label in held_out}
    rows = [index for index, label in enumerate(members) if len(label) > 1 and (not wanted or label in wanted)]
    if not rows:
        return {"additive_error": float("nan"), "additive_pearson": float("nan")}
    lfc, added = np.asarray(truth["lfc"])[rows], np.asarray(truth["additive_lfc"])[rows]
    error = np.linalg.norm(added - lfc, axis=1) / np.linalg.norm(lfc, axis=1)
    return {"additive_error": float(error.mean()), "additive_pearson": float(np.mean(pearson_delta(lfc, added)))}


def _graph_of_perturbations(adata: AnnData, factors: Sequence[str]) -> NDArray[np.float64]:
    """Weight between the factors that the perturbations were found to act on; none within one factor."""
    edges = get.causal_graph(adata)
    weight = {(row.source, row.target): row.weight for row in edges.itertuples()}
    return np.array([[weight.get((source, target), 0.0) for target in factors] for source in factors])


def _own_sets(adata: AnnData, names: Sequence[str]) -> dict[str, Any]:
    """Rank of the planted program of each perturbation among all gene sets, if these were tested."""
    if Key.uns.DIFFERENTIAL_ACTIVITY not in adata.uns:
        return {"programs_first": 0, "programs_tested": 0}
    results = get.differential_activity(adata)
    own = results["group"].astype(str) == results["set"].astype(str).str.removeprefix(_PROGRAM)
    ranks = results[own & results["group"].isin(names)]
    return {"programs_first": int((ranks["rank"] == 1).sum()), "programs_tested": len(ranks)}
