from __future__ import annotations

from functools import partial

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi._scoring._rows import check_rows, given_halves, look_like_conditions, read_halves, refuse_conditions
from scpi._slots import read_layer
from scpi.benchmark import compare_predictions, evaluate, list_metrics, noise_ceiling, splits
from scpi.metrics import spearman_brown

HALVES = ("half1", "half2")
LISTED = list_metrics().set_index("metric")["compares"]
OF_MEANS = [name for name in LISTED.index if LISTED[name] in ("means", "conditions")]


def profiles(*, n_singles=5, n_genes=60, noise=0.1, n_rows=1, n_controls=1, seed=0):
    """Profiles of singles and of all pairs, whose effects interact, with halves of the pairs."""
    rng = np.random.default_rng(seed)
    names = [chr(65 + i) for i in range(n_singles)]
    pairs = [f"{a}+{b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    effects = dict(zip(names, rng.normal(0, 0.5, (n_singles, n_genes)), strict=True))
    expected = effects | {
        pair: sum(effects[name] for name in pair.split("+")) + rng.normal(0, 0.4, n_genes) for pair in pairs
    }
    labels = ["control"] * n_controls + [label for label in expected for _ in range(n_rows)]
    mean = np.stack([5 + expected.get(label, np.zeros(n_genes)) for label in labels])
    halves = [mean + rng.normal(0, noise * np.sqrt(2), mean.shape) for _ in range(2)]
    adata = ad.AnnData(
        ((halves[0] + halves[1]) / 2).astype("f4"),
        obs=pd.DataFrame({"perturbation": labels}, index=[f"row{i}" for i in range(len(labels))]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]),
    )
    has_halves = np.array(["+" in label for label in labels])[:, None]
    for name, half in zip(HALVES, halves, strict=True):
        adata.layers[name] = np.where(has_halves, half, np.nan)
    return adata


@pytest.fixture(scope="module")
def adata():
    return profiles()


@pytest.fixture(scope="module")
def table(adata):
    folds = splits.leave_combinations_out(adata, n_splits=2, reference_fraction=0)
    models = {name: getattr(scpi.model, name) for name in ("Additive", "Linear", "MeanDelta", "NoChange")}
    return evaluate(adata, models, folds, rows="conditions", halves=HALVES, seeds=0, progress=False)


def read(adata, halves=HALVES):
    return read_halves(partial(read_layer, adata), halves)


def of(adata, label):
    return np.asarray(adata.X[(adata.obs["perturbation"] == label).to_numpy()], dtype=float).mean(0)


def test_all_metrics_of_means_and_no_others(table):
    assert [name for name in LISTED.index if name in table] == OF_MEANS
    own = table[~table["model"].isin(["NoChange", "perfect prediction"])]
    assert np.isfinite(own[OF_MEANS].to_numpy()).all()
    assert (table["n_cells"] == 1).all()


def test_scores_are_those_of_the_profiles(adata, table):
    scores = table[table["model"] == "Additive"].set_index("perturbation")
    assert len(scores) == 10
    control = of(adata, "control")
    for label in scores.index:
        real = of(adata, label) - control
        added = sum(of(adata, name) - control for name in label.split("+"))
        assert scores.loc[label, "pearson"] == pytest.approx(np.corrcoef(real, added)[0, 1], abs=1e-5)
        assert scores.loc[label, "error_ratio"] == pytest.approx(
            np.linalg.norm(added - real) / np.linalg.norm(real), abs=1e-5
        )
    fold = scores[scores["split"] == "part 1 of 2"].index
    train = [label for label in adata.obs["perturbation"] if label != "control" and label not in fold]
    mean = np.mean([of(adata, label) for label in train], axis=0)
    for label in fold:
        predicted = control + sum(of(adata, name) - control for name in label.split("+"))
        expected = np.corrcoef(of(adata, label) - mean, predicted - mean)[0, 1]
        assert scores.loc[label, "pearson_perturbed"] == pytest.approx(expected, abs=1e-5)


