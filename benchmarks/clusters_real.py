"""Clusters of real cells against their labels: three networks beside k-means on principal components and Leiden.

Every seed draws nine tenths of the cells. The number of clusters is that of the labels, or found. Leiden is scanpy's, with its defaults. Settings were chosen on
simulated cells, kang_harmony, and the two mixtures of three cell lines::

    python benchmarks/clusters_real.py --data FOLDER --out benchmarks/results/clusters_real
"""

import argparse
import warnings
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
import torch
from _results import Tasks, store
from scipy import sparse, stats
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

import scpi
from scpi.model.base import InputTransform
from scpi.model.clustering._components import principal_components
from scpi.model.clustering._valleys import valley_labels

SETS = {
    "pbmc3k": ("pbmc3k_labelled", ["cell_type"]),
    "five cell lines": ("mixology_sc_celseq2_5cl", ["cell_line_demuxlet"]),
    "kang": ("kang_muscat", ["cell_type", "condition"]),
    "paul15": ("paul15", ["cell_type"]),
}
NETWORKS = ("sczidesk", "contrastive_sc", "scdeepcluster")
SIMPLE = ("k-means on PCs", "Leiden", "PCs, number found")
METHODS = [*product(SIMPLE, (None,)), *product(NETWORKS[:1], ("found", "known")), *product(NETWORKS[1:], ("found", "known"))]  # fmt: skip
N_GENES, N_LATENT, N_SEEDS = 2000, 16, 5


def read(path: Path, columns: list[str], seed: int) -> ad.AnnData:
    adata = ad.read_h5ad(path)
    if "demuxlet_cls" in adata.obs:
        adata = adata[adata.obs["demuxlet_cls"] == "SNG"]
    drawn = np.random.default_rng(seed).permutation(adata.n_obs)[: int(0.9 * adata.n_obs)]
    adata = ad.AnnData(sparse.csr_matrix(adata.X[drawn], dtype=np.float32), obs=adata.obs.iloc[drawn][columns].astype(str), var=adata.var[[]])  # fmt: skip
    sc.pp.filter_genes(adata, min_cells=3)
    logs = adata.copy()
    sc.pp.normalize_total(logs)
    sc.pp.log1p(logs)
    sc.pp.highly_variable_genes(logs, n_top_genes=min(N_GENES, adata.n_vars))
    adata.obsm["X_pca"] = sc.pp.pca(logs.X[:, logs.var["highly_variable"].to_numpy()])
    return adata[:, logs.var["highly_variable"].to_numpy()].copy()


def components(adata: ad.AnnData) -> np.ndarray:
    counts = torch.from_numpy(adata.X.toarray())
    transform = InputTransform(adata.n_vars, "pearson")
    transform.fit(lambda: iter([(counts, None)]))
    x = transform(counts)
    return ((x - x.mean(0)) @ principal_components(x, N_LATENT)[0]).numpy()


def clusters(adata: ad.AnnData, method: str, number: str | None, n_labels: int, seed: int) -> np.ndarray:
    if method == "k-means on PCs":
        return KMeans(n_labels, n_init=20, random_state=seed).fit(components(adata)).labels_
    if method == "PCs, number found":
        return valley_labels(components(adata), seed=seed)
    if method == "Leiden":
        sc.pp.neighbors(adata, random_state=seed)
        sc.tl.leiden(adata, flavor="igraph", n_iterations=2, directed=False, random_state=seed)
        return adata.obs["leiden"].to_numpy()
    options = {"n_clusters": n_labels if number == "known" else None, "train_kwargs": {"accelerator": "cpu"}}
    scpi.tl.cluster(adata, method, rng=seed, **options)
    return adata.obs["cluster"].to_numpy()


def measure(path: Path, columns: list[str], method: str, number: str | None, seed: int) -> dict:
    adata = read(path, columns, seed)
    labels = adata.obs[columns[0]]
    found = clusters(adata, method, number, labels.nunique(), seed)
    result = {"n": len(np.unique(found)), "labels": labels.nunique(), "ari": adjusted_rand_score(labels, found)}
    if len(columns) > 1:
        result["ari of both"] = adjusted_rand_score(adata.obs.agg(" ".join, axis=1), found)
    return result


def interval(values: list[float]) -> list[float | None]:
    """Mean, and half of its 95 % interval where there are several values."""
    error = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else None
    return [float(np.mean(values)), None if error is None else float(error)]


def collect(tasks: Tasks) -> list[dict]:
    rows: dict = {}
    for name, result in tasks.items():
        rows.setdefault(name.rsplit("/", 1)[0], []).append(result)
    order = [f"{cells}/{method}/{number}" for cells, (method, number) in product(SETS, METHODS)]
    return [dict(zip(("cells", "method", "number"), name.split("/"), strict=True)) | {"n_seeds": len(of), "labels": of[0]["labels"]} | {key: interval([one[key] for one in of]) for key in of[0] if key != "labels"} for name in order if (of := rows.get(name))]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    scpi.settings.verbosity = "warning"
    torch.set_num_threads(1)
    tasks = Tasks(args.out)
    for (method, number), seed, (cells, (file, columns)) in product(METHODS, range(N_SEEDS), SETS.items()):
        if (name := f"{cells}/{method}/{number}/{seed}") not in tasks:
            tasks.add(name, measure(args.data / f"{file}.h5ad", columns, method, number, seed))
    store(args.out, collect(tasks))


if __name__ == "__main__":
    main()
