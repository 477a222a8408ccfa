"""Signatures of three drugs in cell lines that were left out (L1000), with the metrics of OP3.

Every line is left out in turn. A row of the table is a drug in a line, the mean of its signatures; a method that reads dose
and time predicts each signature, and its predictions are averaged. "chosen" is the method that predicts the lines of five
groups of the training lines best, by the error, when each group is left out in turn: the line that is scored has no part in
the choice. Intervals are from a bootstrap over lines, and differences are paired with half of the mean of the drug::

    SCPI_TEST_DATA=... python benchmarks/l1000_lines.py --out benchmarks/results/l1000_lines.json
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from _prediction import records
from _quiet import one_quiet_thread
from _results import store

import scpi
from scpi.benchmark import score_conditions

FILE = "l1000_3drugs_65lines_272sig.h5ad"
BASELINE = "half_perturbation_mean"
NAMES = ("zeros", "mean", "perturbation_mean", BASELINE, "shrunken_mean")
METHODS: dict[str, dict[str, Any]] = {name: {"method": name} for name in NAMES}
METHODS |= {
    f"{name}, dose and time": {"method": method, "features": True}
    for name, method in {"ridge": "ridge", "svd_ridge": "svd_ridge", "both": ["ridge", "svd_ridge"]}.items()
}
CANDIDATES = [name for name in METHODS if name not in ("zeros", "mean", "perturbation_mean")]


def micromolar(dose: str) -> float:
    amount, unit = dose.split()
    return float(amount) / (1000.0 if unit.startswith("n") else 1.0)


def read() -> tuple[ad.AnnData, ad.AnnData, pd.DataFrame]:
    """Signatures, their means by drug and line, and features of the treatments: drug, dose and time."""
    signatures = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / FILE)
    obs = signatures.obs.astype({"cell_id": str, "pert_iname": str, "pert_idose": str, "pert_itime": str})
    obs["dose"], obs["late"] = obs["pert_idose"].map(micromolar), obs["pert_itime"].str.startswith("24")
    obs["perturbation"] = obs["pert_iname"] + " " + obs["dose"].astype(str) + " " + obs["late"].astype(str)
    signatures.obs = obs
    treatments = obs.drop_duplicates("perturbation").set_index("perturbation")
    drugs = pd.get_dummies(treatments["pert_iname"]).astype(float)
    parts = [
        drugs,
        drugs.mul(treatments["late"].astype(float), axis=0).add_suffix(" late"),
        drugs.mul(np.log10(treatments["dose"]), axis=0).add_suffix(" dose"),
    ]
    values = signatures.to_df().groupby([obs["cell_id"], obs["pert_iname"]]).mean()
    pairs = values.index.to_frame(index=False).set_axis(["cell_id", "perturbation"], axis=1)
    pairs.index = pairs["cell_id"] + ", " + pairs["perturbation"]
    return signatures, ad.AnnData(values.to_numpy(), obs=pairs, var=signatures.var[[]]), pd.concat(parts, axis=1)


def predict(
    name: str, data: tuple[ad.AnnData, ad.AnnData, pd.DataFrame], train: set[str], test: set[str]
) -> ad.AnnData:
    """Predicted means of the drugs in the lines of the test set, from those of the training set."""
    signatures, pairs, features = data
    options = dict(METHODS[name])
    by_signature = bool(options.pop("features", False))
    table = signatures if by_signature else pairs
    model = scpi.model.ConditionModel(table, seed=0, **options, **({"features": features} if by_signature else {}))
    model.train(indices=table.obs["cell_id"].isin(train).to_numpy())
    wanted = table.obs[table.obs["cell_id"].isin(test)]
    predicted = model.predict(wanted)
    drug = wanted["pert_iname" if by_signature else "perturbation"].to_numpy()
    frame = pd.DataFrame(predicted.X, columns=predicted.var_names)
    means = frame.groupby(wanted["cell_id"].to_numpy() + ", " + drug).mean()
    return ad.AnnData(means.to_numpy(), obs=pd.DataFrame(index=means.index), var=pairs.var)


def scores(name: str, data: Any, train: set[str], test: set[str]) -> pd.DataFrame:
    pairs = data[1]
    return score_conditions(pairs[pairs.obs["cell_id"].isin(test)].copy(), {name: predict(name, data, train, test)})


def choose(data: Any, lines: list[str]) -> str:
    """The candidate with the least error on groups of the lines."""
    groups = [set(part) for part in np.array_split(np.random.default_rng(0).permutation(lines), 5)]
    errors = {
        name: pd.concat([scores(name, data, set(lines) - group, group) for group in groups])["rmse"].mean()
        for name in CANDIDATES
    }
    return min(errors, key=lambda name: errors[name])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over pairs, and paired differences from the baseline; lines are drawn with all of their pairs."""
    rng, rows = np.random.default_rng(0), []
    for metric in ("rmse", "mae", "pearson", "spearman", "cosine"):
        wide = table.pivot(index=["line", "condition"], columns="model", values=metric)
        sums, sizes = wide.groupby("line").sum(), wide.groupby("line").size().to_numpy()
        draws = rng.integers(len(sums), size=(4000, len(sums)))
        for model in dict.fromkeys(table["model"]):
            row = {"model": model, "metric": metric, "mean": wide[model].mean()}
            for name, values in (("mean", sums[model]), ("difference", sums[model] - sums[BASELINE])):
                drawn = values.to_numpy()[draws].sum(1) / sizes[draws].sum(1)
                row |= dict(zip((f"{name}_low", f"{name}_high"), np.quantile(drawn, [0.025, 0.975]), strict=True))
            rows.append(row | {"difference": wide[model].mean() - wide[BASELINE].mean()})
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    one_quiet_thread()
    data = read()
    for table in data[:2]:
        scpi.model.ConditionModel.setup_anndata(table, context_key="cell_id")
    lines = sorted(set(data[1].obs["cell_id"]))
    tables, chosen = [], []
    for line in lines:
        train = set(lines) - {line}
        found = {name: scores(name, data, train, {line}) for name in METHODS}
        chosen.append(choose(data, sorted(train)))
        found["chosen"] = found[chosen[-1]].assign(model="chosen")
        tables.append(pd.concat(found.values()).assign(line=line))
    table = pd.concat(tables, ignore_index=True)
    result = {
        "lines": len(lines),
        "pairs": int(table["condition"].nunique()),
        "chosen": pd.Series(chosen).value_counts().to_dict(),
        "summary": records(summarise(table)),
    }
    store(args.out, result)
    print(pd.DataFrame(result["summary"]).to_string())


if __name__ == "__main__":
    main()
