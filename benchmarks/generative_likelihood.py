"""Likelihood of counts that a model has not seen, in cells that it was not trained on.

The counts of all cells are divided into halves, molecule by molecule (`scpi.de.thin_counts`). Models are trained on one half
of the counts of four fifths of the cells. Of the other cells, latent units are found from that half, and the log-likelihood
of the other half is scored, per count, given the total of the first: fair for encoders and for optimised latent units alike.
All have ten latent units and default settings, and read the 2,000 genes with the most counts. An interrupted run
resumes. The table has the gain over SCVI, as a fraction of its likelihood::

    SCPI_TEST_DATA=... python benchmarks/generative_likelihood.py --out benchmarks/results/generative_likelihood
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scvi
import torch
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats
from sklearn.decomposition import PCA

import scpi

DATASETS = ("paul15", "kang_harmony", "pbmc3k_labelled", "papalexi2021_eccite_299genes")
NETWORKS = {
    "NBVAE": (scpi.model.NBVAE, {}),
    "NBVAE, op3": (scpi.model.NBVAE, {"preset": "op3"}),
    "DGD": (scpi.model.DGD, {}),
    "SCVI": (scvi.model.SCVI, {}),
    "SCVI, nb": (scvi.model.SCVI, {"gene_likelihood": "nb"}),
    "LinearSCVI": (scvi.model.LinearSCVI, {}),
}
SIMPLE = ("PCA + Poisson", "gene means, nb")


def network(name: str, train: ad.AnnData, test: ad.AnnData, seed: int):
    """Distribution of the other half, for latent units at their posterior means."""
    cls, options = NETWORKS[name]
    scvi.settings.seed = seed
    cls.setup_anndata(train)
    model = cls(train, **{"n_latent": 10} | options)
    model.train(enable_progress_bar=False, accelerator="cpu")
    generator = model if hasattr(model, "generate") else scpi.model.from_scvi(model)
    data = generator._validated(test.copy())
    z, _ = generator._posterior(data, np.arange(test.n_obs))
    (_, rates), *_ = generator._decoded_blocks(data, z, generator._covariates_of(data), test.n_obs)
    mean = rates.fractions * torch.as_tensor(np.asarray(test.X.sum(1)))
    none = torch.full_like(mean, -50.0) if rates.dropout_logit is None else rates.dropout_logit
    return scvi.distributions.ZeroInflatedNegativeBinomial(mu=mean, theta=rates.theta, zi_logits=none)


def simple(name: str, train: ad.AnnData, test: ad.AnnData):
    """Poisson counts of ten principal components, or negative binomial counts of the mean of each gene."""
    total, level = np.asarray(test.X.sum(1), np.float64), np.asarray(train.X.sum(0) / train.X.sum(), np.float64).ravel()
    if name == "gene means, nb":
        theta = 1 / np.clip(scpi.de.estimate_overdispersion(train.X, groups=np.zeros(train.n_obs, int)), 1e-4, 1e4)
        return scvi.distributions.NegativeBinomial(mu=torch.tensor(total * level), theta=torch.tensor(theta))
    logs = [np.log1p(np.asarray(part.X / part.X.sum(1)) * 1e4) for part in (train, test)]
    pca = PCA(10, random_state=0).fit(logs[0])
    found = np.expm1(np.maximum(pca.inverse_transform(pca.transform(logs[1])), 0)) + 100 * level
    return torch.distributions.Poisson(torch.tensor(total * found / found.sum(1, keepdims=True)))


def run(seed: int, dataset: str, name: str) -> dict:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{dataset}.h5ad")
    adata = ad.AnnData(adata.X.astype(np.float32), var=adata.var[[]])
    adata = adata[:, np.sort(np.argsort(-np.asarray(adata.X.sum(0)).ravel(), kind="stable")[:2000])].copy()
    scpi.de.thin_counts(adata, overdispersion=0.0, rng=seed)
    adata.X = adata.layers["thinned_train"]
    order = np.random.default_rng(seed).permutation(np.flatnonzero(np.asarray(adata.X.sum(1)).ravel() > 0))
    train, test = (adata[np.sort(part)].copy() for part in np.split(order, [int(0.8 * len(order))]))
    start = time.perf_counter()
    found = simple(name, train, test) if name in SIMPLE else network(name, train, test, seed)
    other = torch.as_tensor(test.layers["thinned_test"].todense()).double()
    row = {"dataset": dataset, "model": name, "seed": seed, "seconds": round(time.perf_counter() - start, 1)}
    return row | {"likelihood": float(found.log_prob(other).sum() / other.sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 5))
    parser.add_argument("--models", nargs="+", default=[*NETWORKS, *SIMPLE], choices=[*NETWORKS, *SIMPLE])
    args = parser.parse_args()
    one_quiet_thread()
    tasks = Tasks(args.out)
    for task in itertools.product(range(*args.seeds), DATASETS, args.models):
        name = ", ".join(map(str, task))
        if name not in tasks:
            tasks.add(name, run(*task))
    found = summary(pd.DataFrame(list(tasks.values())))
    store(args.out, {"rows": found.to_dict("records")})
    print(found.round(5).to_string())


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean likelihood, and the gain over SCVI with the interval of a paired t-test over seeds."""
    wide = rows.pivot_table("likelihood", ["dataset", "seed"], "model")
    gains = wide.sub(wide["SCVI"], axis=0).div(wide["SCVI"].abs(), axis=0)
    found = []
    for name, dataset in itertools.product(["SCVI", *(n for n in [*NETWORKS, *SIMPLE] if n != "SCVI")], DATASETS):
        gain = gains.loc[dataset, name].dropna() if dataset in gains.index and name in gains else []
        if len(gain) == 0:
            continue
        row = {"model": name, "dataset": dataset, "seeds": len(gain), "likelihood": wide.loc[dataset, name].mean()}
        low, high = stats.t.interval(0.95, len(gain) - 1, gain.mean(), gain.sem()) if name != "SCVI" else (None, None)
        found.append(row | {"gain": gain.mean(), "low": low, "high": high})
    return pd.DataFrame(found).astype({"low": object, "high": object})


if __name__ == "__main__":
    main()
