"""Open Problems' benchmark of perturbation prediction: its control methods, which must have the published scores, and the methods of scpi.

Reads de_train.h5ad and de_test.h5ad in a folder, or downloads them. Ends with an error if a control method differs from what was published::

    python benchmarks/op3.py --folder FOLDER --out op3.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import anndata as ad
from _quiet import one_quiet_thread
from _results import store

import scpi

LAYER = "clipped_sign_log10_pval"
# The control methods in the published results; the table differs by less than this between its runs
PUBLISHED = {"zeros": 0.9179, "mean_outcome": 0.8992, "mean_across_celltypes": 0.8925}
TOLERANCE = 0.0002
METHODS = {
    "SVD and ridge": {"method": "svd_ridge", "transform": "z"},
    "ridge": {"method": "ridge", "transform": "z"},
    "boosted": {"method": "boosted", "transform": "z", "n_repeats": 5},
    "ridge and boosted": {"method": ["ridge", "boosted"], "transform": "z", "n_repeats": 5},
}


def predictions(train: ad.AnnData, test: ad.AnnData) -> dict[str, ad.AnnData]:
    model_cls, found = scpi.model.ConditionModel, {}
    model_cls.setup_anndata(train, layer=LAYER, perturbation_key="sm_name", context_key="cell_type")
    for name, options in METHODS.items():
        model = model_cls(train, seed=0, **options)
        model.train()
        found[name] = model.predict(test.obs[["cell_type", "sm_name"]])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="folder with the files; they are downloaded without")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    one_quiet_thread()
    names = ("de_train.h5ad", "de_test.h5ad")
    files = [ad.read_h5ad(args.folder / name) for name in names] if args.folder else scpi.datasets.op3()[:2]
    scores = scpi.benchmark.score_op3(*files, predictions=predictions(*files))
    print(scores.round(4).to_string())
    if args.out is not None:
        store(args.out, scores.round(4).reset_index().to_dict("records"))
    error = scores.loc[list(PUBLISHED), "mean_rowwise_rmse"]
    wrong = {name: value for name, value in error.items() if abs(value - PUBLISHED[name]) > TOLERANCE}
    if wrong:
        raise SystemExit(
            f"These control methods should have {PUBLISHED}, but have {wrong}: other files, or read wrongly."
        )


if __name__ == "__main__":
    main()