def test_the_ceiling_is_that_of_the_halves(adata, table):
    halves, perfect = (
        table[table["model"] == name].set_index("perturbation") for name in ("split-half ceiling", "perfect prediction")
    )
    control = of(adata, "control")
    for place, label in enumerate(adata.obs["perturbation"]):
        if label not in halves.index:
            continue
        first, second = (adata.layers[name][place] - control for name in HALVES)
        r = np.corrcoef(first, second)[0, 1]
        assert halves.loc[label, "pearson"] == pytest.approx(r, abs=1e-6)
        assert perfect.loc[label, "pearson"] == pytest.approx(np.sqrt(spearman_brown(r)), abs=1e-6)
        error = np.linalg.norm(second - first) / np.linalg.norm(first)
        assert halves.loc[label, "error_ratio"] == pytest.approx(error, abs=1e-6)


def test_without_halves_one_row_has_no_ceiling(adata):
    folds = splits.leave_combinations_out(adata, n_splits=1, reference_fraction=0)
    found = noise_ceiling(adata, folds, rows="conditions", metrics="pearson", seeds=0)
    assert found["pearson"].isna().all()


def test_replicate_rows_are_halved():
    adata = profiles(n_rows=4, n_controls=4, noise=0.3)
    folds = splits.leave_combinations_out(adata, n_splits=1)
    assert len(folds[0].start) == len(folds[0].reference) == 2
    found = (
        noise_ceiling(adata, folds, rows="conditions", metrics="pearson", seeds=0).groupby("model")["pearson"].mean()
    )
    assert 0.8 < found["split-half ceiling"] < found["perfect prediction"] < 1
    one = profiles(n_rows=4, n_controls=1, noise=0.3)
    shared = splits.leave_combinations_out(one, n_splits=1, reference_fraction=0)
    assert np.isfinite(noise_ceiling(one, shared, rows="conditions", metrics="pearson", seeds=0)["pearson"]).all()


def test_one_label_per_row_is_refused_as_cells(adata):
    folds = splits.leave_combinations_out(adata, n_splits=2, reference_fraction=0)
    with pytest.raises(ValueError, match="Each of the 15 perturbed conditions has one row: .*rows='conditions'"):
        evaluate(adata, {"m": scpi.model.MeanDelta}, folds, progress=False)


def test_results_of_cells_are_not_taken_for_those_of_conditions(tmp_path):
    adata = profiles(n_rows=4, n_controls=4)
    folds = splits.leave_combinations_out(adata, combinations="A+B")
    options = {"metrics": "pearson", "seeds": 0, "progress": False, "ceiling": False, "out": tmp_path}
    for rows in ("cells", "conditions", "conditions"):
        evaluate(adata, {"m": scpi.model.Additive}, folds, rows=rows, **options)
    assert len([*tmp_path.iterdir()]) == 2


def test_a_split_of_one_control_profile_says_how(adata):
    with pytest.raises(
        ValueError, match=r"There are 1 control cell\(s\).*With `reference_fraction=0` one serves for both"
    ):
        splits.leave_combinations_out(adata, n_splits=2)


def test_networks_and_metrics_of_cells_are_refused(adata):
    folds = splits.leave_combinations_out(adata, n_splits=1, reference_fraction=0)
    with pytest.raises(ValueError, match="'s': SENAVAE learns from cells, and the rows are conditions"):
        evaluate(adata, {"s": scpi.model.SENAVAE}, folds, rows="conditions", progress=False)
    with pytest.raises(ValueError, match="The metrics 'mmd', 'de_jaccard' compare cells, and the rows are conditions"):
        evaluate(adata, {"m": scpi.model.MeanDelta}, folds, rows="conditions", metrics=["mmd", "rmse", "de_jaccard"])


