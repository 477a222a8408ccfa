from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.model.base.setup._fields import ContextField, GeneSetField, LabelField, PerturbationField, SizeFactorField


def data(labels, **columns):
    obs = pd.DataFrame({"perturbation": labels, **columns}, index=[f"c{i}" for i in range(len(labels))])
    return ad.AnnData(np.ones((len(labels), 2), dtype=np.float32), obs=obs)


def field(**kwargs):
    return PerturbationField("perturbation", "perturbation", **({"control": "control", "delimiter": "+"} | kwargs))


def test_codes_stand_for_sorted_conditions():
    adata = data(["B", "control", "B+A", "A+B", "A+control"])
    state = field().register_field(adata)
    assert state["vocabulary"] == ["A", "B"]
    assert state["conditions"] == ["A", "A+B", "B", "control"]
    assert state["doses"] == [(1.0,), (1.0, 1.0), (1.0,), ()]
    assert adata.obs["_scpi_condition"].tolist() == [2, 3, 1, 1, 0]
    assert field().get_summary_stats(state) == {"n_perturbations": 2, "n_conditions": 4}


def test_what_was_understood_is_said_once(caplog):
    with caplog.at_level("INFO", logger="scpi"):
        state = field().register_field(data(["B", "control", "A+B"]))
        field().transfer_field(state, data(["A"]))
    assert caplog.messages == [
        "'perturbation': 1 control cells ('control'), 1 single perturbations (1 cells), 1 combinations (1 cells)."
    ]


def test_a_label_at_two_doses_is_two_conditions():
    adata = data(["A", "A", "control", "A"], dose=["0.5", "2", None, "0.5"])
    state = field(dose_key="dose").register_field(adata)
    assert state["conditions"] == ["A", "A", "control"]
    assert state["doses"] == [(0.5,), (2.0,), ()]
    assert adata.obs["_scpi_condition"].tolist() == [0, 1, 2, 0]


def test_other_cells_keep_the_vocabulary_and_have_conditions_of_their_own():
    source = data(["control", "A", "B", "C"])
    state = field().register_field(source)
    target = data(["C+A", "A+B+C", "control"])
    transferred = field().transfer_field(state, target)
    assert transferred["vocabulary"] == ["A", "B", "C"]
    assert transferred["conditions"] == ["A+B+C", "A+C", "control"]
    assert target.obs["_scpi_condition"].tolist() == [1, 0, 2]


def test_other_cells_need_no_control_but_known_perturbations():
    state = field().register_field(data(["control", "A"]))
    assert field().transfer_field(state, data(["A", "A"]))["conditions"] == ["A"]
    target = data(["A", "A+Z"])
    with pytest.raises(ValueError, match="Unknown perturbation 'Z'"):
        field().transfer_field(state, target)
    assert "_scpi_condition" not in target.obs


@pytest.mark.parametrize(
    ("adata", "kwargs", "error", "message"),
    [
        (data(["A", "B"]), {}, ValueError, r"No cell .* is labelled 'control'.*'A', 'B'"),
        (data(["control", "control"]), {}, ValueError, "holds no perturbation, only 'control'"),
        (data(["control", None, "A"]), {}, ValueError, "no label for 1 cells"),
        (data(["control", "A"], dose=[0, np.nan]), {"dose_key": "dose"}, ValueError, "finite number"),
        (data(["control", "A"], dose=["0", "high"]), {"dose_key": "dose"}, ValueError, "finite number"),
        (data(["control", "A"], dose=[0, -2]), {"dose_key": "dose"}, ValueError, "negative doses such as -2"),
        (data(["control", "A"]), {"dose_key": "dose"}, KeyError, r"'dose' is not a column.*\['perturbation'\]"),
    ],
)
def test_labels_that_are_no_screen(adata, kwargs, error, message):
    columns = list(adata.obs)
    with pytest.raises(error, match=message):
        field(**kwargs).register_field(adata)
    assert list(adata.obs) == columns


def test_categorical_labels_are_read_as_they_are_spelled():
    adata = data(pd.Categorical(["B+A", "control", "A+B"], categories=["control", "A+B", "B+A", "unused"]))
    assert field().register_field(adata)["conditions"] == ["A+B", "control"]


def gene_sets():
    adata = data(["control", "A"])
    adata.varm["sets"] = pd.DataFrame({"s": [1, 0], "t": [1, 1]}, index=adata.var_names)
    return adata


def test_gene_sets_are_kept_as_pairs():
    state = GeneSetField("gene_sets", "sets").register_field(gene_sets())
    assert list(state["names"]) == ["s", "t"]
    pairs = sparse.coo_matrix((np.ones(3), (state["genes"], state["sets"])), shape=(2, 2)).toarray()
    assert pairs.tolist() == [[1, 1], [0, 1]]


def test_gene_sets_may_be_missing_only_by_default():
    adata = data(["control", "A"])
    assert GeneSetField("gene_sets", "gene_sets").register_field(adata)["names"] == []
    with pytest.raises(KeyError, match=r"scpi\.tl\.gene_sets"):
        GeneSetField("gene_sets", "mine").register_field(adata)


def test_gene_sets_stay_with_the_model():
    state = GeneSetField("gene_sets", "sets").register_field(gene_sets())
    assert GeneSetField("gene_sets", "sets").transfer_field(state, data(["A"])) is state


@pytest.mark.parametrize("cls", [LabelField, ContextField])
def test_a_label_must_be_there_and_complete(cls):
    adata = data(["control"] * 4, batch=["x", None, "y", None])
    with pytest.raises(ValueError, match="no value for 2 cells"):
        cls("batch", "batch").register_field(adata)
    with pytest.raises(KeyError, match="'lane' is not a column"):
        cls("batch", "lane").register_field(adata)
    assert list(adata.obs) == ["perturbation", "batch"]


@pytest.mark.filterwarnings("ignore:Category")
def test_new_contexts_are_allowed_and_new_batches_are_not():
    source, target = data(["control"] * 2, x=["T", "B"]), data(["control"] * 2, x=["NK", "T"])
    state = ContextField("context", "x").register_field(source)
    assert list(ContextField("context", "x").transfer_field(state, target)["categorical_mapping"]) == ["B", "T", "NK"]
    assert target.obs["_scvi_context"].tolist() == [2, 1]
    state = LabelField("batch", "x").register_field(source)
    with pytest.raises(ValueError, match="NK"):
        LabelField("batch", "x").transfer_field(state, target)


@pytest.mark.parametrize("depth", [[1.0, 0.0], [1.0, -2.0], [1.0, np.nan], [1.0, np.inf], ["1", "deep"]])
def test_size_factors_are_positive_numbers(depth):
    with pytest.raises(ValueError, match=r"positive number for every cell; it is not for 1"):
        SizeFactorField("size_factor", "depth").register_field(data(["control", "A"], depth=depth))


def test_cells_of_an_unseen_context_are_predicted(make_screen, build):
    adata = make_screen()
    model = build("Additive", adata, setup={"context_key": "cell_type"})
    new = make_screen(rng=1)
    new.obs["cell_type"] = np.where(new.obs["cell_type"] == "T", "NK", "B")
    predicted = model.predict(new, perturbation="A", context="NK", output="mean")
    assert (new.obs.loc[predicted.obs["source_cell"], "cell_type"] == "NK").all()
    with pytest.raises(ValueError, match=r"Unknown context 'NK'; the data has \['B', 'T'\]"):
        model.predict(perturbation="A", context="NK", output="mean")
    assert isinstance(model, scpi.model.Additive)
