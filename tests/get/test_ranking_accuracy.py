from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scpi
from scpi._ranking import Ranking, write_ranking
from scpi.metrics import match_labels, top_k_overlap

GENES = [f"g{i}" for i in range(6)]
TRUTH = pd.DataFrame({"A": [3.0, -2.0, 1.0, 0.0, 0.0, 0.0], "B": [0.0, 0.0, 0.0, 0.0, -1.0, 0.5]}, index=GENES)


def write(adata, key, scores, groups=("A", "B"), genes=GENES, **params):
    scores = np.asarray(scores, dtype=float)
    blank = np.full(scores.shape, np.nan)
    names = (np.array(list(values), dtype=object) for values in (groups, genes))
    write_ranking(adata, key, Ranking(*names, scores, blank, blank, blank, params={"method": "test"} | params))


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 6), dtype=np.float32), var=pd.DataFrame(index=GENES))
    adata.varm["log2fc_rest"] = TRUTH
    write(adata, "signed", [[5.0, -6.0, 1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 3.0, 4.0, -9.0, 5.0]])
    return adata


def test_by_hand(adata):
    table = scpi.get.ranking_accuracy(adata, k=(1, 2, None))
    assert table["ranking"].tolist() == ["signed"] * 6
    assert table["group"].tolist() == ["A"] * 3 + ["B"] * 3
    assert table["k"].tolist() == ["1", "2", "all"] * 2
    assert table["n_true"].tolist() == [1, 2, 3, 1, 2, 2]
    # A: g0 g4 g3 g2 ...; the truth g0 g1 g2. B: g5 g3 ...; the truth g4 g5
    np.testing.assert_allclose(table["accuracy"], [1, 1 / 2, 1 / 3, 0, 1 / 2, 1 / 2])
    np.testing.assert_allclose(table["chance"], [1 / 6, 2 / 6, 3 / 6, 1 / 6, 2 / 6, 2 / 6])


def test_either_direction(adata):
    either = scpi.get.ranking_accuracy(adata, k=(1, None), absolute=True)["accuracy"]
    np.testing.assert_allclose(either, [0, 2 / 3, 1, 1])
    write(adata, "absolute", [[5.0, -6.0, 1.0, 2.0, 3.0, 0.0]], "A", rankby_abs=True)
    for absolute, expected in ((None, [0, 2 / 3]), (True, [0, 2 / 3]), (False, [1, 1 / 3])):
        found = scpi.get.ranking_accuracy(adata, "absolute", k=(1, None), absolute=absolute)["accuracy"]
        np.testing.assert_allclose(found, expected)


def test_fewer_genes_change_than_are_asked_for(adata):
    table = scpi.get.ranking_accuracy(adata, k=4).set_index("group")
    assert table["n_true"].to_dict() == {"A": 3, "B": 2}
    # Of g0 g1 g2 the first four of A have g0 and g2; of g4 g5 those of B have g5
    np.testing.assert_allclose(table["accuracy"], [2 / 3, 1 / 2])
    np.testing.assert_allclose(table["chance"], 4 / 6)
    assert scpi.get.ranking_accuracy(adata, k=100)["chance"].tolist() == [1.0, 1.0]
    adata.varm["log2fc_rest"] = TRUTH.assign(A=0.0)
    none = scpi.get.ranking_accuracy(adata, k=(2, None)).query("group == 'A'")
    assert none["accuracy"].isna().all()
    assert (none["n_true"] == 0).all()


def test_genes_that_were_not_ranked_are_not_found(adata):
    write(adata, "few", [[1.0, 2.0, 3.0]], "A", ["g3", "g0", "g5"])
    table = scpi.get.ranking_accuracy(adata, {"a few": "few"}, k=(2, None))
    assert table["ranking"].unique() == ["a few"]
    np.testing.assert_allclose(table["accuracy"], [1 / 2, 1 / 3])


