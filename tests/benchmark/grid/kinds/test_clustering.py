"""Accuracies against a direct computation."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._ranking import read_ranking
from scpi.benchmark.grid._kinds._clustering import _accuracies
from scpi.benchmark.grid._kinds._names import Accuracy


@pytest.fixture
def cells():
    found = scpi.datasets.splat(150, n_genes=60, group_prob=(0.3, 0.3, 0.4), de_prob=0.3, de_fac_scale=0.6, rng=1)
    # Clusters with other names than the groups they match
    found.obs["cluster"] = (
        found.obs["group"].astype(str).map({"Group1": "2", "Group2": "0", "Group3": "1"}).astype("category")
    )
    return found


@pytest.mark.parametrize("depth", [5, None])
def test_an_accuracy_is_the_overlap_with_the_largest_factors(cells, depth):
    groups = cells.obs["group"].astype(str).to_numpy()
    wanted = {"metric": Accuracy("t-test", depth)}
    found = {row["group"]: row["metric"] for row in _accuracies(cells, object(), groups, wanted, layer=None, seed=0)}
    scpi.de.rank_genes(cells, "group", method="t-test", key_added="direct")
    direct = read_ranking(cells, "direct")
    for place, group in enumerate(direct.groups):
        effect = pd.Series(np.abs(np.log(cells.varm["de_factor"][group])), cells.var_names)
        score = pd.Series(np.abs(direct.scores[place]), list(direct.genes))
        k = int((effect > 0).sum()) if depth is None else depth
        expected = len(set(effect.nlargest(k).index) & set(score.nlargest(k).index)) / k
        assert found[group] == pytest.approx(expected, abs=1e-9)


def test_a_layer_is_what_is_ranked(cells):
    other = ad.AnnData(cells.X[::-1].copy(), obs=cells.obs, varm=cells.varm, var=cells.var, layers={"counts": cells.X})
    groups, wanted = cells.obs["group"].astype(str).to_numpy(), {"m": Accuracy("wilcoxon", 10)}
    rows = [
        list(_accuracies(of, object(), groups, wanted, layer=layer, seed=0))
        for of, layer in ((cells, None), (other, "counts"))
    ]
    assert rows[0] == rows[1]
