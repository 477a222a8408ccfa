"""The response of a context without treated training cells: baselines, networks and the ceiling.

Blood cells with interferon beta (kang_harmony with its 2,000 most variable genes and predicted cell types, kang_muscat
with its 1,267 genes), and slices of glioblastoma with panobinostat (gbm, 300 genes). All treated cells of one cell
type, or of one patient, are held out in turn; its controls are used for training, except for a random half relative to
which the measured change is computed, drawn again for every seed. Expression is log-normalised to a sum of 10,000. The
variable genes are those of all cells, including the held-out ones, as in the published figures with which these are
compared; this is the same for all models.

MultiTaskAE, SCGEN, SCVIDR and SCButterfly have the presets of scpi, the first for logarithms, and for counts that are
drawn; SCPREGAN has the published one, its only preset, with 2,000 steps instead of 20,000. Every model, context and
seed has a file of its own; an interrupted run resumes where it stopped, and can be divided into parts::

    SCPI_TEST_DATA=... python benchmarks/predict_contexts.py --out benchmarks/results/predict_contexts --part 0/2
    SCPI_TEST_DATA=... python benchmarks/predict_contexts.py --out benchmarks/results/predict_contexts --collect

Intervals are over contexts, from the means of the seeds. The mean rank is computed in every context over the honest
metrics (`_prediction.HONEST`): among the networks, and among all models. "Both" has the cell types of the two data sets
of blood cells, which come from the same experiment, as ten contexts.
"""

from __future__ import annotations

import pandas as pd
from _prediction import (
    CEILINGS,
    baselines,
    context_tasks,
    evaluated,
    in_order,
    kept,
    network,
    parser,
    read,
    run,
    summary_of,
)
from _results import store

from scpi.benchmark import splits

DATASETS = ("kang_muscat", "kang_harmony", "gbm")
BASELINES = baselines(
    "NoChange",
    "TrainMean",
    "MeanDelta",
    "NearestDelta",
    "WeightedDelta",
    "RidgeDelta",
    "LogRatioDelta",
    "PCAShift",
)
NETWORKS = {
    "MultiTaskAE": network("MultiTaskAE"),
    "MultiTaskAE, counts": network("MultiTaskAE", layer="counts", likelihood="nb"),
    "SCGEN": network("SCGEN"),
    "SCVIDR": network("SCVIDR"),
    "SCButterfly": network("SCButterfly", validation_size=0.2),
    "SCPREGAN": network("SCPREGAN", n_steps=2000),
}
MODELS = BASELINES | NETWORKS
NAMES = [*BASELINES, *CEILINGS, *NETWORKS]


def collect(out) -> None:
    tables = {name: in_order(table, NAMES) for name, table in kept(out).groupby("data")}
    result = {name: summary_of(table, networks=list(NETWORKS)) for name, table in tables.items()}
    kang = [table for name, table in tables.items() if name.startswith("kang")]
    both = in_order(pd.concat(kang, ignore_index=True), NAMES)
    result["both"] = summary_of(both, networks=list(NETWORKS), pair_by=("data", "split"))
    store(out, result)
    for name, of in result.items():
        print(name, of["rank"], of["rank_of_networks"], sep="\n")
        shown = pd.DataFrame(of["summary"]).query(
            "metric in ('pearson', 'error_ratio', 'energy_distance', 'de_pr_auc')"
        )
        print(shown.pivot(index="model", columns="metric", values="mean").loc[list(of["models"])].to_string())


def main() -> None:
    args = parser(__doc__, models=list(MODELS), datasets=DATASETS).parse_args()
    if args.collect:
        collect(args.out)
        return

    def work(name: str, model: str, seed: int, context: str) -> None:
        screen = read(name)
        # Different halves of the controls for every seed
        split = splits.leave_context_out(screen.adata, context_key=screen.context_key, contexts=context, rng=seed)[0]
        evaluated(screen, {model: MODELS[model]}, split, seed=seed, out=args.out / name, context_key=screen.context_key)

    run(context_tasks(args), work, part=args.part)


if __name__ == "__main__":
    main()
