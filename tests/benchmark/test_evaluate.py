"""Evaluations of models over splits and seeds, on a screen whose truth is known."""

from __future__ import annotations

import importlib.util
import json
import linecache
import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi import metrics
from scpi._scoring._metrics import LOWER_IS_BETTER, METRICS, NAMES
from scpi.benchmark import ModelSpec, evaluate, noise_ceiling, splits, summarise

pytestmark = pytest.mark.filterwarnings("ignore:.*holds negative values")
N_GENES = 30
NOTHING_MORE = {"context_key": "cell_type", "metrics": ["rmse"], "seeds": 0, "ceiling": False, "progress": False}


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
    """With negative values, so that means are predicted, which depend on no draw."""
    adata = make()
    adata.X = sparse.csr_matrix(adata.X.toarray() - np.float32(0.75))
    return adata


@pytest.fixture(scope="module")
def divided(adata):
    return splits.leave_context_out(adata, context_key="cell_type")


@pytest.fixture(scope="module")
def table(adata, divided):
    models = {"mean delta": scpi.model.MeanDelta, "no change": ModelSpec(model=scpi.model.NoChange)}
    return evaluate(adata, models, divided, context_key="cell_type", seeds=(0, 1))


def test_a_row_for_every_model_split_seed_and_condition(table):
    keys = ["model", "split", "seed", "context", "perturbation", "dose"]
    assert len(table) == 4 * 3 * 2 * 2 and not table.duplicated(keys).any()
    assert set(table["model"]) == {"mean delta", "no change", "split-half ceiling", "perfect prediction"}
    assert (table["split"] == table["context"]).all()
    assert set(NAMES) <= set(table)
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
    assert means.loc["split-half ceiling", "pearson"] > 0.94
    assert means.loc["perfect prediction", "pearson"] > 0.97


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
    # The weights say what tells these cells from training cells under Q
    weights = metrics.change_weights(cells, x[split.train[labels[split.train] == "Q"]])
    assert row["r2_weighted_perturbed"] == pytest.approx(
        metrics.weighted_r2(cells.mean(0) - perturbed, moved.mean(0) - perturbed, weights), rel=1e-4
    )


def test_genes_that_are_perturbed_are_left_out(adata, divided):
    """P raises genes 0 to 9 and Q 10 to 19: with the names of two of them, each condition is scored without its own."""
    named = adata.copy()
    named.var_names = [{4: "P", 15: "Q"}.get(place, name) for place, name in enumerate(adata.var_names)]
    options = NOTHING_MORE | {"metrics": None, "ceiling": True}

    def run(data, **more):
        return evaluate(data, {"m": scpi.model.MeanDelta}, divided[0], **options, **more).drop(columns="seconds")

    kept, out, all_genes = run(adata), run(named), run(named, exclude_targets=False)
    pd.testing.assert_frame_equal(all_genes, kept, check_exact=True)
    for label, place in {"P": 4, "Q": 15}.items():
        rest = np.delete(np.arange(N_GENES), place)
        alone = evaluate(adata[:, rest].copy(), {"m": scpi.model.MeanDelta}, divided[0], **options)
        names = [name for name in NAMES if name in METRICS and METRICS[name].space != "components"]
        rows = [table[table["perturbation"] == label][names].to_numpy(float) for table in (out, alone, kept)]
        np.testing.assert_allclose(rows[0], rows[1], rtol=1e-6)
        assert not np.allclose(rows[0], rows[2], rtol=1e-3, equal_nan=True)


def test_the_data_is_left_alone(adata, table):
    assert list(adata.obs) == ["perturbation", "cell_type"] and not adata.uns


def test_what_is_kept_is_not_computed_again(adata, divided, tmp_path, monkeypatch):
    def run(**changes):
        return evaluate(
            adata, {"mean / delta": scpi.model.MeanDelta}, divided[0], out=tmp_path, **(NOTHING_MORE | changes)
        )

    first = run(ceiling=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.rpartition("_")[0] for name in names] == ["mean---delta_B_0", "split-half-ceiling_B_0"]
    monkeypatch.setattr(scpi.model.MeanDelta, "train", None)
    pd.testing.assert_frame_equal(run(ceiling=True), first)
    with pytest.raises(ValueError, match="MeanDelta has no `train`"):
        run(seeds=1)


