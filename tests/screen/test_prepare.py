from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scpi._screen._labels import Labelling
from scpi.screen._design import Design
from scpi.screen._prepare import prepare_screen

SETS = {"one": ["g0", "g1"], "two": ["g2", "g3"]}
LABELLING = Labelling.of("ctrl", "|")


def cells(values=None, *, labels=None):
    rng = np.random.default_rng(0)
    x = rng.poisson(3.0, size=(60, 6)).astype(np.float32) if values is None else values
    labels = ["ctrl"] * 30 + ["g0"] * 10 + ["g1"] * 10 + ["g1|g0"] * 5 + ["g0|g1"] * 5 if labels is None else labels
    obs = pd.DataFrame({"guide": labels}, index=[f"c{i}" for i in range(x.shape[0])])
    return AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(x.shape[1])]))


def prepare(data, sets=SETS, **kwargs):
    notes = []
    settings = {
        "design": Design(perturbation_key="guide"),
        "labelling": LABELLING,
        "layer": None,
        "mod": None,
        "min_size": 1,
        "n_top_genes": None,
        **kwargs,
    }
    return prepare_screen(data, sets, notes=notes, **settings), notes


def test_counts_are_normalised_and_kept():
    data = cells()
    before = data.X.copy()
    adata, notes = prepare(data)
    expected = np.log1p(before / before.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(adata.X.toarray(), expected, rtol=1e-5)
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), before)
    np.testing.assert_array_equal(data.X, before)
    assert "gene_sets" not in data.varm
    assert notes == []


def test_labels_are_written_in_one_order():
    adata, _ = prepare(cells())
    assert list(adata.obs["guide"].cat.categories) == ["ctrl", "g0", "g1", "g0|g1"]
    assert (adata.obs["guide"] == "g0|g1").sum() == 10


def test_a_log_scale_is_taken_as_it_is():
    values = np.log1p(np.random.default_rng(0).poisson(3.0, size=(60, 6)) / 2.0).astype(np.float32)
    adata, _ = prepare(cells(sparse.csc_matrix(values)))
    np.testing.assert_array_equal(adata.X.toarray(), values)
    assert "counts" not in adata.layers


def test_cells_without_label_or_expression_are_left_out():
    data = cells()
    data.X[0] = 0
    data.obs.loc["c1", "guide"] = None
    data.obs.loc["c2", "guide"] = "unassigned"
    adata, notes = prepare(data)
    assert adata.n_obs == 57
    assert [note.split()[0] for note in notes] == ["2", "1"]


def test_several_controls_and_no_combinations():
    data = cells(labels=["ctrl"] * 20 + ["NT"] * 20 + ["g0|g1"] * 20)
    adata, _ = prepare(data, labelling=Labelling.of(["ctrl", "NT"], None))
    assert adata.obs["guide"].value_counts().to_dict() == {"ctrl": 40, "g0|g1": 20}


def test_the_genes_that_vary_most_and_those_perturbed_are_used():
    rng = np.random.default_rng(1)
    x = rng.poisson(5.0, size=(60, 40)).astype(np.float32)
    adata, notes = prepare(cells(x), n_top_genes=3)
    assert {"g0", "g1"} <= set(adata.var_names)
    assert 3 <= adata.n_vars <= 5
    np.testing.assert_allclose(np.expm1(adata.X.toarray()).sum(1), 1e4, rtol=1e-4)
    assert "of 40 genes" in notes[0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x: -x, "negative"),
        (lambda x: x * 10.5, "neither counts nor on a log scale"),
        (lambda x: x * 0, "zero everywhere"),
        (lambda x: np.where(x > 3, np.nan, x), "NaN"),
    ],
)
def test_values_that_are_no_expression_are_refused(change, match):
    data = cells()
    data.X = change(data.X)
    with pytest.raises(ValueError, match=match):
        prepare(data)


def test_a_screen_needs_controls_and_perturbations():
    with pytest.raises(ValueError, match="'ctrl'"):
        prepare(cells(labels=["g0"] * 60))
    with pytest.raises(ValueError, match="at least 20"):
        prepare(cells(labels=["ctrl"] * 10 + ["g0"] * 50))
    with pytest.raises(ValueError, match="no perturbation"):
        prepare(cells(labels=["ctrl"] * 60))
    with pytest.raises(KeyError, match="wrong"):
        prepare(cells(), layer="wrong")


def test_a_screen_without_gene_sets_gets_a_note():
    adata, notes = prepare(cells(), None)
    assert "gene_sets" not in adata.varm
    assert len(notes) == 1 and notes[0].startswith("There are no gene sets") and "hallmark" in notes[0]
    assert prepare(adata.copy(), SETS)[1] == []


def test_gene_sets_are_matched_before_the_cells_are_read():
    broken = cells(np.full((60, 6), -1.5, dtype=np.float32))
    with pytest.raises(ValueError, match="No gene of the data is in any gene set"):
        prepare(broken, {"one": ["h0", "h1"]})
