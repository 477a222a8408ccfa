"""Mean of the other perturbations."""

from __future__ import annotations

import numpy as np

from scpi.model.perturbation_gp._leave_one_out import others_mean


def test_it_is_the_mean_of_the_others():
    effects = np.random.default_rng(0).normal(size=(5, 4))
    found = others_mean(effects, effects.mean(axis=0), np.full(5, -1))
    np.testing.assert_allclose(found, [np.delete(effects, row, axis=0).mean(axis=0) for row in range(5)])


def test_the_own_gene_counts_as_the_mean():
    effects = np.random.default_rng(0).normal(size=(3, 4))
    gene = np.array([2, -1, 0])
    # What the model is trained on: the own gene changes as under the others
    without = effects.copy()
    without[0, 2], without[2, 0] = effects[1:, 2].mean(), effects[:2, 0].mean()
    mean = without.mean(axis=0)
    found = others_mean(effects, mean, gene)
    assert found[0, 2] == mean[2]
    assert found[2, 0] == mean[0]
    np.testing.assert_allclose(found[1, [1, 3]], effects[[0, 2]][:, [1, 3]].mean(axis=0))
