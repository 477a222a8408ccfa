from __future__ import annotations

import numpy as np
import pytest

from scpi._view import View
from scpi.design._pilot import Pilot
from scpi.design._simulate import Size, simulate

COLUMNS = ("perturbation", "donor")


@pytest.fixture
def pilot(make_pilot):
    adata, _ = make_pilot(n_samples=2)
    return Pilot.read(
        View.of(adata), "perturbation", reference="control", groups="all", sample_key="donor", guide_key=None
    )


def test_an_experiment_has_the_size_and_the_effects_that_were_asked_for(pilot):
    effects = np.zeros((2, 120))
    effects[0, :2] = np.log([4.0, 0.25])
    size = Size(n_cells=300, n_controls=500, n_replicates=3, n_guides=1, depth=0.5)
    adata = simulate(pilot, size, effects, np.random.default_rng(0), columns=COLUMNS)
    counted = adata.obs.groupby(list(COLUMNS)).size().unstack()
    assert counted.loc["control"].tolist() == [500] * 3
    assert counted.loc["A"].tolist() == counted.loc["B"].tolist() == [300] * 3
    means = adata.to_df().groupby(adata.obs["perturbation"]).mean()
    np.testing.assert_allclose(means.loc["control"].mean(), 0.5 * pilot.mean_counts().mean(), rtol=0.02)
    ratio = (means.loc["A"] / means.loc["control"]).to_numpy()
    np.testing.assert_allclose(ratio[:2], [4.0, 0.25], rtol=0.1)
    np.testing.assert_allclose(ratio[2:], 1.0, atol=0.1)
    np.testing.assert_allclose(means.loc["B"] / means.loc["control"], 1.0, atol=0.1)


def test_cells_of_a_replicate_are_those_of_a_sample_of_the_pilot(pilot):
    size = Size(n_cells=5, n_controls=5, n_replicates=2, n_guides=1, depth=1.0)
    adata = simulate(pilot, size, np.zeros((2, 120)), np.random.default_rng(0), columns=COLUMNS)
    of_sample = [{tuple(row) for row in pilot.counts[cells].toarray()} for cells in pilot.controls.values()]
    for _, rows in adata.to_df().groupby(adata.obs["donor"]):
        assert sum({tuple(row) for row in rows.to_numpy()} <= known for known in of_sample) == 1


def test_changes_vary_between_replicates_and_guides(pilot):
    size = Size(n_cells=4000, n_controls=10, n_replicates=1, n_guides=2, depth=1.0)
    effects = np.tile(np.log(3.0), (2, 120))
    rng = np.random.default_rng(0)
    half = [np.array([0.0, 0.0]), np.array([1.0])]
    adata = simulate(pilot, size, effects, rng, columns=COLUMNS, efficacies=half)
    means = adata.to_df().groupby(adata.obs["perturbation"]).mean().mean(axis=1)
    base = pilot.mean_counts().mean()
    np.testing.assert_allclose([means["A"] / base, means["B"] / base], [1.0, 3.0], rtol=0.05)
    adata = simulate(pilot, size, 0 * effects, rng, columns=COLUMNS, between=0.16)
    means = adata.to_df().groupby(adata.obs["perturbation"]).mean()
    changes = np.log(means.loc[["A", "B"]] / pilot.mean_counts()).to_numpy()
    np.testing.assert_allclose(changes.std(), 0.4, rtol=0.25)
