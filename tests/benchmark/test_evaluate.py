"""Evaluations of models over splits and seeds, on a screen whose truth is known."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi import metrics
from scpi.benchmark import ModelSpec, evaluate, splits, summarise
from scpi.benchmark._scores import LOWER_IS_BETTER, SCORES

N_GENES = 30


def make(*, shift: float = 1.0, n_cells: int = 40, rng: int = 0) -> ad.AnnData:
    """Three contexts in which P raises the same ten genes and Q ten others, by the same amount."""
    generator = np.random.default_rng(rng)
    rows, blocks = [], []
    for context in ("B", "NK", "T"):
        level = generator.uniform(1.0, 2.0, N_GENES)
        for label, start in {"control": None, "P": 0, "Q": 10}.items():
            x = level + generator.normal(0, 0.3, (n_cells, N_GENES))
            if start is not None:
                x[:, start : start + 10] += shift
            blocks.append(np.maximum(x, 0.0))
            rows += [(label, context)] * n_cells
    obs = pd.DataFrame(rows, columns=["perturbation", "cell_type"], index=[f"cell{i}" for i in range(len(rows))])
    x = np.concatenate(blocks).astype(np.float32)
    return ad.AnnData(sparse.csr_matrix(x), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)]))


@pytest.fixture(scope="module")
def adata():
    return make()


@pytest.fixture(scope="module")
def divided(adata):
    return splits.leave_context_out(adata, context_key="cell_type")


@pytest.fixture(scope="module")
def table(adata, divided):
    models = {"mean delta": scpi.model.MeanDelta, "no change": ModelSpec(model=scpi.model.NoChange)}
    return evaluate(adata, models, divided, context_key="cell_type", seeds=(0, 1))


def test_a_row_for_every_model_split_seed_and_condition(table):
    keys = ["model", "split", "seed", "context", "perturbation", "dose"]
    assert len(table) == 3 * 3 * 2 * 2 and not table.duplicated(keys).any()
    assert set(table["model"]) == {"mean delta", "no change", "split-half ceiling"}
    assert (table["split"] == table["context"]).all()
    assert set(SCORES) | {"discrimination", "centroid_accuracy"} <= set(table)
    assert table.loc[table["model"] == "mean delta", "n_cells"].eq(40).all()
    assert table.loc[table["model"] == "split-half ceiling", "n_cells"].eq(20).all()


def test_a_change_that_contexts_share_is_predicted(table):
    means = table.groupby("model")[["pearson", "error_ratio", "discrimination", "de_jaccard"]].mean()
    assert means.loc["mean delta", "pearson"] > 0.95
    assert means.loc["mean delta", "error_ratio"] < 0.25
    assert means.loc["mean delta", "discrimination"] == 1.0
    assert means.loc["mean delta", "de_jaccard"] > 0.9
    assert means.loc["no change", "error_ratio"] == pytest.approx(1.0)
    assert means.loc["no change", "discrimination"] == 0.5
    assert means.loc["split-half ceiling", "pearson"] > 0.95


def test_scores_are_those_of_the_means_of_the_cells(table, adata, divided):
    split, x = divided[0], adata.X.toarray().astype(float)
    labels = adata.obs["perturbation"].to_numpy()
    real = x[split.test[labels[split.test] == "P"]].mean(0) - x[split.reference].mean(0)
    changes = []
    for context in ("NK", "T"):
        own = (adata.obs["cell_type"] == context).to_numpy()
        changes.append(x[own & (labels == "P")].mean(0) - x[own & (labels == "control")].mean(0))
    predicted = np.mean(changes, axis=0)
    row = table.query("model == 'mean delta' and split == 'B' and perturbation == 'P' and seed == 0").iloc[0]
    assert row["pearson"] == pytest.approx(np.corrcoef(real, predicted)[0, 1], rel=1e-5)
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((real - predicted) ** 2)), rel=1e-4)
    assert row["error_ratio"] == pytest.approx(np.linalg.norm(real - predicted) / np.linalg.norm(real), rel=1e-4)
    cells = x[split.test[labels[split.test] == "P"]]
    moved = x[split.start] + predicted
    assert row["mse_normalised"] == pytest.approx(
        metrics.mse_unbiased(cells, moved) / metrics.mse_unbiased(cells, x[split.reference], correct_predicted=True),
        rel=1e-4,
    )
    # What all perturbed training cells share is taken off
    perturbed = np.mean(
        [x[(adata.obs["cell_type"] == c) & (labels == p)].mean(0) for c in ("NK", "T") for p in "PQ"], 0
    )
    assert row["pearson_perturbed"] == pytest.approx(
        np.corrcoef(cells.mean(0) - perturbed, moved.mean(0) - perturbed)[0, 1], rel=1e-4
    )


def test_the_data_is_left_alone(adata, table):
    assert list(adata.obs) == ["perturbation", "cell_type"] and not adata.uns


def test_what_is_kept_is_not_computed_again(adata, divided, tmp_path, monkeypatch):
    def run():
        models = {"mean / delta": scpi.model.MeanDelta}
        return evaluate(
            adata, models, divided[:1], context_key="cell_type", metrics=["pearson"], seeds=[3], out=tmp_path
        )

    first = run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mean---delta_B_3.json", "split-half-ceiling_B_3.json"]
    monkeypatch.setattr(scpi.model.MeanDelta, "train", None)
    pd.testing.assert_frame_equal(run(), first)


def test_a_layer_of_its_own_and_arguments_of_training(adata, divided):
    seen = {}

    class Watched(scpi.model.MeanDelta):
        def train(self, *args, **kwargs):
            seen.update(kwargs, setup=self.registry["setup_args"])
            super().train(*args, **kwargs)

    other = adata.copy()
    other.layers["other"] = other.X.copy()
    candidate = ModelSpec(model=Watched, layer="other", train={"max_epochs": 7}, validation_size=0.25)
    evaluate(other, {"w": candidate}, divided[:1], context_key="cell_type", metrics=["rmse"], seeds=[5], ceiling=False)
    assert seen["max_epochs"] == 7 and seen["seed"] == 5 and seen["setup"]["layer"] == "other"
    train, validation = seen["datasplitter_kwargs"]["external_indexing"]
    assert len(train) + len(validation) == len(divided[0].train)
    # A quarter of 40 cells in each of seven conditions of two contexts and half of the controls of the third
    labels = other.obs[["cell_type", "perturbation"]].iloc[validation].value_counts()
    assert labels.tolist() == [10] * 6 + [5]


def test_predicted_counts_are_compared_on_the_scale_of_the_cells_they_started_from():
    """Some of the genes, normalised by the sum over all: counts scaled by their own sum would differ from their logarithms."""

    class Counts(scpi.model.NoChange):
        _reads_counts = True

    rng = np.random.default_rng(0)
    adata = make()
    counts = rng.poisson(np.expm1(adata.X.toarray())).astype(np.float32)
    depth = counts.sum(1, keepdims=True) * rng.uniform(2, 4, (adata.n_obs, 1))
    adata.layers["counts"] = sparse.csr_matrix(counts)
    adata.X = sparse.csr_matrix(np.log1p(counts / depth * 1e3).astype(np.float32))
    divided = splits.leave_context_out(adata, context_key="cell_type", contexts="B")
    models = {"logarithms": scpi.model.NoChange, "counts": ModelSpec(model=Counts, layer="counts")}
    scores = ["error_ratio", "energy_distance", "variance_error"]
    table = evaluate(adata, models, divided, context_key="cell_type", metrics=scores, seeds=(0,), ceiling=False)
    both = [table[table["model"] == name].drop(columns=["model", "seconds"]) for name in models]
    pd.testing.assert_frame_equal(*(part.reset_index(drop=True) for part in both), atol=1e-4)


def test_the_seed_is_that_of_the_first_weights_too(adata, divided):
    seen = []

    class Watched(scpi.model.MeanDelta):
        def __init__(self, adata=None, registry=None, *, seed=None):
            super().__init__(adata, registry)
            seen.append(seed)

    models = {"own": Watched, "fixed": ModelSpec(model=Watched, init={"seed": 9})}
    evaluate(adata, models, divided[:1], context_key="cell_type", metrics=["rmse"], seeds=[5, 6], ceiling=False)
    assert seen == [5, 9, 6, 9]


def test_a_summary_knows_which_way_is_better(table):
    keys = ["split", "seed", "context", "perturbation"]
    summary = summarise(table, baseline="no change", pair_by=keys).set_index(["model", "metric"])
    for metric in ("rmse", "energy_distance", "sliced_wasserstein", "mse_normalised", "de_lfc_error"):
        assert metric in LOWER_IS_BETTER
        assert summary.loc[("mean delta", metric), "share_better"] == 1.0
        assert summary.loc[("mean delta", metric), "high"] < 0
    assert summary.loc[("mean delta", "de_pr_auc"), "share_better"] == 1.0


def test_the_control_of_the_measured_change_is_not_started_from():
    """A prediction of the mean of the controls must not gain from the noise of those it is compared with."""
    values = []
    for seed in range(8):
        adata = make(shift=0.0, n_cells=10, rng=seed)
        divided = splits.leave_context_out(adata, context_key="cell_type", rng=seed)
        models = {"train mean": scpi.model.TrainMean}
        found = evaluate(adata, models, divided, context_key="cell_type", metrics=["cosine"], seeds=[0], ceiling=False)
        values.append(found["cosine"].mean())
        shared = splits.leave_context_out(adata, context_key="cell_type", reference_share=0, rng=seed)
        found = evaluate(adata, models, shared, context_key="cell_type", metrics=["cosine"], seeds=[0], ceiling=False)
        values[-1] -= found["cosine"].mean()
    assert np.mean(values) < -2 * np.std(values) / np.sqrt(8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, "There are 0 models and 3 splits"),
        ({"metrics": ["r3"]}, "Unknown metrics 'r3': choose from 'pearson'"),
        ({"layer": "counts"}, "whole numbers only, up to 9, which look like raw counts"),
    ],
)
def test_bad_arguments(adata, divided, change, message):
    other = adata.copy()
    other.layers["counts"] = np.full(other.shape, 9.0, dtype=np.float32)
    arguments = {"models": {"mean": scpi.model.MeanDelta}, "context_key": "cell_type"} | change
    with pytest.raises(ValueError, match=message):
        evaluate(other, splits=divided, **arguments)
