"""Can predicted cells be analysed? Differential expression, zeros and spread of predicted cells beside measured ones.

Blood cells with interferon beta (kang_harmony with its 2,000 most variable genes, kang_muscat with 1,267), slices of
glioblastoma with panobinostat (gbm, 300 genes), and planted species, whose genes have levels and responses of their own
(`_prediction.planted_species`). Each cell type, patient or species is left out in turn as in `grids/contexts.yaml`. Predicted cells are what `predict` gives by default, and the test is
Wilcoxon's against controls that neither the prediction nor the model saw, at a false discovery rate of 5 %. A replicate
is one half of the measured cells for the other. Every model, context and seed has a file of its own, and a run goes on
where it stopped::

    SCPI_TEST_DATA=... python benchmarks/predicted_cells.py --out benchmarks/results/predicted_cells --part 0/2
    SCPI_TEST_DATA=... python benchmarks/predicted_cells.py --out benchmarks/results/predicted_cells --collect

"both" and the paired differences are of blood cells. Intervals are over contexts, from the means of the seeds.
"""

from __future__ import annotations

import itertools
import json

import anndata as ad
import numpy as np
import pandas as pd
from _prediction import CEILING, baselines, context_tasks, in_order, kept, network, parser, read, run, tidy
from _results import store
from scipy import stats

import scpi
from scpi.benchmark import evaluate, splits

DATASETS = ("kang_muscat", "kang_harmony", "gbm", "species")
# Two data sets of one experiment
BLOOD = DATASETS[:2]
MODELS = baselines(
    "NoChange", "TrainMean", "MeanDelta", "NearestDelta", "WeightedDelta", "RidgeDelta", "LogRatioDelta", "PCAShift"
) | {
    "MultiTaskAE": network("MultiTaskAE"),
    "MultiTaskAE, counts": network("MultiTaskAE", layer="counts", likelihood="nb"),
    "SCGEN": network("SCGEN"),
    "SCVIDR": network("SCVIDR"),
}
METRICS = (
    *("pearson", "error_ratio", "r2_weighted", "energy_distance", "de_lfc_error"),
    *("de_jaccard", "de_pr_auc", "variance_error", "correlation_error"),
)
OWN = ("genes", "genes_measured", "zeros", "negative")
COMPARED = ("MultiTaskAE", "MultiTaskAE, counts")


def significant(cells, reference) -> int:
    """Number of genes that a rank test finds."""
    both = np.concatenate([reference, cells])
    found = scpi.de.wilcoxon(both, np.repeat([0, 1], [len(reference), len(cells)]), reference=0)
    return int((scpi.de.false_discovery_control(found.pval[1]) < 0.05).sum())


def described(predicted, measured, reference) -> dict[str, float]:
    """Numbers of significant genes, zeros beyond those of the measured cells, and negative values."""
    predicted, measured, reference = (np.asarray(x.toarray(), np.float32) for x in (predicted, measured, reference))
    return {
        "genes": significant(predicted, reference),
        "genes_measured": significant(measured, reference),
        "zeros": float((predicted == 0).mean() - (measured == 0).mean()),
        "negative": float((predicted < 0).mean()),
    }


def scores(name: str, model: str, seed: int, context: str, folder) -> pd.DataFrame:
    screen = read(name)
    adata, key = screen.adata, screen.context_key
    split = splits.leave_context_out(adata, context_key=key, contexts=context, rng=seed)[0]
    found = evaluate(
        adata,
        {model: MODELS[model]},
        [split],
        context_key=key,
        seeds=[seed],
        metrics=METRICS,
        ceiling=model == "NoChange",
        out=folder,
        keep_predictions=True,
        progress=False,
    )
    (cells,) = folder.glob("*.h5ad")
    own = described(ad.read_h5ad(cells).X, adata.X[split.test], adata.X[split.reference])
    return found.assign(**{key: np.where(found["model"] == model, value, np.nan) for key, value in own.items()})


def differences(means: pd.DataFrame) -> list[dict]:
    """What a model has more than a baseline in the same context, with a 95 % interval over contexts (Student's t)."""
    found = []
    for metric, model, baseline in itertools.product(METRICS, COMPARED, ("RidgeDelta", "WeightedDelta")):
        wide = means[metric].unstack("model")
        if model not in wide:
            continue
        more = (wide[model] - wide[baseline]).dropna()
        low, high = stats.t.interval(0.95, len(more) - 1, more.mean(), stats.sem(more))
        row = {"metric": metric, "model": model, "baseline": baseline, "n_contexts": len(more)}
        found.append(row | {"difference": tidy(more.mean()), "low": tidy(low), "high": tidy(high)})
    return found


def collect(out) -> None:
    table = in_order(kept(out), [*MODELS, CEILING])
    result: dict = {"scores": {}}
    for name, rows in [*table.groupby("data", sort=False), ("both", table[table["data"].isin(BLOOD)])]:
        means = rows.groupby(["data", "split", "model"], sort=False)[[*METRICS, *OWN]].mean()
        shown = means.groupby("model", sort=False).agg(["mean", "sem"])
        result["scores"][name] = {
            model: {column: [None if np.isnan(v) else round(float(v), 4) for v in row[column]] for column in means}
            for model, row in shown.iterrows()
        }
        print(name, shown.xs("mean", axis=1, level=1).round(3).to_string(), sep="\n")
        result["paired"] = differences(means)
    print(pd.DataFrame(result["paired"]).to_string())
    store(out, result)


def main() -> None:
    args = parser(__doc__, models=list(MODELS), datasets=DATASETS).parse_args()
    if args.collect:
        collect(args.out)
        return

    def work(name: str, model: str, seed: int, context: str) -> None:
        path = args.out / name / f"{model}_{context}_{seed}.json".replace(" ", "-")
        if path.exists():
            return
        table = scores(name, model, seed, context, args.out / "cells" / name / path.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"scores": json.loads(table.to_json(orient="records"))}) + "\n")

    run(context_tasks(args), work, part=args.part)


if __name__ == "__main__":
    main()
