"""Cells per second of training: scpi and the published formulation, side by side, with the same objective.

5,000 genes, 1,424 sets of 30 genes, 105 targets, as in the application to Norman et al. (2019); the data are random
sparse counts on a log scale. Both sides minimise the "sena" objective on parts of 32 cells of one condition. scpi is
timed through ``SENAVAE.train``, loading included; the published step is timed on tensors that are already in memory::

    python benchmarks/training_speed.py --out benchmarks/results/training_speed.json
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch
from _published import PublishedNetwork
from _results import store
from scipy import sparse

import scpi

N_GENES, N_SETS, SET_SIZE, N_TARGETS = 5_000, 1_424, 30, 105


def random_screen(
    n_cells: int, *, n_genes: int = N_GENES, n_targets: int = N_TARGETS, density: float = 0.1, seed: int = 0
) -> ad.AnnData:
    """Random log-normalised cells, a tenth of them controls."""
    rng = np.random.default_rng(seed)
    per_cell = int(n_genes * density)
    indices = np.empty((n_cells, per_cell), dtype=np.int32)
    for start in range(0, n_cells, 5_000):
        block = indices[start : start + 5_000]
        block[:] = np.sort(
            rng.random((len(block), n_genes), dtype=np.float32).argpartition(per_cell, axis=1)[:, :per_cell], axis=1
        )
    values = np.log1p(rng.poisson(2.0, size=indices.size) + 1).astype(np.float32)
    x = sparse.csr_matrix(
        (values, indices.reshape(-1), np.arange(0, indices.size + 1, per_cell)), shape=(n_cells, n_genes)
    )
    labels = np.array(["control", *[f"T{i:03d}" for i in range(n_targets)]], dtype=object)
    p = np.array([0.1, *[0.9 / n_targets] * n_targets])
    obs = pd.DataFrame(
        {"perturbation": pd.Categorical(rng.choice(labels, n_cells, p=p))}, index=[f"c{i}" for i in range(n_cells)]
    )
    adata = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))
    members = np.concatenate([rng.choice(n_genes, SET_SIZE, replace=False) for _ in range(N_SETS)])
    sets = np.repeat(np.arange(N_SETS), SET_SIZE)
    adata.varm["gene_sets"] = sparse.csr_matrix((np.ones(len(sets), bool), (members, sets)), shape=(n_genes, N_SETS))
    return adata


def time_published(adata: ad.AnnData, *, n_steps: int, batch: int = 32) -> float:
    """Cells per second of the published step."""
    torch.manual_seed(0)
    network = PublishedNetwork(torch.from_numpy(adata.varm["gene_sets"].toarray()), N_TARGETS, N_TARGETS)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    x, y = (torch.from_numpy(adata.X[i * batch : (i + 1) * batch].toarray()).double() for i in range(2))
    c = torch.zeros(batch, N_TARGETS, dtype=torch.float64)
    c[:, 0] = 1
    start = 0.0
    for step in range(n_steps + 1):
        if step == 1:  # the first step allocates
            start = time.perf_counter()
        optimiser.zero_grad()
        network.loss(x, y, c, alpha=1.0, beta=1.0, temperature=100.0).backward()
        optimiser.step()
    return n_steps * batch / (time.perf_counter() - start)


def time_scpi(adata: ad.AnnData, *, n_epochs: int, n_conditions: int) -> tuple[float, float]:
    """Perturbed cells per second through ``train``: without its set-up, by differencing, and with it."""
    scpi.model.SENAVAE.setup_anndata(adata)
    n_perturbed = int((adata.obs["perturbation"] != "control").sum())
    seconds = {}
    for epochs in (1, 1 + n_epochs):
        model = scpi.model.SENAVAE(adata, preset="sena")
        start = time.perf_counter()
        model.train(
            epochs,
            train_size=1.0,
            n_conditions=n_conditions,
            enable_progress_bar=False,
            accelerator="cpu",
            restore_best=False,
        )
        seconds[epochs] = time.perf_counter() - start
    whole = seconds[1 + n_epochs]
    return n_epochs * n_perturbed / (whole - seconds[1]), (1 + n_epochs) * n_perturbed / whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--conditions", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    adata = random_screen(12_000)
    rows = []
    for repeat in range(args.repeats):
        published = time_published(adata, n_steps=5)
        ours, whole = time_scpi(adata, n_epochs=3, n_conditions=args.conditions)
        row = {"published_cells_per_s": published, "scpi_cells_per_s": ours, "scpi_with_setup_cells_per_s": whole}
        rows.append(row | {"ratio": ours / published, "ratio_with_setup": whole / published})
        print(repeat, {key: round(value, 1) for key, value in rows[-1].items()}, flush=True)
    result = {
        "threads": args.threads,
        "n_conditions": args.conditions,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "runs": rows,
        "median_ratio": float(np.median([row["ratio"] for row in rows])),
        "median_ratio_with_setup": float(np.median([row["ratio_with_setup"] for row in rows])),
    }
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
