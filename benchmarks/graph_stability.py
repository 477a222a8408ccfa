"""Which edges of a causal graph are found again: in other halves of a real screen, and in simulations.

Papalexi et al. (2021): for each seed the cells are cut in two halves, and a model with default settings is trained on
each. An edge that `scpi.pl.causal_graph` would draw is found again by another model if that has an edge between the
factors of the same two perturbations, the strongest of each end, with the same sign, which it draws as well ("drawn"),
or which is among its strongest, two per factor ("strong"). Simulated linear screens of ten
factors: the average precision of all edges by weight, and what is true of the edges called stable, where the sizes of
the factors differ by a factor with this standard deviation of its logarithm::

    SCPI_TEST_DATA=... python benchmarks/graph_stability.py --out benchmarks/results/graph_stability.json

The rule and its settings (two edges per factor, a stability of 0.8) were chosen on simulations with seeds 100 and
above. The standard deviation of the sizes is 0.6 since models with 0.3 drew edges of Papalexi et al. in one half of the
cells that another half reversed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from _quiet import one_quiet_thread
from _results import store
from papalexi import load

import scpi
from scpi.metrics import edge_average_precision, edge_chance_level
from scpi.model.senavae._stability import default_n_edges

QUIET = {"enable_progress_bar": False, "accelerator": "cpu", "logger": None}
STABLE, N_FACTORS = 0.8, 10


def edges_of(model) -> dict[str, list[list]]:
    """Strongest perturbations of the source and the target of edges, and their sign between them."""
    edges = model.get_edge_stability()
    strong = edges.head(default_n_edges(model.n_factors_))
    return {
        "drawn": between_perturbations(model, edges[edges["stability"] >= STABLE]),
        "strong": between_perturbations(model, strong),
        "most_stable": float(edges["stability"].max()),
    }


def between_perturbations(model, edges) -> list[list]:
    targets = model.get_intervention_targets()
    targets["size"] = targets["strength"].abs()
    lead = targets.sort_values("size").groupby("factor").last()
    ends = [name if name in lead.index else None for name in (*edges["source"], *edges["target"])]
    sign = {name: np.sign(row.strength) for name, row in lead.iterrows()} | {None: 0.0}
    n = len(edges)
    return [
        [
            *(str(lead.loc[end, "perturbation"]) if end else end for end in (source, target)),
            s * sign[source] * sign[target],
        ]
        for source, target, s in zip(ends[:n], ends[n:], np.sign(edges["weight"]), strict=True)
    ]


def real(seed: int, half: int) -> dict:
    adata = load()
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    part = adata[np.sort(order[half::2])].copy()
    scpi.model.SENAVAE.setup_anndata(part)
    model = scpi.model.SENAVAE(part, seed=seed)
    model.train(**QUIET)
    targets = model.get_intervention_targets()
    factor = dict(zip(targets["perturbation"], targets["factor"], strict=True))
    strength = dict(zip(targets["perturbation"], np.sign(targets["strength"]), strict=True))
    return {"n_factors": model.n_factors_, "factor": factor, "sign": strength} | edges_of(model)


def simulated(seed: int, size_sd: float) -> dict:
    adata = scpi.datasets.causal_screen(
        N_FACTORS,
        n_genes=200,
        n_cells=200,
        graph="erdos_renyi",
        mixing="random",
        size_sd=size_sd,
        doubles=False,
        rng=seed,
    )
    scpi.model.SENAVAE.setup_anndata(adata)
    model = scpi.model.SENAVAE(adata, encoder="linear", n_hidden=0, max_mmd=10.0, n_factors=N_FACTORS, seed=seed)
    model.train(30, train_size=1.0, n_cells=128, n_conditions=N_FACTORS, **QUIET)
    truth = adata.uns["truth"]
    # Factors are named by the perturbations that act on them
    targets = model.get_intervention_targets().set_index("perturbation")
    of_factor = {
        targets.loc[name, "factor"]: (index, np.sign(targets.loc[name, "strength"]))
        for name, index in zip(truth["targets"]["perturbation"], truth["targets"]["factor"], strict=True)
    }
    weight, stability = np.zeros((2, N_FACTORS, N_FACTORS))
    for edge in model.get_edge_stability().itertuples():
        if edge.source in of_factor and edge.target in of_factor:
            (i, a), (j, b) = of_factor[edge.source], of_factor[edge.target]
            weight[i, j], stability[i, j] = edge.weight * a * b, edge.stability
    graph = np.asarray(truth["graph"])
    stable = stability >= STABLE
    return {
        "chance": edge_chance_level(graph),
        "ap": edge_average_precision(graph, weight),
        "ap_by_stability": edge_average_precision(graph, stability),
        "n_edges": int((graph != 0).sum()),
        "n_stable": int(stable.sum()),
        "n_true": int((stable & (graph * weight > 0)).sum()),
        "n_reversed": int((stable & (graph.T != 0)).sum()),
    }


def found_again(runs: list[dict]) -> dict:
    """Edges that a run draws, and how many of them every other half has, between halves of a seed and over seeds."""
    counts = {kind: {"shown": 0, "drawn": 0, "strong": 0} for kind in ("same split", "other splits")}
    for one in runs:
        for other in runs:
            if one is other:
                continue
            kind = counts["same split" if one["seed"] == other["seed"] else "other splits"]
            kind["shown"] += len(one["drawn"])
            for name in ("drawn", "strong"):
                there = {in_factors_of(other, edge) for edge in other[name]}
                kind[name] += sum(in_factors_of(other, edge) in there for edge in one["drawn"] if all(edge[:2]))
    return counts


def in_factors_of(run: dict, edge: list) -> tuple | None:
    source, target, sign = edge
    if not (source and target):
        return None
    return run["factor"][source], run["factor"][target], sign * run["sign"][source] * run["sign"][target]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--simulated-seeds", type=int, nargs="*", default=list(range(10)))
    args = parser.parse_args()
    one_quiet_thread()
    result = json.loads(args.out.read_text()) if args.out.exists() else {"papalexi": [], "simulated": []}
    tasks = [
        *(
            ("simulated", simulated, {"seed": s, "size_sd": sd})
            for s in args.simulated_seeds
            for sd in (0, 0.3, 0.6, 1.0)
        ),
        *(("papalexi", real, {"seed": s, "half": half}) for s in args.seeds for half in (0, 1)),
    ]
    for name, run, task in tasks:
        if not any(task.items() <= row.items() for row in result[name]):
            row = task | run(**task)
            result[name].append(row)
            result["found_again"] = found_again(result["papalexi"])
            store(args.out, result)
            print({key: value for key, value in row.items() if key not in ("factor", "sign", "strong")}, flush=True)
    print(result["found_again"])


if __name__ == "__main__":
    main()
