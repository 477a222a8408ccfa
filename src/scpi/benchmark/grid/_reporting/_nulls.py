"""Whether models are better than their matched nulls, which have learned nothing about single perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._model_names import find_model
from scpi._scoring._conventions import NULL_OF
from scpi._scoring._metrics import LOWER_IS_BETTER
from scpi.benchmark._summarise import summarise
from scpi.benchmark.grid._reporting._ranking import CONDITION, FEWEST, comparable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scpi.benchmark.grid._reporting._ranking import Benchmark

_PAIR = [*CONDITION, "seed"]


def compare_nulls(benchmark: Benchmark, metrics: Sequence[str], *, n_bootstrap: int, rng: int) -> pd.DataFrame:
    """Paired differences of the ranked models from their matched nulls in each metric, on the conditions and seeds of the ranking.

    Conditions and seeds count if both have a value. Seeds are averaged first, so pairs are conditions.
    """
    return pd.DataFrame(
        [
            {"data": benchmark.data, "scheme": benchmark.scheme, "metric": metric} | row
            for metric in metrics
            for row in _of_metric(benchmark, metric, n_bootstrap=n_bootstrap, rng=rng)
        ]
    )


def _of_metric(benchmark: Benchmark, metric: str, *, n_bootstrap: int, rng: int) -> Iterator[dict[str, Any]]:
    found = comparable(benchmark.scores, metric)
    for (null, of), rows in benchmark.nulls.groupby(["model", NULL_OF], observed=True, sort=False):
        model = find_model(found.models, str(of))
        own = found.scores[found.scores["model"] == model]
        both = own.merge(rows, on=_PAIR, suffixes=("", "_null")).dropna(subset=[metric, f"{metric}_null"])
        if not len(both):
            continue
        pair = pd.concat(
            [
                both[[*_PAIR, metric]].assign(model=model, **{NULL_OF: ""}),
                both[[*_PAIR]].assign(model=null, **{metric: both[f"{metric}_null"], NULL_OF: of}),
            ]
        )
        table = summarise(
            pair,
            baseline=str(null),
            metrics=[metric],
            pair_by=CONDITION,
            average_over=["seed"],
            n_bootstrap=n_bootstrap,
            rng=rng,
        ).set_index("model")
        one, other = table.loc[model], table.loc[null]
        sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
        low, high = sorted((sign * one["low"], sign * one["high"]))
        if one["n"] < 2:
            # One condition has no spread
            table[["mean_low", "mean_high", "low", "high"]] = np.nan
            one, other = table.loc[model], table.loc[null]
        standing = "too few" if one["n"] < FEWEST else "above" if low > 0 else "below" if high < 0 else "level"
        yield {
            "model": model,
            "null": null,
            "mean": one["mean"],
            "null_mean": other["mean"],
            "null_low": other["mean_low"],
            "null_high": other["mean_high"],
            "difference": one["difference"],
            "low": one["low"],
            "high": one["high"],
            "fraction_better": one["share_better"],
            "standing": standing,
            "n": int(one["n"]),
        }
