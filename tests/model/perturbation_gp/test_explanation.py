"""Predicted effects as sums over measured effects, sources and features."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scpi
from scpi._explained._explanation import shares
from scpi._explained._significance import p_values
from scpi.model import PerturbationGP
from scpi.model.perturbation_gp._carriers import Carriers
from scpi.model.perturbation_gp._explanation import EffectExplanation, Member

NAMES = [f"{family}{number}" for family in ("KLF", "IRF", "SOX") for number in range(1, 9)]
NEW = "KLF8"


def simulate(seed=0, *, with_pairs=True):
    """Cells of three families whose effects are alike, and of a few pairs."""
    rng = np.random.default_rng(seed)
    family = np.repeat(rng.normal(size=(3, 60)), 8, axis=0)
    effects = pd.DataFrame(0.4 * family + 0.1 * rng.normal(size=(24, 60)), index=NAMES)
    pairs = [f"KLF{i}+IRF{i}" for i in range(1, 7)] if with_pairs else []
    labels = ["control"] * 120 + [name for name in [*NAMES[:7], *NAMES[8:], *pairs] for _ in range(15)]
    change = np.stack(
        [0 * effects.iloc[0] if label == "control" else effects.loc[label.split("+")].sum() for label in labels]
    )
    x = np.maximum(3.0 + change + 0.4 * rng.normal(size=change.shape), 0).astype(np.float32)
    obs = pd.DataFrame({"perturbation": labels}, index=[f"c{i}" for i in range(len(labels))])
    adata = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(60)]))
    table = pd.DataFrame(rng.normal(size=(24, 3)), index=NAMES)
    scpi.tl.perturbation_features(adata, embeddings={"table": table}, perturbations=[NEW])
    return adata


def fit(adata, **kwargs):
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata, **kwargs)
    model.train(train_size=1.0)
    return model


@pytest.fixture(scope="module")
def model():
    return fit(simulate())


def change(model, label):
    predicted = model.predict(perturbation=label, output="mean")
    return np.asarray(predicted.X, dtype=float).mean(0) - predicted.uns["prediction"]["control_mean"]


@pytest.mark.parametrize("label", [NEW, "IRF3", "IRF3+SOX2", f"{NEW}+IRF3", "KLF1+IRF1"])
def test_parts_add_up_to_what_is_predicted(label, model):
    found = model.explain(perturbation=label)
    np.testing.assert_allclose(found.change, change(model, label), atol=1e-5)
    assert list(found.parts) == ["perturbations", "sources", "features"]
    for parts in found.parts.values():
        np.testing.assert_allclose(parts.contributions.sum(axis=0) + found.common, found.change, atol=1e-12)
        assert shares(parts.contributions, found.special).sum() == pytest.approx(1.0)


def test_its_family_carries_a_new_perturbation(model):
    parts = model.explain(perturbation=NEW).parts
    fractions = pd.Series(shares(parts["perturbations"].contributions, model.explain(perturbation=NEW).special))
    fractions.index = parts["perturbations"].names
    assert fractions[NAMES[:7]].sum() > 0.6
    assert fractions.idxmax() in NAMES[:7]
    features = parts["features"]
    assert {"symbols: KLF", "symbols: KLF...", "table: 0"} <= set(features.names)
    assert features.names[-1] == "(the others)"


def test_a_measured_perturbation_carries_itself(model):
    parts = model.explain(perturbation="IRF3").parts
    own = parts["perturbations"]
    place = own.names.index("IRF3")
    assert own.is_named[place]
    assert not own.is_tested[place]
    assert parts["sources"].names == ["symbols", "table", "(what is special)", "(its own measurement)"]
    np.testing.assert_allclose(parts["sources"].contributions[-1], own.contributions[place], atol=1e-12)


def test_weights_are_those_of_measured_deviations(model):
    found = model.explain(perturbation=NEW)
    parts, axes = found.parts["perturbations"], model.module.array("axes")
    deviation = model._measured_effects() - model.module.array("mean_effect")
    carried = parts.weights[:, None] * (deviation @ axes.T @ axes)
    # But for the mean of what is divided by sizes, which is subtracted from all
    np.testing.assert_allclose(carried.sum(axis=0), found.special, atol=1e-5)


def test_what_is_removed_is_not_used(model):
    found = model.explain(perturbation=NEW)
    whole = found.without("perturbations", np.array([], dtype=int))
    np.testing.assert_allclose(whole, found.special, atol=1e-10)
    family = np.array([found.parts["perturbations"].names.index(name) for name in NAMES[:7]])
    others = found.without("perturbations", family)
    assert others @ whole < 0.3 * (whole @ whole)
    assert found.without("sources", np.array([0])) @ whole < 0.3 * (whole @ whole)
    everything = np.flatnonzero(found.parts["features"].is_named)
    np.testing.assert_allclose(
        found.without("features", everything), found.without("sources", np.array([0, 1])), atol=1e-10
    )


def test_p_values_are_uniform_where_effects_have_nothing_to_do_with_features():
    rng = np.random.default_rng(0)
    features = {"table": rng.normal(size=(21, 3))}
    carriers = Carriers(features, {"table": 0.5}, known=np.arange(20), noise=np.zeros(20))
    found = {"perturbations": [], "sources": [], "features": [], "genes": []}
    for _ in range(150):
        explanation = EffectExplanation(
            carriers,
            [Member(20, 1.0, None)],
            names=[str(i) for i in range(21)],
            features={"table": ["a", "b", "c"]},
            slope=1.0,
            scores=rng.normal(size=(20, 4)),
            size=np.ones(20),
            axes=np.eye(4, 8),
            mean=np.zeros(8),
        )
        values = p_values(explanation, 99, rng)
        for kind, drawn in found.items():
            drawn.append(values[kind][1 if kind == "features" else 0])
    for drawn in found.values():
        assert stats.kstest(drawn, "uniform").pvalue > 0.01


def test_a_family_is_more_than_chance(model):
    explanation = model.explain(perturbation=NEW)
    values = p_values(explanation, 500, np.random.default_rng(0))
    parts = explanation.parts["perturbations"]
    own = np.isin(parts.names, NAMES[:7])
    assert (values["perturbations"][own] < 0.1).all()
    place = explanation.parts["features"].names.index("symbols: KLF")
    assert values["features"][place] < 0.01


def test_where_features_are_worth_nothing_only_the_mean_is_left():
    adata = simulate()
    del adata.uns["perturbation_features"]
    model = fit(adata)
    found = model.explain(perturbation="IRF3+SOX2")
    np.testing.assert_allclose(found.change, change(model, "IRF3+SOX2"), atol=1e-5)
    assert found.parts["features"].names == ["(the others)", "(its own measurement)"]


def test_a_saved_model_explains_alike(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = PerturbationGP.load(tmp_path / "model", adata=model.adata)
    for kind, parts in loaded.explain(perturbation=NEW).parts.items():
        before = model.explain(perturbation=NEW).parts[kind]
        assert parts.names == before.names
        np.testing.assert_allclose(parts.contributions, before.contributions, atol=1e-6)


def test_what_is_refused(model):
    with pytest.raises(ValueError, match="'control' is the control.*nothing to explain"):
        model.explain(perturbation="control")
    with pytest.raises(ValueError, match="Unknown perturbation 'XYZ'"):
        model.explain(perturbation="XYZ")
    adata = simulate()
    with pytest.raises(ValueError, match="preset 'nearest' cannot explain predictions"):
        fit(adata, preset="nearest").explain(perturbation=NEW)
