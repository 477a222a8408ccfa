"""P-values of rankings by gradients under the null: one population of cells, clustered by a network.

Counts of one population (:func:`scpi.datasets.splat` with one group, no differential expression) are thinned, a
clustering network is trained on the train part with two clusters, which do not exist, and
:func:`scpi.tl.rank_genes_gradients` ranks the genes of its clusters: order from the train part, p-values from the test
part. Naive: network, order and p-values from all counts. The results per data set are the fraction of p-values below
0.05, a Kolmogorov-Smirnov test of uniformity, and the number of genes at a false discovery rate of 5 %. One result per
task; an interrupted run resumes where it stopped::

    python benchmarks/gradient_calibration.py --out benchmarks/results/gradient_calibration
    python benchmarks/gradient_calibration.py --out benchmarks/results/gradient_calibration --collect

Genes with fewer than 50 counts in the tested part are excluded: they have few possible p-values.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from _quiet import one_quiet_thread
from _results import Tasks, store
from scipy import stats

import scpi
from scpi._ranking import read_ranking

NETWORKS = {"contrastive-sc": "ContrastiveSC", "scDeepCluster": "SCDeepCluster", "scziDesk": "SCZIDesk"}
N_CELLS, N_GENES, MIN_TOTAL = 600, 500, 50
KEY = "rank_genes_gradients"


def run(network: str, seed: int) -> dict[str, object]:
    # About three counts per gene; with one group there is no fold change
    adata = scpi.datasets.splat(N_CELLS, n_genes=N_GENES, group_prob=(1.0,), de_prob=0.0, lib_loc=7.3, rng=seed)
    scpi.de.thin_counts(adata, rng=seed)
    result: dict[str, object] = {"network": network, "seed": seed}
    model_cls = getattr(scpi.model, NETWORKS[network])
    for kind, layer in (("thinned", "thinned_train"), ("naive", None)):
        model_cls.setup_anndata(adata, layer=layer)
        model = model_cls(adata, n_clusters=2, seed=seed)
        model.train(enable_progress_bar=False, accelerator="cpu")
        scpi.tl.rank_genes_gradients(adata, model=model)
        ranking = read_ranking(adata, KEY)
        tested = adata.layers["thinned_test"] if layer else adata.X
        kept = np.asarray(tested.sum(axis=0)).ravel() >= MIN_TOTAL
        # Two groups mirror each other
        pvals, adjusted = ranking.pvals[0][kept], scpi.de.false_discovery_control(ranking.pvals[0][kept])
        depth = np.asarray(adata.X.sum(axis=1)).ravel()
        labels = adata.obs[KEY].to_numpy().astype(str)
        first = labels == ranking.groups[0]
        result[kind] = {
            "share_below_0.05": float((pvals < 0.05).mean()),
            "ks_pval": float(stats.kstest(pvals, "uniform").pvalue),
            "n_discoveries": int((adjusted < 0.05).sum()),
            "n_genes": int(kept.sum()),
            "depth_ratio": float(depth[first].mean() / depth[~first].mean()),
        }
    return result


def collect(out: Path) -> None:
    rows = list(Tasks(out).values())
    summary = []
    for network, kind in itertools.product(NETWORKS, ("thinned", "naive")):
        found = [row[kind] for row in rows if row["network"] == network]
        if not found:
            continue
        shares = np.array([row["share_below_0.05"] for row in found])
        half = stats.t.ppf(0.975, len(shares) - 1) * stats.sem(shares)
        summary.append(
            {
                "network": network,
                "pvals": kind,
                "data_sets": len(found),
                "share_below_0.05": round(float(shares.mean()), 4),
                "half_interval": round(float(half), 4),
                "ks_rejects_at_0.05": round(float(np.mean([row["ks_pval"] < 0.05 for row in found])), 3),
                "sets_with_discoveries": round(float(np.mean([row["n_discoveries"] > 0 for row in found])), 3),
            }
        )
    store(out, {"summary": summary, "tasks": rows})
    for row in summary:
        print(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(40, 60)))
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    if args.collect:
        collect(args.out)
        return
    tasks = Tasks(args.out)
    one_quiet_thread()
    for seed, network in itertools.product(args.seeds, NETWORKS):
        task = f"{network}_s{seed}"
        if task not in tasks:
            tasks.add(task, run(network, seed))
            print(task, flush=True)


if __name__ == "__main__":
    main()
