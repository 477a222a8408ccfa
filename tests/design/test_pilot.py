from __future__ import annotations

import numpy as np
import pytest

from scpi._view import View
from scpi.design._pilot import Pilot


def read(adata, sample_key=None, guide_key=None):
    return Pilot.read(
        View.of(adata), "perturbation", reference="control", groups="all", sample_key=sample_key, guide_key=guide_key
    )


def test_effects_are_those_of_the_simulation(make_pilot):
    adata, change = make_pilot()
    pilot = read(adata)
    assert pilot.names == ["A", "B"]
    assert pilot.codes.tolist()[:1] + pilot.codes.tolist()[-1:] == [2, 1]
    effects, between = pilot.effects(np.random.default_rng(0))
    assert between == 0
    # The library of all counts moves by what changes in sum
    total = np.log(np.exp(change).sum(axis=1, keepdims=True) / change.shape[1])
    z = (effects.estimate - (change - total)) / np.sqrt(effects.variance)
    assert 0.8 < z.std() < 1.25
    assert abs(z.mean()) < 0.4
    np.testing.assert_allclose(1.0 / pilot.size, 0.2, atol=0.06)
    np.testing.assert_allclose(pilot.mean_counts(), 20.0, rtol=0.15)


def test_the_variance_between_samples_is_found(make_pilot):
    adata, _ = make_pilot(n_samples=6, n_cells=60, n_controls=120, between=0.09, n_changed=0)
    pilot = read(adata, "donor")
    assert sorted(pilot.controls) == list(range(6))
    _, between = pilot.effects(np.random.default_rng(0))
    np.testing.assert_allclose(between, 0.09, atol=0.02)
    adata, _ = make_pilot(n_samples=6, n_cells=60, n_controls=120, n_changed=0)
    assert read(adata, "donor").effects(np.random.default_rng(0))[1] < 0.004


def test_guides_differ_by_their_efficacy(make_pilot):
    adata, change = make_pilot(n_cells=300)
    pilot = read(adata, guide_key="guide")
    effects, _ = pilot.effects(np.random.default_rng(0))
    same, none = pilot.efficacies(effects)
    np.testing.assert_allclose(same, 1.0, atol=0.1)
    assert len(none) == 3
    # One of three guides does nothing
    rng = np.random.default_rng(0)
    idle = ((adata.obs["perturbation"] == "A") & (adata.obs["guide"] == "g1")).to_numpy()
    adata.X[idle] = rng.permutation(adata.X[(adata.obs["perturbation"] == "control").to_numpy()])[: idle.sum()]
    pilot = read(adata, guide_key="guide")
    found = pilot.efficacies(pilot.effects(rng)[0])[0]
    np.testing.assert_allclose(found, [1.5, 0.0, 1.5], atol=0.15)


def test_controls_alone_are_a_pilot(make_pilot):
    adata, _ = make_pilot()
    controls = adata[adata.obs["perturbation"] == "control"].copy()
    pilot = Pilot.of_controls(View.of(controls), "perturbation", reference="control", names=["x"], sample_key=None)
    assert len(pilot.controls[0]) == 400
    with pytest.raises(ValueError, match="`reference` must be a group of"):
        Pilot.of_controls(View.of(controls), "perturbation", reference="NT", names=["x"], sample_key=None)


def test_a_perturbation_without_controls_beside_it_is_an_error(make_pilot):
    adata, _ = make_pilot()
    adata.obs["donor"] = np.where(adata.obs["perturbation"] == "control", "s0", "s1")
    with pytest.raises(ValueError, match="No sample has cells both of the control and of a perturbation"):
        read(adata, "donor").effects(np.random.default_rng(0))