class TestWhatIsKeptIsFoundByAllThatItDependsOn:
    """Each pair of calls shares a folder; the second result must be what it is without one."""

    @staticmethod
    def check(tmp_path, adata, models, split, **changes):
        arguments = NOTHING_MORE | changes
        kept = evaluate(adata, models, split, out=tmp_path, **arguments)
        fresh = evaluate(adata, models, split, **arguments)
        pd.testing.assert_frame_equal(kept.drop(columns="seconds"), fresh.drop(columns="seconds"))
        return kept

    def test_another_model_under_the_same_name(self, adata, divided, tmp_path):
        first, second = (
            self.check(tmp_path, adata, {"m": model}, divided[0])
            for model in (scpi.model.NoChange, scpi.model.MeanDelta)
        )
        assert (first["rmse"] > 2 * second["rmse"]).all()

    def test_another_setting(self, adata, divided, tmp_path):
        specs = [ModelSpec(model=scpi.model.MeanDelta, validation_size=size) for size in (0.0, 0.5)]
        first, second = (self.check(tmp_path, adata, {"m": spec}, divided[0]) for spec in specs)
        assert (first["rmse"] != second["rmse"]).all()

    def test_other_data(self, adata, divided, tmp_path):
        first, second = (
            self.check(tmp_path, data, {"m": scpi.model.MeanDelta}, divided[0]) for data in (adata, make(rng=1))
        )
        assert (first["rmse"] != second["rmse"]).all()

    def test_one_label_that_differs(self, adata, divided, tmp_path):
        other = adata.copy()
        swapped = other.obs["perturbation"].to_numpy().copy()
        train = divided[0].train
        place = train[swapped[train] == "P"][0]
        swapped[place] = "Q"
        other.obs["perturbation"] = swapped
        first, second = (self.check(tmp_path, data, {"m": scpi.model.MeanDelta}, divided[0]) for data in (adata, other))
        assert (first["rmse"] != second["rmse"]).all()

    def test_other_cells_under_the_same_name_of_the_split(self, adata, divided, tmp_path):
        again = splits.leave_context_out(adata, context_key="cell_type", rng=5)[0]
        first, second = (self.check(tmp_path, adata, {"m": scpi.model.MeanDelta}, s) for s in (divided[0], again))
        assert (first["rmse"] != second["rmse"]).all()

    def test_names_that_are_written_alike(self, adata, divided, tmp_path):
        models = {"a b": scpi.model.NoChange, "a-b": scpi.model.MeanDelta}
        table = self.check(tmp_path, adata, models, divided[0]).set_index("model")["rmse"]
        assert table["a b"].min() > 2 * table["a-b"].max()

    def test_other_metrics(self, adata, divided, tmp_path):
        first = self.check(tmp_path, adata, {"m": scpi.model.MeanDelta}, divided[0])
        second = self.check(tmp_path, adata, {"m": scpi.model.MeanDelta}, divided[0], metrics=["cosine", "rmse"])
        assert list(first.columns[-1:]) == ["rmse"] and list(second.columns[-2:]) == ["cosine", "rmse"]

    def test_a_class_that_was_written_anew(self, adata, divided, tmp_path):
        """As in a notebook: the same name in the same place, and other code."""
        code = """class Shifted(scpi.model.MeanDelta):
    def _predict_cells(self, *args, **kwargs):
        return super()._predict_cells(*args, **kwargs) + {shift}
"""
        tables = []
        for shift in (0.0, 1.0):
            path = tmp_path / "mine.py"
            path.write_text("import scpi\n\n\n" + code.format(shift=shift))
            spec = importlib.util.spec_from_file_location("mine", path)
            module = importlib.util.module_from_spec(spec)
            sys.modules["mine"] = module
            spec.loader.exec_module(module)
            linecache.checkcache()
            tables.append(self.check(tmp_path / "out", adata, {"m": module.Shifted}, divided[0]))
        assert (tables[0]["rmse"] < tables[1]["rmse"]).all()

    def test_an_equal_model_under_another_name_has_the_name_that_is_asked_for(self, adata, divided, tmp_path):
        for name in ("first", "first", "second"):
            table = self.check(tmp_path, adata, {name: scpi.model.MeanDelta}, divided[0])
            assert set(table["model"]) == {name}


