"""Recovery of targets, graph and unseen doubles of a simulated causal screen by SENAVAE.

One result per task is written to the results folder, so that an interrupted run resumes where it stopped::

    python benchmarks/simulated_scm.py --out benchmarks/results/simulated_scm
    python benchmarks/simulated_scm.py --out benchmarks/results/simulated_scm --collect

Settings were chosen on seeds 100 and above; seeds 0 to 9 are reported.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import time
from pathlib import Path

import numpy as np
import torch
from _results import Tasks, store

import scpi
from scpi.metrics import (
    align_graph,
    edge_average_precision,
    edge_chance_level,
    match_latents,
    mmd,
    structural_hamming_distance,
)

N_CELLS = 1024
SETTINGS = {
    "linear": {"max_epochs": 150, "lr": 3e-3},
    "relu": {"max_epochs": 400, "lr": 1e-2},
}


def simulate(task: dict) -> tuple:
    """The screen, its doubles separately, and independent doubles for the floor."""
    adata = scpi.datasets.causal_screen(
        task["n_factors"],
        n_genes=task["n_genes"],
        n_cells=N_CELLS,
        mechanism=task["mechanism"],
        graph="erdos_renyi",
        mixing="random",
        rng=task["seed"],
    )
    doubles = adata.obs["perturbation"].str.contains("+", regex=False).to_numpy()
    return adata[~doubles].copy(), adata[doubles].copy(), adata.uns["truth"]


def fit(train, task: dict):
    """Train a model with the mechanism of the simulation; targets, order and graph are learned."""
    model_class = scpi.model.SENAVAE
    model_class.setup_anndata(train)
    model = model_class(
        train,
        encoder="linear",
        n_hidden=0,
        mechanism=task["mechanism"],
        seed=task["seed"],
        max_mmd=10.0,
    )
    settings = SETTINGS[task["mechanism"]] | task.get("settings", {})
    model.train(
        settings["max_epochs"],
        train_size=1.0,  # every baseline sees the same cells, and nothing is chosen on a validation set
        n_cells=128,
        n_conditions=task["n_factors"],
        plan_kwargs={"lr": settings["lr"]},
        enable_progress_bar=False,
        accelerator="cpu",
        logger=None,
    )
    return model


def score_graph(model, train, truth: dict) -> dict:
    """Targets and edges, with latents matched to the true exogenous noise of control cells by correlation."""
    control = (train.obs["perturbation"] == "control").to_numpy()
    latent = model.get_latent_representation(indices=np.flatnonzero(control))
    noise = np.asarray(train.obsm["exogenous"])[control]
    n = noise.shape[1]
    correlation = np.abs(np.corrcoef(noise.T, latent.T)[:n, n:])
    latents = match_latents(correlation)
    targets = model.get_intervention_assignment().to_numpy().argmax(1)
    true_target = dict(zip(truth["targets"]["perturbation"], truth["targets"]["factor"], strict=True))
    expected = [latents[true_target[name]] for name in model.perturbations_]
    strength = np.ones(n)
    for target, value in zip(targets, model.module.intervention.strength.detach().numpy(), strict=True):
        strength[target] = value
    graph = align_graph(model.module.causal.adjacency().detach().numpy(), latents, scale=strength)
    true_graph = np.asarray(truth["graph"])
    return {
        "targets_recovered": float(np.mean(targets == expected)),
        "factors_used": len(set(targets.tolist())),
        "exogenous_correlation": float(correlation[np.arange(n), latents].mean()),
        "edge_ap": edge_average_precision(true_graph, graph) if (true_graph != 0).any() else None,
        "edge_ap_chance": edge_chance_level(true_graph) if (true_graph != 0).any() else None,
        "shd_at_0.2": structural_hamming_distance(true_graph, graph, threshold=0.2),
        "shd_empty": int((true_graph != 0).sum()),
    }


def score_doubles(model, train, doubles) -> dict:
    """Unbiased MMD of every unseen double: model, additive, no change, and between two halves of real cells."""
    control = np.asarray(train.X)[(train.obs["perturbation"] == "control").to_numpy()]
    mean = {
        name: np.asarray(train.X)[(train.obs["perturbation"] == name).to_numpy()].mean(0)
        for name in model.perturbations_
    }
    centre = control.mean(0)
    base = 2 * float(np.asarray(train.X, dtype=np.float64).var(0).sum())
    rows = {"model": [], "additive": [], "no_change": [], "floor": []}
    controls = np.flatnonzero((train.obs["perturbation"] == "control").to_numpy())
    half = N_CELLS // 2
    for label in doubles.obs["perturbation"].unique():
        real = np.asarray(doubles.X)[(doubles.obs["perturbation"] == label).to_numpy()]
        first, second = real[:half], real[half:]
        predicted = model.predict(perturbation=label, indices=controls[:half]).X
        members = label.split("+")
        additive = control[:half] + sum(mean[name] - centre for name in members)
        for name, cells in (
            ("model", predicted),
            ("additive", additive),
            ("no_change", control[:half]),
            ("floor", second),
        ):
            rows[name].append(mmd(cells, first, base_bandwidth=base))
    # A U-statistic scatters around zero under equality: the size of that scatter is the floor.
    return {f"mmd_{name}": float(np.mean(np.abs(values))) for name, values in rows.items()} | {
        f"mmd_{name}_mean": float(np.mean(values)) for name, values in rows.items()
    }


def run(task: dict) -> dict:
    torch.set_num_threads(1)
    start = time.perf_counter()
    train, doubles, truth = simulate(task)
    model = fit(train, task)
    return (
        task
        | score_graph(model, train, truth)
        | score_doubles(model, train, doubles)
        | {"seconds": round(time.perf_counter() - start, 1)}
    )


def tasks(seeds: range, genes: list[int], factors: list[int], mechanisms: list[str]) -> list[dict]:
    return [
        {"seed": seed, "n_factors": d, "mechanism": mechanism, "n_genes": n}
        for n, seed, d, mechanism in itertools.product(genes, seeds, factors, mechanisms)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), help="first and one past the last seed")
    parser.add_argument("--genes", type=int, nargs="+", default=[200])
    parser.add_argument("--factors", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--mechanisms", nargs="+", default=["linear", "relu"])
    parser.add_argument("--collect", action="store_true", help="join the results into one file")
    args = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    done = Tasks(args.out)
    for task in [] if args.collect else tasks(range(*args.seeds), args.genes, args.factors, args.mechanisms):
        name = "{mechanism}_d{n_factors}_n{n_genes}_seed{seed}".format(**task)
        if name not in done:
            result = run(task)
            done.add(name, result)
            print(
                json.dumps(
                    {key: round(value, 4) if isinstance(value, float) else value for key, value in result.items()}
                ),
                flush=True,
            )
    if args.collect:
        store(args.out, list(done.values()))


if __name__ == "__main__":
    main()
