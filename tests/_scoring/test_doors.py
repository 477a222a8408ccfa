"""The same predicted and measured cells have the same scores, whoever is asked."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.benchmark import compare_predictions, evaluate, list_metrics, noise_ceiling, splits

NAMES = list(list_metrics()["metric"])
pytestmark = pytest.mark.filterwarnings("ignore:.*holds negative values")
MODELS = ("MeanDelta", "NoChange", "TrainMean")
UNDEFINED = {("NoChange", name) for name in ("pearson", "pearson_top", "cosine")}


@pytest.fixture(scope="module")
def adata():
    """One context, in which three perturbations shift different genes of 40, two of them their own.

    Some values are negative, so that means are predicted, which depend on no draw.
    """
    rng = np.random.default_rng(0)
    labels = np.repeat(["control", "P", "Q", "P+Q"], [60, 30, 30, 30])
    x = rng.normal(1.5, 0.4, (len(labels), 40)) + rng.normal(0, 0.3, (len(labels), 1))
    for label, genes in {"P": slice(0, 10), "Q": slice(8, 18)}.items():
        x[[label in name for name in labels], genes] += 1.0
    obs = pd.DataFrame({"perturbation": labels}, index=[f"cell{i}" for i in range(len(labels))])
    var = pd.DataFrame(index=[{30: "P", 35: "Q"}.get(i, f"g{i}") for i in range(40)])
    return ad.AnnData(sparse.csr_matrix((x - 0.8).astype(np.float32)), obs=obs, var=var)


@pytest.fixture(scope="module")
def split(adata):
    return splits.random_cells(adata, test_size=0.5, n_splits=1)[0]


@pytest.fixture(scope="module")
def models(adata, split):
    trained = {}
    for name in MODELS:
        cls = getattr(scpi.model, name)
        cls.setup_anndata(adata)
        trained[name] = cls(adata)
        trained[name].train(datasplitter_kwargs={"external_indexing": [split.train]})
    return trained


@pytest.fixture(scope="module")
def scores(adata, split, models):
    """Scores of every door, perturbations x metrics, by model."""
    cells = np.concatenate([split.test, split.start, split.reference])
    table = evaluate(adata, {name: getattr(scpi.model, name) for name in MODELS}, split, seeds=0, progress=False)
    compared = compare_predictions(models, indices=cells, reference_cells=split.reference)
    found = {}
    for name, model in models.items():
        predicted = model.predict(
            perturbation=["P", "Q", "P+Q"], indices=split.start, n_cells=len(split.start), rng=0, output="mean"
        )
        scpi.tl.score_prediction(predicted, adata, reference_cells=split.reference, train_cells=split.train)
        found[name] = {
            "benchmark.evaluate": table[table["model"] == name].set_index("perturbation"),
            "compare_predictions": compared[compared["model"] == name].set_index("perturbation"),
            "Model.evaluate": model.evaluate(indices=cells, reference_cells=split.reference),
            "tl.score_prediction": predicted.uns["prediction"]["scores"].set_index("perturbation"),
        }
    return found


@pytest.mark.parametrize("metric", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_every_door_gives_the_same_number(scores, model, metric):
    doors = {door: table[metric].reindex(["P", "P+Q", "Q"]).to_numpy(float) for door, table in scores[model].items()}
    expected = doors.pop("benchmark.evaluate")
    # The correlation of no change is none
    assert np.isfinite(expected).all() or (model, metric) in UNDEFINED
    for door, found in doors.items():
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6, err_msg=door)


def test_the_ceiling_of_trained_models_is_that_of_the_evaluation(adata, split, models):
    cells = np.concatenate([split.test, split.start, split.reference])
    compared = compare_predictions(
        models, indices=cells, reference_cells=split.reference, n_splits=200, metrics="pearson"
    )
    own = noise_ceiling(adata, split, n_splits=200, seeds=0, metrics="pearson")
    for name in ("split-half ceiling", "perfect prediction"):
        values = [table[table["model"] == name].set_index("perturbation")["pearson"] for table in (compared, own)]
        pd.testing.assert_series_equal(*values, atol=0.02, rtol=0)


def test_the_screen_scores_what_the_model_scores():
    """The command line and the whole analysis call the same comparison."""
    screen = scpi.datasets.plant_screen(n_perturbations=2, n_cells=20, n_control=60, n_decoy_sets=2, rng=0)
    result = scpi.screen.run_screen(screen, max_epochs=1)
    table = result.scores[result.scores["model"] == "SENAVAE"].set_index("perturbation")
    split, metrics = result.split, [name for name in NAMES if name in table]
    assert len(metrics) > 4
    cells = np.concatenate([split.test, split.start, split.reference])
    own = result.model.evaluate(
        perturbation=list(table.index),
        indices=np.unique(cells),
        reference_cells=split.reference,
        metrics=metrics,
        rng=int(np.random.default_rng(0).integers(2**31)),
    )
    np.testing.assert_allclose(own[metrics].to_numpy(float), table[metrics].to_numpy(float), rtol=1e-6, atol=1e-6)
    # Few cells, drawn anew
    stored = result.predicted.uns["prediction"]["scores"].set_index("perturbation").loc[table.index]
    np.testing.assert_allclose(stored[["rmse", "error_ratio"]], table[["rmse", "error_ratio"]], rtol=0.1)