def test_a_file_names_what_made_it(adata, divided, tmp_path):
    spec = ModelSpec(model=scpi.model.MeanDelta, train={"max_epochs": 7})
    evaluate(adata, {"a" * 400: spec}, divided[0], out=tmp_path, **NOTHING_MORE)
    (path,) = tmp_path.iterdir()
    assert len(path.name) < 120
    made_by = json.loads(path.read_text())["made_by"]
    assert made_by["name"] == "a" * 400 and made_by["versions"]["scpi"] == scpi.__version__
    assert {"torch", "scvi-tools", "numpy"} <= set(made_by["versions"])
    assert made_by["depends_on"]["model"]["model"] == ["scpi.model.baselines._mean_delta.MeanDelta"]
    assert made_by["depends_on"]["model"]["train"] == {"max_epochs": 7}


@pytest.mark.parametrize("content", ["{", "[]", '{"scores": {}, "made_by": {}}', ""])
def test_a_damaged_file_is_computed_again_with_a_warning_that_names_it(adata, divided, tmp_path, content):
    models = {"m": scpi.model.MeanDelta}
    first = evaluate(adata, models, divided[0], out=tmp_path, **NOTHING_MORE)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    with pytest.warns(UserWarning, match=f"{path.name}.*is damaged"):
        again = evaluate(adata, models, divided[0], out=tmp_path, **NOTHING_MORE)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), first.drop(columns="seconds"))
    assert list(tmp_path.iterdir()) == [path] and json.loads(path.read_text())["scores"]


