"""Two perturbations at once, predicted from each alone: baselines for models of combinations.

Norman et al. (2019, activation in K562 cells) and Wessels et al. (2023, knock-down in THP-1 cells): mean profiles of
conditions over 2,000 genes, not cells, so these are regressions on changes relative to the control, not networks.
Doubles are held out by folds: at random ("doubles"), so that the partners of a double occur in training doubles with
others; or by genes ("genes"), so that at least one member of each double occurs in no training double. Single effects
are always known. Genes that are perturbed in any condition are excluded from the scores. It takes a few minutes; seeds
are different folds::

    SCPI_TEST_DATA=... python benchmarks/predict_combinations.py --out benchmarks/results/predict_combinations.json

- no change; mean double: the mean change of the training doubles, whatever the pair.
- additive: a + b. Scaled: c (a + b), one number c. Shifted: a + b and the mean residual of the training doubles.
- linear: one effect per perturbation, least squares over singles and training doubles (:class:`scpi.model.Linear`).
- overlap: least squares over genes and training doubles on a + b, the change that both share, the larger of both, and
  the product.
- pairwise: the residual of the additive prediction by kernel ridge over pairs of single effects: the product of the cosines of
  the members, over both orders. Overlap + pairwise: the same on the residual of the former.
- half of the cells (Wessels): one half of the cells of a double as the prediction of the other. The same control is
  subtracted from both halves.

The penalty is the one that predicts best when training doubles are held out in the same way once more. Intervals are
over doubles, from means over seeds and folds; doubles that share a gene are not independent, so that the intervals are
too narrow.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
from _prediction import records
from _results import store

from scpi import metrics
from scpi.benchmark import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

FILES = {
    "norman2019": "norman2019_pseudobulk_lfc_104s_130d",
    "wessels2023": "wessels2023_carpool_pseudobulk_28s_158d",
}
N_FOLDS = 5
PENALTIES = 10.0 ** np.arange(-3, 4)
N_SHAPES = 4
CEILING = "half of the cells"


class Combinations(NamedTuple):
    """Changes of singles and doubles relative to the control, conditions x genes."""

    singles: NDArray[np.float64]
    doubles: NDArray[np.float64]
    members: NDArray[np.int64]
    """Rows of ``singles`` of both members of each double, doubles x 2."""
    names: list[str]
    is_scored: NDArray[np.bool_]
    """Genes that are not perturbed in any condition."""
    halves: tuple[NDArray[np.float64], NDArray[np.float64]] | None

    def subset(self, chosen: NDArray[np.int64]) -> Combinations:
        return self._replace(
            doubles=self.doubles[chosen], members=self.members[chosen], names=[self.names[i] for i in chosen]
        )

    @property
    def pair(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.singles[self.members[:, 0]], self.singles[self.members[:, 1]]


def read(name: str) -> Combinations:
    adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{FILES[name]}.h5ad")
    obs, x = adata.obs, np.asarray(adata.layers.get("delta", adata.X), dtype=np.float64)
    n = obs["n_genes"].to_numpy()
    row = {gene: place for place, gene in enumerate(obs.loc[n == 1, "gene_a"])}
    both = (n == 2) & obs["gene_a"].isin(row).to_numpy() & obs["gene_b"].isin(row).to_numpy()
    halves = None
    if "half1" in adata.layers:
        control = np.asarray(adata.X[n == 0], dtype=np.float64)
        halves = tuple(np.asarray(adata.layers[half][both], dtype=np.float64) - control for half in ("half1", "half2"))
    perturbed = {*obs["gene_a"], *obs["gene_b"]}
    return Combinations(
        x[n == 1],
        x[both],
        np.array([[row[gene] for gene in pair] for pair in obs.loc[both, ["gene_a", "gene_b"]].to_numpy()]),
        obs.loc[both, "perturbation"].astype(str).tolist(),
        ~adata.var_names.isin(perturbed),
        halves,
    )


def folds_of(data: Combinations, kind: str, rng: np.random.Generator) -> Iterator[tuple[NDArray, NDArray]]:
    """Doubles for training and for prediction."""
    if kind == "doubles":
        for test in np.array_split(rng.permutation(len(data.members)), N_FOLDS):
            yield np.setdiff1d(np.arange(len(data.members)), test), np.sort(test)
        return
    genes = np.unique(data.members)
    for left_out in np.array_split(rng.permutation(genes), min(N_FOLDS, len(genes))):
        concerned = np.isin(data.members, left_out).any(1)
        if concerned.any() and not concerned.all():
            yield np.flatnonzero(~concerned), np.flatnonzero(concerned)


# Each takes training doubles and those to predict, and returns changes, doubles x genes


def no_change(_: Combinations, test: Combinations, __: str) -> NDArray[np.float64]:
    return np.zeros_like(test.doubles)


def mean_double(train: Combinations, test: Combinations, _: str) -> NDArray[np.float64]:
    return np.tile(train.doubles.mean(0), (len(test.members), 1))


def additive(_: Combinations, test: Combinations, __: str = "") -> NDArray[np.float64]:
    first, second = test.pair
    return first + second


def scaled(train: Combinations, test: Combinations, _: str) -> NDArray[np.float64]:
    total = additive(train, train)
    return (total * train.doubles).sum() / (total**2).sum() * additive(train, test)


def shifted(train: Combinations, test: Combinations, _: str) -> NDArray[np.float64]:
    return additive(train, test) + (train.doubles - additive(train, train)).mean(0)


def linear(train: Combinations, test: Combinations, _: str) -> NDArray[np.float64]:
    n = len(train.singles)

    def design(members: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = np.zeros((len(members), n))
        np.put_along_axis(rows, members, 1.0, axis=1)
        return rows

    both = np.concatenate([np.eye(n), design(train.members)])
    effects = np.linalg.lstsq(both, np.concatenate([train.singles, train.doubles]), rcond=None)[0]
    return design(test.members) @ effects


def _shapes(data: Combinations) -> NDArray[np.float64]:
    """Features of the pair for each gene: doubles x genes x features, invariant to the order of the pair."""
    a, b = data.pair
    small, large = np.minimum(np.abs(a), np.abs(b)), np.where(np.abs(a) > np.abs(b), a, b)
    agree = np.sign(a) == np.sign(b)
    return np.stack([a + b, agree * np.sign(a) * small, large, agree * np.sign(a) * np.abs(a * b)], axis=2)


def overlap(train: Combinations, test: Combinations, _: str) -> NDArray[np.float64]:
    x = _shapes(train).reshape(-1, N_SHAPES)
    residual = (train.doubles - additive(train, train)).ravel()
    # Four weights for hundreds of thousands of values need no penalty
    weights = np.linalg.lstsq(x, residual, rcond=None)[0]
    return additive(train, test) + _shapes(test) @ weights


def _kernel(one: Combinations, other: Combinations) -> NDArray[np.float64]:
    """Similarity of pairs, doubles x doubles: the product of the similarities of the members, over both orders."""
    unit = one.singles / np.linalg.norm(one.singles, axis=1, keepdims=True)
    cosine = unit @ unit.T
    (a, b), (c, d) = one.members.T, other.members.T
    straight = cosine[np.ix_(a, c)] * cosine[np.ix_(b, d)]
    crossed = cosine[np.ix_(a, d)] * cosine[np.ix_(b, c)]
    return (straight + crossed) / 2


def _on_residual(start: Callable[..., NDArray[np.float64]]) -> Callable[..., NDArray[np.float64]]:
    def fit(train: Combinations, test: Combinations, kind: str) -> Iterator[NDArray[np.float64]]:
        """Predictions with each of the penalties."""
        residual = train.doubles - start(train, train, kind)
        mean, begun = residual.mean(0), start(train, test, kind)
        within, across = _kernel(train, train), _kernel(test, train)
        for penalty in PENALTIES:
            weights = across @ np.linalg.inv(within + penalty * np.eye(len(within)))
            yield begun + mean + weights @ (residual - mean)

    def predict(train: Combinations, test: Combinations, kind: str) -> NDArray[np.float64]:
        # The penalty with the smallest squared error when training doubles are held out in the same way
        errors = np.zeros(len(PENALTIES))
        for learn, asked in folds_of(train, kind, np.random.default_rng(0)):
            real = train.doubles[asked]
            found = fit(train.subset(learn), train.subset(asked), kind)
            errors += [np.square(predicted - real).sum() for predicted in found]
        return list(fit(train, test, kind))[errors.argmin()]

    return predict


METHODS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "no change": no_change,
    "mean double": mean_double,
    "additive": additive,
    "scaled": scaled,
    "shifted": shifted,
    "linear": linear,
    "overlap": overlap,
    "pairwise": _on_residual(additive),
    "overlap + pairwise": _on_residual(overlap),
}


def score(real: NDArray[np.float64], predicted: NDArray[np.float64], mean: NDArray[np.float64]) -> dict[str, object]:
    """Scores of each double: change relative to the control, and to the mean of the training doubles."""
    return {
        "pearson": metrics.pearson_delta(real, predicted),
        "pearson_perturbed": metrics.pearson_delta(real - mean, predicted - mean),
        "error_ratio": np.linalg.norm(predicted - real, axis=1) / np.linalg.norm(real, axis=1),
    }


def rows_of(name: str, kind: str, seed: int) -> pd.DataFrame:
    data, tables = read(name), []
    genes = data.is_scored
    for number, (learn, asked) in enumerate(folds_of(data, kind, np.random.default_rng(seed))):
        train, test = data.subset(learn), data.subset(asked)
        mean = train.doubles.mean(0)[genes]
        for method, predict in METHODS.items():
            predicted = predict(train, test, kind)[:, genes]
            found = score(test.doubles[:, genes], predicted, mean)
            tables.append(pd.DataFrame({"model": method, "perturbation": test.names, "fold": number} | found))
        if data.halves is not None:
            first, second = (half[asked][:, genes] for half in data.halves)
            found = score(first, second, mean)
            tables.append(pd.DataFrame({"model": CEILING, "perturbation": test.names, "fold": number} | found))
    return pd.concat(tables, ignore_index=True).assign(seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    result = []
    for name in FILES:
        for kind in ("doubles", "genes"):
            table = pd.concat([rows_of(name, kind, seed) for seed in args.seeds], ignore_index=True)
            has_ceiling = CEILING in set(table["model"])
            summary = summarise(
                table,
                baseline="additive",
                ceiling=CEILING if has_ceiling else None,
                metrics=["pearson", "pearson_perturbed", "error_ratio"],
                average_over=["seed", "fold"],
            )
            n = int(table["perturbation"].nunique())
            result.append({"data": name, "left_out": kind, "doubles": n, "summary": records(summary)})
            print(name, kind, n, flush=True)
            print(
                summary.pivot(index="model", columns="metric", values="mean").loc[list(dict.fromkeys(table["model"]))]
            )
    store(args.out, result)


if __name__ == "__main__":
    main()
