"""Likelihood of counts that a model has not seen, in cells that it was not trained on.

The counts of all cells are divided into two halves, molecule by molecule (`scpi.de.thin_counts`). Models are trained on one
half of the counts of four fifths of the cells. Of the other cells, the latent units are found from that half, and the
log-likelihood of the other half is scored, per count, given the total of the first. No model sees what is scored, whether
it has an encoder or finds latent units by optimisation. All have ten latent units and their default settings; the genes
are the 2,000 with the most counts. One file per data set, seed and model; an interrupted run resumes::

    SCPI_TEST_DATA=... python benchmarks/generative_likelihood.py --out benchmarks/results/generative_likelihood
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scvi
import torch
from _quiet import one_quiet_thread
from scipy import stats
from sklearn.decomposition import PCA

import scpi

DATASETS = ("paul15", "kang_harmony", "pbmc3k_labelled", "papalexi2021_eccite_299genes")
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
NETWORKS = {
    "NBVAE": (scpi.model.NBVAE, {}),
    "SCVI": (scvi.model.SCVI, {}),
    "SCVI, nb": (scvi.model.SCVI, {"gene_likelihood": "nb"}),
    "LinearSCVI": (scvi.model.LinearSCVI, {}),
    "NBVAE, op3": (scpi.model.NBVAE, {"preset": "op3", "n_latent": 10}),
}
SIMPLE = ("PCA + Poisson", "gene means, nb")


def network(name: str, train: ad.AnnData, test: ad.AnnData, seed: int) -> torch.distributions.Distribution:
    """Distribution of the other half, for latent units at their posterior means."""
    cls, options = NETWORKS[name]
    scvi.settings.seed = seed
    cls.setup_anndata(train)
    model = cls(train, **{"n_latent": 10} | options)
    model.train(**QUIET)
    generator = model if isinstance(model, scpi.model.NBVAE) else scpi.model.from_scvi(model)
    data = generator._validated(test.copy())
    z, _ = generator._posterior(data, np.arange(test.n_obs))
    (_, rates), *_ = generator._decoded_blocks(z, generator._covariates_of(data), test.n_obs)
    mean = rates.fractions * torch.as_tensor(np.asarray(test.X.sum(1)))
    zeros = {} if rates.dropout_logit is None else {"zi_logits": rates.dropout_logit}
    kind = scvi.distributions.ZeroInflatedNegativeBinomial if zeros else scvi.distributions.NegativeBinomial
    return kind(mu=mean, theta=rates.theta, **zeros)


def simple(name: str, train: ad.AnnData, test: ad.AnnData) -> torch.distributions.Distribution:
    """Poisson counts of ten principal components, or negative binomial counts of the mean of each gene."""
    own, total = np.asarray(train.X.todense(), np.float64), np.asarray(test.X.sum(1), np.float64)
    level = own.sum(0) / own.sum()
    if name == "gene means, nb":
        theta = 1 / np.clip(scpi.de.estimate_overdispersion(train.X, groups=np.zeros(train.n_obs, int)), 1e-4, 1e4)
        return scvi.distributions.NegativeBinomial(mu=torch.tensor(total * level), theta=torch.tensor(theta))
    logs = [np.log1p(np.asarray(part.X / part.X.sum(1)) * 1e4) for part in (train, test)]
    pca = PCA(10, random_state=0).fit(logs[0])
    found = np.expm1(np.maximum(pca.inverse_transform(pca.transform(logs[1])), 0)) + 1e-2 * 1e4 * level
    return torch.distributions.Poisson(torch.tensor(total * found / found.sum(1, keepdims=True)))


def run(dataset: str, name: str, seed: int) -> dict:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{dataset}.h5ad")
    adata = ad.AnnData(adata.X.astype(np.float32), var=adata.var[[]])
    adata = adata[:, np.sort(np.argsort(-np.asarray(adata.X.sum(0)).ravel(), kind="stable")[:2000])].copy()
    scpi.de.thin_counts(adata, overdispersion=0.0, rng=seed)
    adata.X = adata.layers["thinned_train"]
    adata = adata[np.asarray(adata.X.sum(1)).ravel() > 0].copy()
    order = np.random.default_rng(seed).permutation(adata.n_obs)
    train, test = (adata[np.sort(part)].copy() for part in np.split(order, [int(0.8 * adata.n_obs)]))
    start = time.perf_counter()
    found = simple(name, train, test) if name in SIMPLE else network(name, train, test, seed)
    other = torch.as_tensor(test.layers["thinned_test"].todense()).double()
    likelihood = float(found.log_prob(other).sum() / other.sum())
    seconds = time.perf_counter() - start
    return {"dataset": dataset, "model": name, "seed": seed, "likelihood": likelihood, "seconds": round(seconds, 1)}


def collect(folder: Path) -> pd.DataFrame:
    """Difference from SCVI as a fraction of its likelihood, with 95 % intervals of the mean over seeds."""
    table = pd.DataFrame([json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))])
    wide = table.pivot_table("likelihood", ["dataset", "seed"], "model")
    gain = (wide.sub(wide["SCVI"], axis=0)).div(wide["SCVI"].abs(), axis=0)
    shown = (
        gain.stack().rename("gain").reset_index().groupby(["dataset", "model"])["gain"].agg(["mean", "sem", "count"])
    )
    shown["half width"] = shown["sem"] * stats.t.ppf(0.975, np.maximum(shown["count"] - 1, 1))
    return shown.drop(columns="sem").join(wide.groupby("dataset").mean().stack().rename("likelihood"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--models", nargs="+", default=[*NETWORKS, *SIMPLE])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 5))
    args = parser.parse_args()
    one_quiet_thread()
    args.out.mkdir(parents=True, exist_ok=True)
    for seed, dataset, name in ((s, d, m) for s in range(*args.seeds) for d in args.datasets for m in args.models):
        path = args.out / f"{dataset}-{name.replace(' ', '_')}-{seed}.json"
        if not path.exists():
            found = run(dataset, name, seed)
            path.write_text(json.dumps(found))
            print(found, flush=True)
    print(collect(args.out).round(5).to_string())


if __name__ == "__main__":
    main()
