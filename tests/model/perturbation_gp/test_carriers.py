"""Weights of measured effects in a prediction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._features._rows import unit_rows
from scpi.model.perturbation_gp._carriers import Carriers
from scpi.model.perturbation_gp._effects import TrainingEffects
from scpi.model.perturbation_gp._process import gaussian_process
from scpi.model.perturbation_gp._response import sizes

N, N_NEW, N_GENES = 20, 4, 50
KNOWN = np.arange(N)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    sets = sparse.csr_matrix(rng.random((N + N_NEW, 30)) < 0.2, dtype=float)
    table = rng.normal(size=(N + N_NEW, 3))
    effects = np.hstack([sets.toarray()[:, :3], table]) @ rng.normal(size=(6, N_GENES))
    effects = (effects + 0.2 * rng.normal(size=effects.shape))[:N]
    errors = rng.uniform(0.05, 0.3, effects.shape)
    sources = {"sets": unit_rows(sets), "table": unit_rows(table)}
    gene = np.full(N + N_NEW, -1)
    return TrainingEffects(sources, KNOWN, effects, errors, gene, np.zeros(N_GENES))


@pytest.fixture(scope="module")
def found(data):
    return gaussian_process(data)


@pytest.fixture(scope="module")
def carriers(data, found):
    return Carriers(data.sources, found.explained, known=KNOWN, noise=found.noise)


@pytest.fixture(scope="module")
def scores(data, found):
    centred = data.effects - found.mean
    values = centred @ found.axes.T / sizes(centred)[:, None]
    return values - values.mean(axis=0)


@pytest.mark.parametrize("row", range(N, N + N_NEW))
def test_the_weighted_effects_are_the_prediction(row, carriers, scores, found):
    assert found.calibration > 0
    weighed = carriers.weigh(row)
    np.testing.assert_allclose(found.calibration * weighed.total @ scores, found.scores[row], atol=1e-5)


@pytest.mark.parametrize("row", [0, 7])
def test_a_known_perturbation_is_predicted_by_the_others(row, carriers, scores, found):
    weighed = carriers.weigh(row)
    assert weighed.total[row] == 0
    np.testing.assert_allclose(found.calibration * weighed.total @ scores, found.left_out[row], atol=1e-8)


@pytest.mark.parametrize("row", [3, N, N + 1])
def test_features_add_up_to_their_source(row, carriers, data):
    weighed = carriers.weigh(row)
    assert set(weighed.by_source) == {"sets", "table"}
    columns, rows = weighed.by_feature["table"]
    assert columns.tolist() == [0, 1, 2]
    np.testing.assert_allclose(rows.sum(axis=0), weighed.by_source["table"], atol=1e-12)
    columns, rows = weighed.by_feature["sets"]
    assert columns.tolist() == np.flatnonzero(data.sources["sets"][[row]].toarray()[0]).tolist()
    # What is left is that rows of features are of length 1 but for those without any, and small
    rest = weighed.total - sum(weighed.by_source.values())
    assert np.abs(rest).max() < 0.05 * np.abs(weighed.total).max()


def test_without_some_known_perturbations_it_is_the_process_of_the_others(carriers, data, found):
    used = np.delete(KNOWN, [2, 5, 11])
    direct = Carriers(data.sources, found.explained, known=used, noise=found.noise[used])
    total = carriers.weigh(N, used).total
    np.testing.assert_allclose(total[used], direct.weigh(N).total, atol=1e-8)
    assert not total[[2, 5, 11]].any()


def test_without_features_it_is_the_process_of_the_other_features(carriers, data, found):
    left = {"sets": data.sources["sets"], "table": data.sources["table"] * np.array([1.0, 0.0, 1.0], dtype=np.float32)}
    direct = Carriers(left, found.explained, known=KNOWN, noise=found.noise)
    some = carriers.without({"table": np.array([1])})
    np.testing.assert_allclose(some.weigh(N).total, direct.weigh(N).total, atol=1e-6)
    nothing = carriers.without({"table": np.arange(3), "sets": np.arange(30)})
    assert not nothing.weigh(N).total.any()