def test_means_may_be_asked_for(tmp_path):
    logs = make()
    logs.layers["counts"] = logs.X.copy()
    logs.layers["counts"].data = np.ceil(5 * logs.X.data)
    split = splits.leave_context_out(logs, context_key="cell_type", contexts="B")
    models = {"cells": scpi.model.MeanDelta, "means": ModelSpec(model=scpi.model.MeanDelta, predict={"output": "mean"})}
    asked = NOTHING_MORE | {"metrics": ["variance_error"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = evaluate(logs, models, split, out=tmp_path, keep_predictions=True, **asked)
    outputs = {path.name[:5]: set(ad.read_h5ad(path).obs["predicted_output"]) for path in tmp_path.glob("*.h5ad")}
    assert outputs == {"cells": {"log"}, "means": {"mean"}}
    # A constant that is added to all cells leaves their variances as they are
    control = make()[split[0].start].X.toarray().var(0)
    assert table.groupby("model")["variance_error"].mean().nunique() == 2
    kept = next(ad.read_h5ad(path) for path in tmp_path.glob("means*.h5ad"))
    np.testing.assert_allclose(kept[kept.obs["perturbation"] == "P"].X.var(0), control, rtol=1e-4)
    models = {"counts": ModelSpec(model=scpi.model.MeanDelta, layer="counts", predict={"output": "mean"})}
    with pytest.raises(RuntimeError, match="the logarithm of a mean is not the mean of logarithms"):
        evaluate(logs, models, split, **asked)


def test_predictions_can_be_kept(adata, divided, tmp_path):
    models = {"m": scpi.model.MeanDelta}
    table = evaluate(adata, models, divided[0], out=tmp_path, **NOTHING_MORE)
    with pytest.raises(ValueError, match="`out='results'`, or a folder of their own, `keep_predictions='predictions'`"):
        evaluate(adata, models, divided[0], keep_predictions=True, **NOTHING_MORE)
    evaluate(adata, models, divided[0], out=tmp_path, keep_predictions=True, **NOTHING_MORE)
    scores, cells = (next(tmp_path.glob(f"*.{ending}")) for ending in ("json", "h5ad"))
    assert cells.stem == scores.stem
    predicted = ad.read_h5ad(cells)
    labels = adata.obs["perturbation"].to_numpy()
    test = divided[0].test
    x = adata.X.toarray()
    assert predicted.obs[["context", "perturbation"]].drop_duplicates().to_numpy().tolist() == [["B", "P"], ["B", "Q"]]
    for label, rmse in table.set_index("perturbation")["rmse"].items():
        change = x[test[labels[test] == label]].mean(0) - x[divided[0].reference].mean(0)
        made = predicted.X[(predicted.obs["perturbation"] == label).to_numpy()].mean(0) - x[divided[0].start].mean(0)
        assert np.sqrt(np.mean((made - change) ** 2)) == pytest.approx(rmse, rel=1e-5)


def test_predictions_that_are_kept_are_not_written_again(adata, divided, tmp_path, monkeypatch):
    """A run that goes on reads the scores; cells that are gone are made anew. Names are no paths."""
    models = {"../../up": scpi.model.MeanDelta, "a/b": scpi.model.NoChange}
    out, folder = tmp_path / "in" / "out", tmp_path / "in" / "cells"

    def run():
        return evaluate(adata, models, divided[0], out=out, keep_predictions=folder, **NOTHING_MORE)

    first = run()
    found = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.parent for path in found} == {out, folder}
    assert [path.name.rpartition("_")[0] for path in found if path.parent == folder] == ["..-..-up_B_0", "a-b_B_0"]
    written = {path: path.stat().st_mtime_ns for path in found}
    pd.testing.assert_frame_equal(run(), first)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == written
    gone = next(folder.glob("a-b*"))
    gone.unlink()
    run()
    again = {path for path in written if path.stat().st_mtime_ns != written[path]}
    assert again == {gone, out / f"{gone.stem}.json"}
    # A run that ends early leaves no part of a file
    gone.unlink()
    monkeypatch.setattr(ad.AnnData, "write_h5ad", lambda self, path, **_: path.write_text("half") and 1 / 0)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run()
    assert not gone.exists() and len([path for path in tmp_path.rglob("*") if path.is_file()]) == len(found) - 1


def test_every_wrong_model_is_named_before_anything_is_trained(adata, divided, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(scpi.model.MeanDelta, "train", fail)
    models = {
        "right": scpi.model.MeanDelta,
        "class": ModelSpec(model=dict),
        "init": ModelSpec(model=scpi.model.MultiTaskAE, init={"n_latents": 3}),
        "setup": ModelSpec(model=scpi.model.NoChange, setup={"batch_key": "nowhere"}),
        "train": ModelSpec(model=scpi.model.SCGEN, train={"seed": 3, "max_epochs": 1, "train_sizes": 0.1}),
        "size": ModelSpec(model=scpi.model.NoChange, validation_size=1.0),
    }
    with pytest.raises(ValueError, match="models cannot be evaluated; nothing was trained") as error:
        evaluate(adata, models, divided[0], **NOTHING_MORE)
    message = str(error.value)
    assert "'class': dict has no `setup_anndata`, `train`, `predict`" in message
    assert all(f"'{name}': " in message for name in ("init", "setup", "train", "size"))
    assert "'right'" not in message


def test_a_model_that_fails_does_not_end_the_others(adata, divided, tmp_path):
    class Fails(scpi.model.MeanDelta):
        def train(self, *args, **kwargs):
            msg = "it diverged"
            raise FloatingPointError(msg)

    models = {"bad": Fails, "good": scpi.model.MeanDelta}
    with pytest.raises(RuntimeError, match="1 of 2 runs failed.*bad, B, seed 0: FloatingPointError: it diverged"):
        evaluate(adata, models, divided[0], out=tmp_path, **NOTHING_MORE)
    assert [path.name.partition("_")[0] for path in tmp_path.iterdir()] == ["good"]


def test_baselines_that_coincide_are_named_in_one_line(adata):
    """With one training context its change is all there is to predict with."""
    two = adata[adata.obs["cell_type"] != "T"].copy()
    models = {name: getattr(scpi.model, name) for name in ("NoChange", "MeanDelta", "NearestDelta", "RidgeDelta")}
    with pytest.warns(UserWarning, match="count as one: MeanDelta = NearestDelta = RidgeDelta[.]") as found:
        table = evaluate(two, models, splits.leave_context_out(two, context_key="cell_type"), **NOTHING_MORE)
    assert sum("count as one" in str(warning.message) for warning in found) == 1
    assert set(table["model"]) == set(models)
    assert list(summarise(table, pair_by=["split", "perturbation"])["model"]) == [
        "NoChange",
        "MeanDelta = NearestDelta = RidgeDelta",
    ]


def test_lightning_is_quiet_and_filters_are_as_they_were(adata, divided, capsys):
    import logging
    import warnings

    before = list(warnings.filters), logging.getLogger("lightning.pytorch").level
    spec = ModelSpec(model=scpi.model.SCGEN, train={"max_epochs": 1, "accelerator": "cpu"})
    evaluate(adata, {"net": spec}, divided[0], **(NOTHING_MORE | {"progress": True}))
    assert (list(warnings.filters), logging.getLogger("lightning.pytorch").level) == before
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "GPU" not in shown.err and "Trainer" not in shown.err and "Evaluated" in shown.err


def test_a_perfect_prediction_is_above_the_halves_and_below_one(table):
    wide = table.pivot_table(index="model", values=["pearson", "cosine", "rmse"], aggfunc="mean", dropna=False)
    for name in ("pearson", "cosine"):
        assert wide.loc["split-half ceiling", name] < wide.loc["perfect prediction", name] < 1
    rows = table[table["model"] == "perfect prediction"]
    halves = table[table["model"] == "split-half ceiling"]
    np.testing.assert_allclose(
        rows["pearson"], np.sqrt(2 * halves["pearson"].to_numpy() / (1 + halves["pearson"].to_numpy()))
    )
    assert rows[["rmse", "mmd", "de_jaccard", "discrimination"]].isna().all(axis=None)


def test_the_ceiling_without_models(adata, divided, table):
    found = noise_ceiling(adata, divided, context_key="cell_type", seeds=(0, 1))
    both = table[table["model"].isin(["split-half ceiling", "perfect prediction"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, both)


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
    with pytest.warns(UserWarning, match="own = fixed"):
        evaluate(adata, models, divided[:1], **(NOTHING_MORE | {"seeds": [5, 6]}))
    assert seen == [5, 9, 5, 9, 6, 9]  # built once to be checked


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
        shared = splits.leave_context_out(adata, context_key="cell_type", reference_fraction=0, rng=seed)
        found = evaluate(adata, models, shared, context_key="cell_type", metrics=["cosine"], seeds=[0], ceiling=False)
        values[-1] -= found["cosine"].mean()
    assert np.mean(values) < -2 * np.std(values) / np.sqrt(8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, "There are 0 models and 3 seeds"),
        ({"splits": []}, "There are 0 splits"),
        (
            {"models": {"perfect prediction": scpi.model.MeanDelta}},
            "'perfect prediction' names a row of the noise ceiling",
        ),
        ({"n_components": 0}, "`n_components` must be at least 1"),
        ({"n_cells": 1}, "`n_cells` must be at least 2"),
        ({"metrics": ["r3"]}, "Unknown metrics 'r3': choose from 'pearson'"),
        ({"layer": "counts"}, "whole numbers only, up to 9, which look like raw counts"),
    ],
)
def test_bad_arguments(adata, divided, change, message):
    other = adata.copy()
    other.layers["counts"] = np.full(other.shape, 9.0, dtype=np.float32)
    arguments = {"models": {"mean": scpi.model.MeanDelta}, "context_key": "cell_type"} | change
    with pytest.raises(ValueError, match=message):
        evaluate(other, **({"splits": divided} | arguments))
