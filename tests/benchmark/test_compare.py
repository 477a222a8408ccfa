from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc

from scpi.benchmark import compare_predictions, list_metrics
from scpi.datasets import plant_screen
from scpi.metrics import pearson_delta, spearman_brown
from scpi.model import SENAVAE, Additive, MeanDelta, NoChange


@pytest.fixture(scope="module")
def screen():
    adata = plant_screen(n_perturbations=3, n_cells=30, effect_size=2.0, rng=1)
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


def trained(cls, adata, *, seed=0, **kwargs):
    cls.setup_anndata(adata)
    model = cls(adata)
    model.train(train_size=0.6, validation_size=0.1, seed=seed, **kwargs)
    return model


@pytest.fixture(scope="module")
def models(screen):
    return {"additive": trained(Additive, screen), "mean": trained(MeanDelta, screen)}


def test_every_model_gets_the_scores_of_its_own_evaluation(models):
    rng = np.random.default_rng(3)
    table = compare_predictions(models, rng=3)
    seed = int(rng.integers(2**31))
    for name, model in models.items():
        own = table[table["model"] == name].set_index("perturbation")
        expected = model.evaluate(rng=seed)
        assert list(own.index) == list(expected.index)
        for metric in list_metrics()["metric"]:
            np.testing.assert_allclose(own[metric], expected[metric], rtol=1e-6, err_msg=metric)
    assert list(table.columns[:4]) == ["model", "perturbation", "status", "n_cells"]


def test_a_model_compared_with_itself_scores_the_same(models):
    table = compare_predictions({"a": models["additive"], "b": models["additive"]}, rng=0)
    a, b = (table[table["model"] == name].drop(columns="model").reset_index(drop=True) for name in "ab")
    assert a.equals(b)


def test_the_ceiling_is_that_of_the_cells_compared_with(models, screen):
    n_splits, model = 400, models["additive"]
    label = next(name for name in model.trained_conditions_ if "+" in name)
    table = compare_predictions(models, perturbation=label, metrics="pearson", n_splits=n_splits, rng=0)
    table = table.set_index(["model", "perturbation"])
    half, perfect = (table.loc[name, label]["pearson"] for name in ("split-half ceiling", "perfect prediction"))
    assert perfect == pytest.approx(np.sqrt(spearman_brown(half)))

    # By hand: halves of the test cells, and halves of the half of the unseen control that evaluate compares with.
    seed = int(np.random.default_rng(0).integers(2**31))
    labels = model._labels(screen)
    cells = model._cells_to_compare(screen, None, own=True)
    controls = model._control_cells(screen, context=None, indices=cells)
    control = np.random.default_rng(seed).permutation(controls)[len(controls) // 2 :]
    x = screen.X.toarray()
    rng, values = np.random.default_rng(5), []
    for _ in range(n_splits):
        changes = []
        members, reference = (rng.permutation(rows) for rows in (cells[labels[cells] == label], control))
        for side in (0, 1):
            parts = [rows[: len(rows) // 2] if side == 0 else rows[len(rows) // 2 :] for rows in (members, reference)]
            changes.append(x[parts[0]].mean(0) - x[parts[1]].mean(0))
        values.append(float(pearson_delta(*changes)))
    assert half == pytest.approx(np.mean(values), abs=4 * np.std(values) / np.sqrt(n_splits))


def test_perturbations_can_be_chosen_in_any_order(models):
    label = next(name for name in models["additive"].trained_conditions_ if "+" in name)
    table = compare_predictions(models, perturbation="+".join(reversed(label.split("+"))))
    assert set(table["perturbation"]) == {label}
    assert len(table) == 4


def test_models_on_different_splits_are_refused(models, screen):
    with pytest.raises(ValueError, match="different cells"):
        compare_predictions({"a": models["additive"], "b": trained(NoChange, screen, seed=1)})


def test_models_on_different_scales_are_refused(models, screen):
    screen.layers["square roots"] = np.sqrt(screen.layers["counts"])
    NoChange.setup_anndata(screen, layer="square roots")
    other = NoChange(screen)
    other.train(train_size=0.6, validation_size=0.1, seed=0)
    with pytest.raises(ValueError, match="one scale"):
        compare_predictions({"a": models["additive"], "b": other})


def test_counts_and_log_counts_are_one_scale(models, screen):
    SENAVAE.setup_anndata(screen, layer="counts")
    model = SENAVAE(screen, likelihood="nb", n_hidden=8)
    model.train(1, train_size=0.6, validation_size=0.1, seed=0, enable_progress_bar=False)
    table = compare_predictions({"model": model, **models})
    assert table.loc[table["model"] == "model", "rmse"].notna().all()


def test_no_model_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        compare_predictions({})
