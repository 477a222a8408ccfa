from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import dynamic_range

BOUNDS = {"positive bound": [0.8, 0.6, 0.4], "negative bound": [0.2, 0.2, 0.5]}


def table(**columns):
    rows = [
        {
            "model": name,
            "split": "s",
            "perturbation": f"p{place}",
            "seed": seed,
            "pearson": value + 0.1 * seed,
            "rmse": value,
        }
        for name, values in (BOUNDS | {"m": [0.0] * 3}).items()
        for place, value in enumerate(values)
        for seed in (-1, 1)
    ]
    return pd.DataFrame(rows).assign(**columns)


def test_bounds_are_compared_in_each_condition():
    (pearson, rmse) = dynamic_range(table(data="d"), by="data").to_dict("records")
    assert (pearson["data"], pearson["metric"], pearson["n"]) == ("d", "pearson", 3)
    assert (pearson["positive"], pearson["negative"]) == pytest.approx((0.6, 0.3))
    # .6 of .8, .4 of .8, and -.1 of .5
    assert (pearson["drf"], pearson["drf_median"]) == pytest.approx(((0.75 + 0.5 - 0.2) / 3, 0.5), abs=1e-5)
    assert pearson["bds"] == pytest.approx(2 / 3)
    # An error: the replicate is better in the third condition only, and worse by more than the range in the first
    assert (rmse["drf"], rmse["bds"]) == pytest.approx(((-1 - 1 + 0.2) / 3, 1 / 3), abs=1e-5)


def test_groups_are_looked_at_apart():
    both = pd.concat([table(data="a"), table(data="b", pearson=np.nan)])
    found = dynamic_range(both, by=["data"]).set_index(["data", "metric"])
    assert found.loc[("a", "pearson"), "n"] == 3 and found.loc[("b", "pearson"), "n"] == 0
    assert np.isnan(found.loc[("b", "pearson"), ["drf", "bds", "positive"]].astype(float)).all()
    assert len(dynamic_range(table(), by=[])) == 2


def test_tables_without_bounds():
    with pytest.raises(ValueError, match="no rows of 'positive bound' and 'negative bound'"):
        dynamic_range(table(model="m"), by=[])
    with pytest.raises(KeyError, match="no column \\['data', 'scheme'\\]"):
        dynamic_range(table())
