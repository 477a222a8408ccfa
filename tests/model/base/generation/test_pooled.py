from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi import de
from scpi.model.base.generation._pooled import pooled_tests


def draw(rng):
    obs = pd.DataFrame(
        [(f"d{i}", kind, name) for i in range(3) for kind in "TB" for name in ("ctrl", "drug") for _ in range(10)],
        columns=["donor", "kind", "compound"],
    )
    obs.index = obs.index.astype(str)
    return ad.AnnData(rng.poisson(8.0, (len(obs), 20)).astype(float), obs=obs)


def test_draws_are_summed_tested_and_pooled():
    rng = np.random.default_rng(0)
    comparison = {"reference": "ctrl", "split_by": "kind", "covariates": "donor"}
    found = pooled_tests(lambda: draw(rng), 3, "compound", ["donor"], 5, comparison, key_added="tests")
    rng = np.random.default_rng(0)
    sets = [de.pseudobulk(draw(rng), sample_key="donor", groupby=["compound", "kind"]) for _ in range(3)]
    for one in sets:
        de.limma(one, "compound", key_added="tests", **comparison)
    expected = de.pool_limma(sets, key="tests")
    assert found.uns["tests"]["groups"]["group"].tolist() == ["B | drug", "T | drug"]
    np.testing.assert_array_equal(found.X, expected.X)
    np.testing.assert_array_equal(found.uns["tests"]["pvals"]["T | drug"], expected.uns["tests"]["pvals"]["T | drug"])


def test_one_draw_is_not_enough():
    with pytest.raises(ValueError, match="`n_draws` must be at least 2, got 1"):
        pooled_tests(draw, 1, "compound", ["donor"], 5, {"reference": "ctrl"}, key_added="tests")
