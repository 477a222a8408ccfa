"""The model with a key of contexts."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model import PerturbationGP

NAMES = [f"{family}{number}" for family in ("KLF", "IRF", "MAPK", "SOX") for number in range(1, 7)]
N_GENES = 80


def simulate(seed=0, n_contexts=4, special=0.4):
    """Table of profiles: families with effects alike, in each context with parts of their own."""
    rng = np.random.default_rng(seed)
    effects = np.repeat(rng.normal(size=(4, N_GENES)), 6, axis=0) + 0.6 * rng.normal(size=(24, N_GENES))
    rows, obs = [], []
    for context in range(n_contexts):
        base = 3.0 + rng.normal(size=N_GENES)
        offset = 0.5 * rng.normal(size=N_GENES)
        changes = effects + offset + special * rng.normal(size=effects.shape)
        rows += [base, *(base + changes)]
        obs += [(label, f"c{context}") for label in ("control", *NAMES)]
    index = [f"row{i}" for i in range(len(obs))]
    table = pd.DataFrame(obs, columns=["perturbation", "context"], index=index)
    adata = ad.AnnData(np.array(rows, dtype=np.float32), obs=table)
    scpi.tl.perturbation_features(adata, perturbations=["KLF9", "NOVEL"])
    return adata


def fit(adata, *, known=(), context="c3", **kwargs):
    """Trained on all contexts but one, and there on the controls and a few perturbations."""
    PerturbationGP.setup_anndata(adata, context_key="context")
    model = PerturbationGP(adata, **kwargs)
    there = (adata.obs["context"] == context) & ~adata.obs["perturbation"].isin(["control", *known])
    train, rest = np.flatnonzero(~there), np.flatnonzero(there)
    model.train(datasplitter_kwargs={"external_indexing": [train, rest[:0], rest]})
    return model


def change(model, label, context, adata=None):
    predicted = model.predict(adata, perturbation=label, context=context, n_cells=1, output="mean")
    return np.asarray(predicted.X) - predicted.uns["prediction"]["control_mean"]


def measured(adata, context):
    own = adata[adata.obs["context"] == context].to_df()
    own.index = adata.obs["perturbation"][adata.obs["context"] == context]
    return own.drop("control") - own.loc["control"]


@pytest.fixture(scope="module")
def adata():
    return simulate()


@pytest.fixture(scope="module")
def model(adata):
    return fit(adata, known=NAMES[:3])


def test_what_was_not_measured_in_a_context_is_predicted_from_others(adata, model):
    new = NAMES[3:]
    real = measured(adata, "c3").loc[new].to_numpy()
    error = np.square(change(model, new, "c3") - real).sum()
    others = np.mean([measured(adata, f"c{i}").loc[new].to_numpy() for i in range(3)], axis=0)
    assert error < 0.6 * np.square(others - real).sum()
    assert error < 0.4 * np.square(real - others.mean(axis=0)).sum()


@pytest.mark.parametrize("n_known", [0, 1, 3, 10])
def test_each_number_of_measured_perturbations_works(n_known):
    errors = []
    for seed in range(3):
        adata = simulate(seed)
        found, new = fit(adata, known=NAMES[:n_known]), NAMES[n_known:]
        real = measured(adata, "c3").loc[new].to_numpy()
        others = np.mean([measured(adata, f"c{i}").loc[new].to_numpy() for i in range(3)], axis=0)
        errors.append([np.square(one - real).sum() for one in (change(found, new, "c3"), others)])
    own, others = np.sum(errors, axis=0)
    # Their controls tell nothing of these contexts, and what is special to one is known by what is measured in it
    assert own < {0: 1.02, 1: 1.02, 3: 0.6, 10: 0.6}[n_known] * others


def test_what_was_measured_is_kept(adata, model):
    # Tables have no errors, so that nothing is shrunk
    real = measured(adata, "c3").loc[NAMES[:3]].to_numpy()
    np.testing.assert_allclose(change(model, NAMES[:3], "c3"), real, atol=1e-4)
    np.testing.assert_allclose(
        change(model, NAMES[5], "c1")[0], measured(adata, "c1").loc[NAMES[5]].to_numpy(), atol=1e-4
    )


def test_one_context_is_none():
    adata = simulate(n_contexts=1)
    PerturbationGP.setup_anndata(adata)
    plain = PerturbationGP(adata)
    plain.train(train_size=1.0)
    PerturbationGP.setup_anndata(adata, context_key="context")
    one = PerturbationGP(adata)
    one.train(train_size=1.0)
    asked = {"perturbation": [*NAMES, "KLF9"], "output": "mean"}
    np.testing.assert_allclose(one.predict(**asked).X, plain.predict(**asked).X, atol=1e-8)
    assert one.context_calibration.empty
    assert one.context_similarity.empty


def test_new_contexts_are_known_by_their_controls(adata, model):
    new = adata[adata.obs["context"] == "c3"].copy()
    new.obs["context"] = "new"
    found, known = (change(model, ["SOX6", "KLF9"], name, data) for name, data in (("new", new), ("c3", None)))
    assert np.corrcoef(found[0], known[0])[0, 1] > 0.8
    # Nothing of what was measured in the other one
    assert np.abs(found - known).max() > 0.01


def test_the_effects_of_a_combination_add_up(model):
    both = change(model, "KLF1+SOX6", "c3")[0]
    np.testing.assert_allclose(both, change(model, ["KLF1", "SOX6"], "c3").sum(axis=0), atol=1e-5)


def test_what_has_no_features_is_flagged(model):
    predicted = model.predict(perturbation=["KLF9", "NOVEL", "KLF1"], context="c1", n_cells=1, output="mean")
    assert predicted.obs["status"].tolist() == ["unseen", "no features", "trained"]
    assert model.unmeasured_perturbations == ["KLF9"]
    here, there = (change(model, "NOVEL", context)[0] for context in ("c1", "c3"))
    # The offsets of the contexts
    assert np.abs(here - there).max() > 0.1


def test_a_saved_model_predicts_the_same(adata, model, tmp_path):
    model.save(tmp_path / "model", save_anndata=False)
    again = PerturbationGP.load(tmp_path / "model", adata=adata)
    asked = ["SOX6", "KLF9", "KLF1"]
    np.testing.assert_allclose(change(again, asked, "c3"), change(model, asked, "c3"), atol=1e-6)
    pd.testing.assert_frame_equal(again.context_similarity, model.context_similarity)


def test_it_says_how_contexts_are_related(model):
    assert model.context_calibration.index.tolist() == ["pair", "context", "perturbation", "both"]
    assert model.context_calibration.between(0.5, 1.0).all()
    similar = model.context_similarity
    assert similar.index.tolist() == similar.columns.tolist() == ["c0", "c1", "c2", "c3"]
    assert (np.diag(similar) == pytest.approx(1.0)) and similar.to_numpy().min() > 0.3


def test_presets_pool_the_contexts(adata):
    pooled = fit(adata, preset="kernel_ridge")
    np.testing.assert_allclose(change(pooled, "KLF9", "c0"), change(pooled, "KLF9", "c3"), atol=1e-5)
    assert pooled.context_calibration.empty


def test_intervals_of_both_kinds(adata):
    found = fit(adata, context="none")
    found.calibrate("perturbations")
    left_out = found.left_out_["perturbations"]
    assert len(left_out["perturbation"]) == 96
    # As if the perturbation had been measured nowhere
    refitted = fit(adata[adata.obs["perturbation"] != "SOX2"].copy(), context="none")
    row = [pair == ("SOX2", "c1") for pair in zip(left_out["perturbation"], left_out["context"], strict=True)].index(
        True
    )
    expected = change(refitted, "SOX2", "c1")[0]
    assert np.corrcoef(left_out["predicted"][row], expected)[0, 1] > 0.95
    predicted = found.predict(perturbation="KLF9", context="c1", n_cells=1, output="mean", interval=0.9)
    width = predicted.layers["upper"] - predicted.layers["lower"]
    assert (width > 0).all() and np.isfinite(width).all()


@pytest.mark.slow
def test_intervals_of_another_context():
    many = simulate(1, n_contexts=11)
    found = fit(many, known=NAMES[:3], context="c10")
    found.calibrate("contexts")
    predicted = found.predict(perturbation=NAMES[3:], context="c10", n_cells=1, output="mean", interval=0.9)
    real = measured(many, "c10").loc[NAMES[3:]].to_numpy()
    covered = (predicted.layers["lower"] <= real) & (real <= predicted.layers["upper"])
    assert 0.8 < covered.mean() < 1.0


def test_counts_are_drawn_by_the_shared_last_step():
    rng = np.random.default_rng(0)
    rate = rng.gamma(2.0, 1.0, 60)
    effect = 0.8 * rng.normal(size=(4, 60))
    labels = np.tile(np.repeat(["control", "A", "B", "C", "D"], [60, 20, 20, 20, 20]), 3)
    context = np.repeat(["x", "y", "z"], 140)
    change_of = {"control": np.zeros(60), **dict(zip("ABCD", effect, strict=True))}
    counts = rng.poisson(rate * np.exp(np.stack([change_of[label] for label in labels]))).astype(np.float32)
    obs = pd.DataFrame({"perturbation": labels, "context": context}, index=[f"cell{i}" for i in range(420)])
    cells = ad.AnnData(np.log1p(counts), obs=obs, layers={"counts": counts})
    model = fit(cells, context="z", known=["A"])
    predicted = model.predict(perturbation="D", context="z")
    assert (predicted.layers["counts"].toarray() == np.round(predicted.layers["counts"].toarray())).all()
    there = (cells.obs["context"] == "z").to_numpy()
    real, control = (cells.X[there & (labels == label)].mean(axis=0) for label in ("D", "control"))
    assert np.corrcoef(np.asarray(predicted.X.mean(axis=0)).ravel() - control, real - control)[0, 1] > 0.8


def test_what_rests_on_several_contexts_is_not_explained():
    with pytest.raises(ValueError, match="several contexts cannot be explained: pool the contexts"):
        fit(simulate()).explain(perturbation="KLF1", context="c3")
