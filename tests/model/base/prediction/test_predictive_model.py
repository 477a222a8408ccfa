from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi


@pytest.fixture(scope="module")
def adata(make_screen):
    return make_screen()


@pytest.fixture(scope="module")
def model(adata, build):
    return build("Additive", adata)


def test_cells_are_drawn_from_the_given_controls(model, adata):
    controls = np.flatnonzero(adata.obs["perturbation"] == "control")
    perturbed = np.flatnonzero(adata.obs["perturbation"] != "control")
    wanted = np.concatenate([controls[5:8], perturbed[:3]])
    mask = np.zeros(adata.n_obs, dtype=bool)
    mask[wanted] = True
    for indices in (wanted, mask):
        predicted = model.predict(perturbation="A", indices=indices, output="mean")
        assert predicted.obs["source_cell"].tolist() == adata.obs_names[controls[5:8]].tolist()
    with pytest.raises(ValueError, match=r"no control cell \('control'\) to start"):
        model.predict(perturbation="A", indices=perturbed, output="mean")
    with pytest.raises(ValueError, match="between 0 and"):
        model.predict(perturbation="A", indices=[adata.n_obs], output="mean")


def test_the_seed_draws_the_cells(model):
    names = [
        model.predict(perturbation="A", n_cells=10, rng=rng, output="mean").obs["source_cell"].tolist()
        for rng in (1, 1, 2, np.random.default_rng(1))
    ]
    assert names[0] == names[1] == names[3] != names[2]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"n_cells": 0}, "at least 1"), ({"dose": np.nan}, "finite number"), ({"dose": -1.0}, "at least 0, got -1.0")],
)
def test_arguments_out_of_range(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        model.predict(perturbation="A", **kwargs, output="mean")


def test_a_dose_beyond_those_measured_is_predicted_with_a_warning(make_screen, build):
    model = build("Additive", make_screen(), setup={"dose_key": "dose"})
    for dose in (0.25, 2.0):
        with pytest.warns(
            UserWarning, match=rf"The dose {dose:g} lies outside of the measured range, 0.5 to 1"
        ) as seen:
            assert model.predict(perturbation="A", dose=dose, n_cells=2, output="mean").n_obs == 2
        assert seen[0].filename == __file__
    for dose in (0.0, 0.5, 0.75, 1.0):
        model.predict(perturbation="A", dose=dose, n_cells=2, output="mean")


@pytest.mark.parametrize("n_genes", [12, 11])
def test_no_cell_has_more_counts_than_its_depth(build, n_genes):
    """The first gene rises by 5 in the logarithm, which gives cells several times their depth."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(2.0, 5.0, size=(120, 12))).astype(np.float32)
    logs = np.log1p(counts / counts.sum(1, keepdims=True) * 1e3)
    logs[60:, 0] += 5.0
    adata = ad.AnnData(logs[:, :n_genes].copy(), obs={"perturbation": np.repeat(["control", "A"], 60)})
    adata.obs_names, adata.layers["counts"] = [f"c{i}" for i in range(120)], counts[:, :n_genes].copy()
    model = build("MeanDelta", adata)
    controls = np.flatnonzero(adata.obs["perturbation"] == "control")
    predicted = model.predict(perturbation="A", output="counts")
    values, start = predicted.X.toarray(), counts[controls, :n_genes]
    scaled = start.sum(1) / counts[controls].sum(1)
    depth = counts[controls].sum(1) if n_genes == 12 else np.rint(counts[controls].sum(1) * scaled.max())
    np.testing.assert_array_less(values.sum(1), depth + 1)
    np.testing.assert_array_less(0.9 * depth, values.sum(1))
    assert np.median(values[:, 0] / values.sum(1)) > 0.8
    # The other genes keep their proportions
    ratio = values[:, 1:].sum(0) / start[:, 1:].sum(0)
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.5)
    logarithms = model.predict(perturbation="A")
    np.testing.assert_array_equal(logarithms.layers["counts"].toarray(), values)
    change = np.asarray(logarithms.X.mean(0)).ravel() - logs[controls, :n_genes].mean(0)
    np.testing.assert_allclose(change[0], logs[60:, 0].mean() - logs[:60, 0].mean(), atol=0.2)
    same = model.predict(perturbation="control", output="counts")
    np.testing.assert_array_equal(same.X.toarray(), start)


def test_a_prediction_names_its_setup(make_screen, build):
    adata = make_screen()
    adata.X = np.log1p(adata.X.toarray())
    adata.obs["gene"] = adata.obs.pop("perturbation").astype(str).replace({"control": "NTC"})
    model = build("Additive", adata, setup={"perturbation_key": "gene", "control": "NTC"})
    made = model.predict(perturbation=["A", "A+B"])
    assert made.uns["prediction"]["perturbation_key"] == "gene" and made.uns["prediction"]["control"] == ["NTC"]
    scpi.tl.score_prediction(made, adata)
    assert made.uns["prediction"]["scores"]["n_real"].min() > 0


def test_states_of_labels(model):
    predicted = model.predict(perturbation=["A", "A+B", "B+D", "control"], n_cells=1, output="mean")
    assert predicted.obs["status"].tolist() == ["trained", "trained", "unseen combination", "control"]


@pytest.fixture(scope="module")
def in_contexts(make_screen, build):
    """A model of A and B in T cells, and of A alone in B cells; NK cells are controls."""
    adata = make_screen(conditions={"control": 60, "A": 40, "B": 20})
    adata.obs["cell_type"] = np.where(np.arange(adata.n_obs) % 2, "T", "B")
    is_new = (adata.obs["cell_type"] == "B") & (adata.obs["perturbation"] == "B")
    adata = adata[~is_new].copy()
    adata.obs.loc[adata.obs_names[adata.obs["perturbation"] == "control"][:20], "cell_type"] = "NK"
    return build("Additive", adata, setup={"context_key": "cell_type"})


def test_a_perturbation_is_trained_only_in_its_own_contexts(in_contexts, tmp_path):
    adata, expected = in_contexts.adata, {"T": "trained", "B": "unseen condition", "NK": "unseen context"}
    assert in_contexts.trained_contexts_ == {"A": ["B", "T"], "B": ["T"]}
    in_contexts.save(tmp_path / "model")
    for model in (in_contexts, type(in_contexts).load(tmp_path / "model", adata=adata.copy(), accelerator="cpu")):
        for context, status in expected.items():
            found = model.predict(perturbation=["A", "B"], context=context, n_cells=1, output="mean").obs["status"]
            assert found.tolist() == ["unseen context" if context == "NK" else "trained", status]
        # Without a context, each cell has its own
        found = model.predict(perturbation="B", output="mean").obs
        own = adata.obs["cell_type"].loc[found["source_cell"]]
        assert found["status"].tolist() == own.map(expected).tolist() and own.nunique() == 3


def test_a_model_that_was_saved_without_its_contexts_has_the_status_of_the_label(in_contexts, build, tmp_path):
    old = build("Additive", in_contexts.adata.copy(), setup={"context_key": "cell_type"})
    del old.trained_contexts_
    old.save(tmp_path / "model")
    assert "trained_contexts_" not in (tmp_path / "model" / "model.json").read_text(encoding="utf-8")
    old = type(old).load(tmp_path / "model", adata=in_contexts.adata.copy(), accelerator="cpu")
    found = old.predict(perturbation=["A", "B"], context="NK", n_cells=1, output="mean")
    assert found.obs["status"].tolist() == ["trained", "trained"]


def test_tables_of_conditions_have_the_status_in_their_contexts(in_contexts):
    adata = in_contexts.adata.copy()
    scpi.tl.predict_perturbation(adata, in_contexts, ["A", "B"])
    table = adata.uns["predicted_change"]["conditions"].set_index(["perturbation", "context"])["status"]
    assert table.loc["A"].to_dict() == {"B": "trained", "T": "trained", "NK": "unseen context"}
    assert table.loc["B"].to_dict() == {"B": "unseen condition", "T": "trained", "NK": "unseen context"}
    labels, types = adata.obs["perturbation"], adata.obs["cell_type"]
    some = np.flatnonzero((labels == "control") | (types == "T"))
    assert in_contexts.evaluate(indices=some, metrics=["pearson"])["status"].tolist() == ["trained", "trained"]
    other = in_contexts.adata.copy()
    other.obs.loc[other.obs_names[(labels == "B").to_numpy()][:4], "cell_type"] = "NK"
    assert in_contexts.evaluate(other, metrics=["pearson"])["status"].tolist() == ["trained", "unseen context"]


def test_a_perturbation_seen_in_combinations_only_is_unseen(make_screen, build):
    adata = make_screen(conditions={"control": 20, "A": 10, "A+B": 10})
    model = build("SENAVAE", adata, {"encoder": "mlp"})
    assert model.predict(perturbation="B", n_cells=2, output="mean").obs["status"].tolist() == ["unseen"] * 2
    model = build("Additive", make_screen(conditions={"control": 20, "A": 10, "A+B": 10}))
    with pytest.raises(ValueError, match=r"No training cell has 'B' alone"):
        model.predict(perturbation="A+B", output="mean")


def test_repeated_views_leave_nothing_behind(model, make_screen):
    full = make_screen()
    for start in range(4):
        model.predict(full[start : 80 + start], perturbation="A", output="mean")
    managers = type(model)._per_instance_manager_store[model.id]
    assert len(managers) == 2
    model.predict(perturbation="A", output="mean")


def test_a_model_without_data_says_that_it_needs_some(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = scpi.model.Additive.load(tmp_path / "model", adata=False, accelerator="cpu")
    with pytest.raises(ValueError, match="loaded without data"):
        loaded.predict(perturbation="A", output="mean")
