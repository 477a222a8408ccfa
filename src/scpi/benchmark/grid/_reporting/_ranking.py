"""Ranks of models, compared on the conditions that all of them have predicted, with ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scpi._model_names import find_model
from scpi._scoring._bounds import NEGATIVE, POSITIVE, UNCHANGED
from scpi._scoring._conventions import NULL_OF
from scpi._scoring._metrics import LOWER_IS_BETTER
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi._scoring._same_models import name_once
from scpi.benchmark._summarise import summarise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

CONDITION = ["split", "context", "perturbation", "dose", "group"]
"""Columns that identify the conditions of a benchmark: a clustering has groups, a prediction all others."""
REFERENCES = (CEILING, PERFECT, POSITIVE, NEGATIVE, UNCHANGED)
"""Rows of a table that are not models."""
_COLUMNS = [
    *("data", "scheme", "metric", "higher_is_better", "rank", "tied", "model", "kind", "mean", "mean_low", "mean_high"),
    *("baseline", "difference", "low", "high", "fraction_better", "standing", "scaled", "n"),
    *("n_conditions", "n_seeds", "n_common", "n_all"),
]
# Minimum fraction of the conditions: a model with fewer is listed, but would exclude too many conditions for all others
_LEAST_FRACTION = 0.5
FEWEST = 6
"""Minimum number of conditions for a difference to be significant at 5 % in a sign test, if all have the same sign."""


class Benchmark(NamedTuple):
    """Scores of one data set and one way to divide it."""

    data: str
    """Name of the data."""
    scheme: str
    """Name of the way to divide them."""
    scores: pd.DataFrame
    """Rows of models, one for all models with the same predictions, and of the references."""
    nulls: pd.DataFrame
    """Rows of matched nulls, which are compared only with their models."""


class Comparable(NamedTuple):
    """Scores in one metric on the conditions that all models have predicted."""

    scores: pd.DataFrame
    """Rows of the compared models and of the references, for the conditions and seeds that all models have."""
    models: list[str]
    """Models that are compared."""
    left_out: list[str]
    """Models that have values in too few conditions."""
    n_all: int
    """Number of pairs of condition and seed for which any model has a value."""
    n_common: int
    """Number of these pairs for which all compared models have a value."""


def benchmarks(table: pd.DataFrame) -> Iterator[Benchmark]:
    """The parts of a table that are compared: models on the same data, divided in the same way."""
    # Columns that a task lacks are the same in all rows
    table = table.assign(**dict.fromkeys([name for name in CONDITION if name not in table], ""))
    for (data, scheme), rows in table.groupby(["data", "scheme"], observed=True, sort=False):
        is_reference, is_null = rows["model"].isin(REFERENCES), rows[NULL_OF] != ""
        # References with equal scores stay separate
        once = name_once(rows[~is_reference & ~is_null])
        scores = pd.concat([once, rows[is_reference]], ignore_index=True)
        yield Benchmark(str(data), str(scheme), scores, rows[is_null])


def comparable(scores: pd.DataFrame, metric: str) -> Comparable:
    """Restrict scores to the conditions and seeds in which all models have a value.

    Models with values in less than half of them are excluded. Further models are excluded, in the order of increasing
    numbers of values, until all others share a condition.
    """
    models = scores[~scores["model"].isin(REFERENCES)]
    names = list(dict.fromkeys(models["model"]))
    wide = models.pivot(index=[*CONDITION, "seed"], columns="model", values=metric)[names].notna()
    wide = wide[wide.any(axis=1)]
    covered = wide.mean() if len(wide) else pd.Series(0.0, index=names)
    kept = [name for name in names if covered[name] >= _LEAST_FRACTION]
    while kept and not wide[kept].all(axis=1).any():
        kept.remove(min(kept, key=lambda name: covered[name]))
    common = wide.index[wide[kept].all(axis=1)] if kept else wide.index[:0]
    own = scores[scores["model"].isin([*kept, *REFERENCES])]
    own = own[pd.MultiIndex.from_frame(own[[*CONDITION, "seed"]]).isin(common)]
    left_out = [name for name in names if name not in kept]
    return Comparable(own[["model", *CONDITION, "seed", metric]], kept, left_out, len(wide), len(common))


def rank(
    benchmark: Benchmark, metrics: Sequence[str], baselines: Collection[str], *, n_bootstrap: int, rng: int
) -> pd.DataFrame:
    """Means of all models in each metric, their ranks, and paired differences from the best baseline.

    Seeds are averaged first, so pairs are conditions. Models share a rank if the 95 % interval of the paired difference
    from the first model with that rank contains 0, or if there are fewer than two conditions.
    """
    rows = [
        row for metric in metrics for row in _of_metric(benchmark, metric, baselines, n_bootstrap=n_bootstrap, rng=rng)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_metric(
    benchmark: Benchmark, metric: str, baselines: Collection[str], *, n_bootstrap: int, rng: int
) -> Iterator[dict[str, Any]]:
    """Rows of the models in the order of their ranks, then of the models that are left out, and of the references."""
    found = comparable(benchmark.scores, metric)
    if not found.n_all:
        return
    higher = metric not in LOWER_IS_BETTER
    shared = {"data": benchmark.data, "scheme": benchmark.scheme, "metric": metric, "higher_is_better": higher}
    shared |= {
        "n_conditions": len(found.scores[CONDITION].drop_duplicates()),
        "n_seeds": found.scores["seed"].nunique(),
    }
    shared |= {"n_common": found.n_common, "n_all": found.n_all}
    known = {name: kind_of(name, baselines) for name in (*found.models, *found.left_out)}
    if found.models:
        compare = _Comparison(found, metric, n_bootstrap=n_bootstrap, rng=rng)
        means = compare.against(None)["mean"]
        order = sorted(found.models, key=lambda name: -_of(means, name) if higher else _of(means, name))
        ranks, tied = _ranks(order, compare)
        best = next((name for name in order if known[name] == "baseline"), None)
        against = compare.against(best)
        there = [name for name in REFERENCES if name in set(found.scores["model"])]
        for name in (*order, *there):
            own = against.loc[find_model(list(against.index), name)]
            row = shared | {"rank": ranks.get(name), "tied": tied.get(name), "model": name}
            row |= {"kind": known.get(name, "reference"), "mean": own["mean"], "n": int(own["n"])}
            row |= {"mean_low": own["mean_low"], "mean_high": own["mean_high"], "baseline": best}
            yield row | _difference(own, name, best, higher=higher) | {"scaled": own.get("scaled", np.nan)}
    for name in found.left_out:
        n = int(benchmark.scores.loc[benchmark.scores["model"] == name, metric].notna().sum())
        yield shared | {
            "rank": None,
            "tied": None,
            "model": name,
            "kind": known[name],
            "n": n,
            "standing": "not ranked",
        }


class _Comparison:
    """Paired comparisons of models in a metric."""

    def __init__(self, found: Comparable, metric: str, *, n_bootstrap: int, rng: int) -> None:
        self._found, self._metric = found, metric
        self._options: dict[str, Any] = {"n_bootstrap": n_bootstrap, "rng": rng}
        self._known: dict[str | None, pd.DataFrame] = {}

    def against(self, name: str | None) -> pd.DataFrame:
        """Means of all models, and their differences from one, by name."""
        if name not in self._known:
            scores = self._found.scores
            table = summarise(
                scores,
                baseline=name,
                ceiling=CEILING if name is not None and CEILING in set(scores["model"]) else None,
                metrics=[self._metric],
                pair_by=CONDITION,
                average_over=["seed"],
                **self._options,
            ).set_index("model")
            # One condition has no spread
            table.loc[table["n"] < 2, table.columns.intersection(["mean_low", "mean_high", "low", "high"])] = np.nan
            self._known[name] = table
        return self._known[name]

    def is_level(self, name: str, other: str) -> bool:
        """Whether two models do not differ significantly."""
        row = self.against(other).loc[find_model(list(self.against(other).index), name)]
        return not (row["low"] > 0 or row["high"] < 0)


def _ranks(order: Sequence[str], compare: _Comparison) -> tuple[dict[str, int], dict[str, bool]]:
    """Rank of each model, and whether it shares it."""
    ranks: dict[str, int] = {}
    leader = order[0]
    for place, name in enumerate(order, start=1):
        if name != leader and not compare.is_level(name, leader):
            leader = name
        ranks[name] = ranks.get(leader, place)
    counts = pd.Series(ranks).value_counts()
    return ranks, {name: bool(counts[rank] > 1) for name, rank in ranks.items()}


def _difference(own: pd.Series, name: str, best: str | None, *, higher: bool) -> dict[str, Any]:
    """The paired difference from the best baseline, and the conclusion."""
    nothing = dict.fromkeys(("difference", "low", "high", "fraction_better"), np.nan)
    if best is None or name in REFERENCES:
        return nothing | {"standing": None}
    if name == best:
        return nothing | {"standing": "best baseline"}
    sign = 1.0 if higher else -1.0
    low, high = sorted((sign * own["low"], sign * own["high"]))
    standing = "too few" if own["n"] < FEWEST else "ahead" if low > 0 else "behind" if high < 0 else "level"
    found = {"difference": own["difference"], "low": own["low"], "high": own["high"]}
    return found | {"fraction_better": own["share_better"], "standing": standing}


def kind_of(name: str, baselines: Collection[str]) -> str:
    """Whether a model, or one that made the same predictions, is a baseline."""
    return "baseline" if any(find_model([name], baseline) == name for baseline in baselines) else "model"


def _of(values: pd.Series, name: str) -> float:
    return float(values[find_model(list(values.index), name)])


def by_context(benchmark: Benchmark, metrics: Sequence[str]) -> pd.DataFrame:
    """Means of the compared models in each context, with the number of conditions."""
    tables = []
    for metric in metrics:
        found = comparable(benchmark.scores, metric)
        table = found.scores.groupby(["context", "model"], observed=True, sort=False)[metric].agg(["mean", "count"])
        table = table.reset_index().rename(columns={"count": "n"})
        tables.append(table.assign(data=benchmark.data, scheme=benchmark.scheme, metric=metric))
    joined = pd.concat(tables, ignore_index=True)
    return joined[["data", "scheme", "metric", "context", "model", "mean", "n"]]
