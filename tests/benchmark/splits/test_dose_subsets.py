from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.benchmark.splits import dose_subsets

KEYS = {"context_key": "type", "dose_key": "dose"}


@pytest.fixture
def adata():
    """Two types with ten controls each, and three cells of one type and two of the other at each of four doses."""
    rows = [("control", name, 0.0) for name in "ab" for _ in range(10)]
    rows += [("P", name, dose) for name, n in (("a", 2), ("b", 3)) for dose in (0.1, 1.0, 10.0, 30.0) for _ in range(n)]
    obs = pd.DataFrame(rows, columns=["perturbation", "type", "dose"], index=[f"c{i}" for i in range(len(rows))])
    return ad.AnnData(np.ones((len(rows), 2), dtype="f4"), obs=obs)


def test_every_set_of_doses_is_learned_from_and_predicted(adata):
    found = dose_subsets(adata, **KEYS)
    assert len(found) == 15 and [one.name for one in found[:5]] == ["0.1", "1", "10", "30", "0.1, 1"]
    assert found[-1].name == "0.1, 1, 10, 30"
    for one in found:
        doses = {float(dose) for dose in one.name.split(", ")}
        train, test = (adata.obs.iloc[cells] for cells in (one.train, one.test))
        # The type with most perturbed cells is left out
        assert set(test["type"]) == {"b"} and set(test["dose"]) == doses and len(test) == 3 * len(doses)
        perturbed = train[train["perturbation"] != "control"]
        assert set(perturbed["type"]) == {"a"} and set(perturbed["dose"]) == doses
        assert len(perturbed) == 2 * len(doses)
        np.testing.assert_array_equal(one.reference, found[0].reference)
        np.testing.assert_array_equal(one.start, found[0].start)
        assert len(one.reference) == 5 and not set(one.reference) & set(one.train)
        # All ten controls of one type, and those of the other that are not the reference
        assert (train["perturbation"] == "control").sum() == 15


def test_sets_of_some_sizes_and_another_context(adata):
    found = dose_subsets(adata, context="a", sizes=3, **KEYS)
    assert [one.name for one in found] == ["0.1, 1, 10", "0.1, 1, 30", "0.1, 10, 30", "1, 10, 30"]
    assert set(adata.obs["type"].iloc[found[0].test]) == {"a"}
    assert len(dose_subsets(adata, sizes=[1, 4], **KEYS)) == 5


def test_mistakes(adata):
    with pytest.raises(ValueError, match="no context 'c' to leave out"):
        dose_subsets(adata, context="c", **KEYS)
    with pytest.raises(ValueError, match=r"between 1 and the number of doses, 4, but is \[5\]"):
        dose_subsets(adata, sizes=5, **KEYS)
    alone = adata[(adata.obs["type"] == "b") | (adata.obs["dose"] < 30)].copy()
    with pytest.raises(ValueError, match=r"No other context than 'b' has the dose\(s\) \[30.0\]"):
        dose_subsets(alone, **KEYS)