def test_models_evaluate_profiles(adata):
    held = ["A+B", "C+D"]
    models = {}
    for name in ("Additive", "Linear"):
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata)
        models[name] = cls(adata)
        models[name].train(train_size=1.0, held_out=held)
    with pytest.raises(ValueError, match="two measured cells or more .*rows='conditions'"):
        models["Linear"].evaluate()
    with pytest.raises(ValueError, match=r"The control has 1 profile\(s\), and `reference_cells='apart'` needs two"):
        models["Linear"].evaluate(rows="conditions")
    options = {"rows": "conditions", "reference_cells": "all"}
    own = models["Additive"].evaluate(**options)
    assert list(own.index) == held and [name for name in own if name in LISTED.index] == OF_MEANS
    control = of(adata, "control")
    added = of(adata, "A") + of(adata, "B") - 2 * control
    assert own.loc["A+B", "pearson"] == pytest.approx(np.corrcoef(added, of(adata, "A+B") - control)[0, 1], abs=1e-5)
    compared = compare_predictions(models, halves=HALVES, **options).set_index(["model", "perturbation"])
    assert compared.loc[("Additive", "A+B"), "pearson"] == pytest.approx(own.loc["A+B", "pearson"])
    place = list(adata.obs["perturbation"]).index("C+D")
    first, second = (adata.layers[name][place] - control for name in HALVES)
    assert compared.loc[("split-half ceiling", "C+D"), "pearson"] == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_halves_are_read_where_they_are(adata):
    found = read(adata)
    assert found.there.sum() == 10
    assert found.at(np.array([0, 1])) is None
    first, second = found.at(np.array([0, 6, 7]))
    np.testing.assert_array_equal(first, adata.layers["half1"][[6, 7]])
    as_sparse = adata.copy()
    for name in HALVES:
        as_sparse.layers[name] = sparse.csr_matrix(adata.layers[name])
    np.testing.assert_array_equal(read(as_sparse).there, found.there)
    reference = adata.X[:1]
    given = given_halves(found, np.array([6]), np.array([0]), reference)
    assert given["reference_halves"][0] is reference and given["halves"][1].shape == (1, 60)
    assert given_halves(None, np.array([6]), np.array([0, 1]), adata.X[:2]) == {
        "halves": None,
        "reference_halves": None,
    }


def test_halves_of_the_control_are_used_where_there_are_any(adata):
    whole = adata.copy()
    rng = np.random.default_rng(0)
    for name in HALVES:
        whole.layers[name][0] = whole.X[0] + rng.normal(0, 0.1, whole.n_vars)
    folds = splits.leave_combinations_out(whole, combinations="A+B", reference_fraction=0)
    found = noise_ceiling(whole, folds, rows="conditions", halves=HALVES, metrics="pearson", seeds=0)
    place = list(whole.obs["perturbation"]).index("A+B")
    first, second = (whole.layers[name][place] - whole.layers[name][0] for name in HALVES)
    assert found["pearson"].iloc[0] == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_what_rows_can_be(adata):
    with pytest.raises(ValueError, match="`rows` must be one of 'cells', 'conditions', but is 'bulk'"):
        check_rows("bulk", None)
    with pytest.raises(ValueError, match="`halves` must name two layers, .* but is 'half1'"):
        check_rows("conditions", "half1")
    with pytest.raises(ValueError, match="needs `rows='conditions'`"):
        check_rows("cells", HALVES)
    with pytest.raises(KeyError, match="half3"):
        read(adata, ("half1", "half3"))
    empty = adata[:3].copy()
    with pytest.raises(ValueError, match="No row has a value of every gene in both"):
        read(empty)


@pytest.mark.parametrize(
    ("strata", "expected"),
    [([0, 1, 2, 3], True), ([0, 1, 1, 2, 3], False), ([0, 1, 2], False), ([0, 0, 1, 2, 3], True)],
)
def test_rows_look_like_conditions_if_each_has_one(strata, expected):
    is_control = np.array(strata) == 0
    assert look_like_conditions(strata, is_control) is expected
    if not expected:
        refuse_conditions(strata, is_control)
