from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from scpi._features import write_features
from scpi.benchmark.splits import leave_perturbations_out

NAMES = list("ABCDEF")


@pytest.fixture
def adata():
    labels = ["control"] * 8 + NAMES * 2 + ["A+B", "C+D", "C+F"] * 2
    adata = ad.AnnData(np.zeros((len(labels), 1), dtype=np.float32), obs={"perturbation": labels})
    adata.obs["cell_type"] = np.tile(["T", "B"], len(labels) // 2)
    return adata


def parts(adata, **kwargs):
    labels = adata.obs["perturbation"].to_numpy()
    return [sorted(set(labels[split.test]) & set(NAMES)) for split in leave_perturbations_out(adata, **kwargs)]


def test_all_conditions_with_a_perturbation_are_left_out(adata):
    labels = adata.obs["perturbation"].to_numpy()
    splits = leave_perturbations_out(adata, n_splits=3)
    assert [split.name for split in splits] == ["part 1 of 3", "part 2 of 3", "part 3 of 3"]
    singles = []
    for split in splits:
        out = set(labels[split.test]) & set(NAMES)
        singles += sorted(out)
        assert len(out) == 2
        assert not any(set(label.split("+")) & out for label in labels[split.train])
        assert all(set(label.split("+")) & out for label in labels[split.test])
        together = np.concatenate([split.train, split.test, split.reference])
        assert sorted(together) == list(range(adata.n_obs))
        assert len(split.start) == len(split.reference) == 4
    assert sorted(singles) == NAMES
    assert parts(adata, n_splits=3, rng=0) == parts(adata, n_splits=3, rng=0) != parts(adata, n_splits=3, rng=1)


def test_named_perturbations_are_left_out_at_once(adata):
    (split,) = leave_perturbations_out(adata, perturbations=["F", "A"], context_key="cell_type")
    assert split.name == "F, A"
    assert sorted(set(adata.obs["perturbation"].iloc[split.test])) == ["A", "A+B", "C+F", "F"]
    with pytest.raises(ValueError, match="no perturbation 'Z' to leave out, only 'A'"):
        leave_perturbations_out(adata, perturbations="Z")
    with pytest.raises(ValueError, match="no perturbed cell is left to train on"):
        leave_perturbations_out(adata, perturbations=NAMES)


def test_groups_stay_together(adata):
    found = parts(adata, n_splits=2, groups={"A": "one", "D": "one", "F": "one", "E": "B", "B": "B"})
    assert sorted(found) == [["A", "D", "F"], ["B", "C", "E"]]
    # A perturbation by the name of a group is not in it
    apart = parts(adata, n_splits=5, groups={"A": "C", "B": "C"})
    assert sorted(map(len, apart)) == [1, 1, 1, 1, 2]
    assert ["A", "B"] in apart


def test_neighbours_stay_together(adata):
    values = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0.0]])
    write_features(adata, "perturbation_features", NAMES, {"x": (values, list("xyz"))}, params={})
    # A and B have 0.8 in common, B and C 0.6, D and E all
    assert sorted(parts(adata, n_splits=4, max_similarity=0.7)) == [["A", "B"], ["C"], ["D", "E"], ["F"]]
    assert sorted(parts(adata, n_splits=3, max_similarity=0.5)) == [["A", "B", "C"], ["D", "E"], ["F"]]
    with pytest.raises(ValueError, match="between 2 and the number of perturbations or groups, 3, but is 4"):
        parts(adata, n_splits=4, max_similarity=0.5)
    with pytest.raises(KeyError, match=r"features of perturbations 'other'.*scpi.tl.perturbation_features"):
        parts(adata, max_similarity=0.5, features_key="other")


def test_cells_can_be_a_part_of_the_data(adata):
    outer = leave_perturbations_out(adata, n_splits=3)[0]
    inner = leave_perturbations_out(adata, n_splits=2, cells=outer.train)
    for split in inner:
        assert set(split.train) | set(split.test) | set(split.reference) == set(outer.train)