def test_a_truth_from_outside_and_other_names(adata):
    write(adata, "own", [[0, 0, 0, 0, 2, 1], [3, 2, 1, 0, 0, 0], [3, 2, 1, 0, 0, 0]], ["0", "1", "2"])
    shuffled = TRUTH.iloc[::-1]
    match = match_labels(["0", "1", "1", "2"], ["B", "A", "A", "A"])
    table = scpi.get.ranking_accuracy(adata, "own", truth=shuffled, k=None, match=match.mapping)
    assert table[["group", "accuracy"]].to_numpy().tolist() == [["0", 1.0], ["1", 1.0]]
    # Clusters may be numbers
    numbered = match_labels([0, 1, 1, 2], ["B", "A", "A", "A"])
    again = scpi.get.ranking_accuracy(adata, "own", truth=shuffled, k=None, match=numbered.mapping)
    pd.testing.assert_frame_equal(again, table)
    del adata.varm["log2fc_rest"]
    with pytest.raises(KeyError, match="no 'log2fc_rest', only nothing"):
        scpi.get.ranking_accuracy(adata, "own")


def test_genes_that_are_not_measured_do_not_count(adata):
    more = pd.concat([pd.DataFrame({"A": [9.0], "B": [9.0]}, index=["unmeasured"]), TRUTH])
    table = scpi.get.ranking_accuracy(adata, truth=more)
    pd.testing.assert_frame_equal(table, scpi.get.ranking_accuracy(adata))


def test_chance_is_the_mean_of_random_orders():
    adata = scpi.datasets.splat(20, n_genes=60, de_prob=0.3)
    rng = np.random.default_rng(0)
    tables = []
    for _ in range(100):
        write(adata, "random", rng.random((2, 60)), ["Group1", "Group2"], adata.var_names)
        tables.append(scpi.get.ranking_accuracy(adata, k=(10, None)))
    values = np.array([table["accuracy"] for table in tables])
    error = values.std(axis=0) / 10
    assert (np.abs(values.mean(axis=0) - tables[0]["chance"]) < 4 * error).all()


def test_on_simulated_cells():
    adata = scpi.datasets.splat(400, n_genes=400, group_prob=(0.3, 0.3, 0.4), de_prob=0.1, de_fac_scale=1.0)
    scpi.de.rank_genes(adata, "group", method="wilcoxon", key_added="test")
    table = scpi.get.ranking_accuracy(adata, "test", k=(10, None), absolute=True)
    assert (table["accuracy"] > table["chance"] + 0.2).all()
    truth = np.log(adata.varm["de_factor"])
    base = scpi.get.ranking_accuracy(adata, "test", truth=truth, k=None, absolute=True)
    counts = adata.X.toarray() / adata.X.sum(axis=1)
    for group, accuracy in zip(base["group"], base["accuracy"], strict=True):
        inside = (adata.obs["group"] == group).to_numpy()
        z = stats.mannwhitneyu(counts[inside], counts[~inside]).statistic / inside.sum() / (~inside).sum() - 0.5
        # Another test of other values: about the same order
        assert top_k_overlap(truth[group], z, k=None) == pytest.approx(accuracy, abs=0.15)


def test_a_modality(adata):
    both = md.MuData({"rna": adata, "protein": adata[:, :2].copy()})
    pd.testing.assert_frame_equal(scpi.get.ranking_accuracy(both, mod="rna"), scpi.get.ranking_accuracy(adata))


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"match": {"A": "Group1"}}, ValueError, r"groups 'A', 'B', and the truth 'A', 'B'.* `match=`"),
        ({"truth": TRUTH.iloc[:3]}, ValueError, "does not have these genes: 'g3', 'g4', 'g5'"),
        ({"truth": TRUTH.to_numpy()}, ValueError, "must be a DataFrame"),
        ({"truth": "nothing"}, KeyError, "'nothing', only 'log2fc_rest'"),
        ({"keys": "nothing"}, KeyError, "no ranking of genes under 'nothing'"),
        ({"keys": []}, ValueError, "at least one key"),
        ({"k": 0}, ValueError, "`k` must be at least 1"),
    ],
)
def test_bad_input(adata, kwargs, error, match):
    with pytest.raises(error, match=match):
        scpi.get.ranking_accuracy(adata, **kwargs)


def test_no_ranking(adata):
    del adata.uns["signed"]
    with pytest.raises(KeyError, match=r"0 ranking\(s\)"):
        scpi.get.ranking_accuracy(adata)
