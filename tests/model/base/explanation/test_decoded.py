"""Units of a network that a change goes through."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from scpi._explained._significance import p_values
from scpi.model.base.explanation._decoded import DecodedExplanation
from scpi.model.base.explanation._path import Path


class Network(torch.nn.Module):
    """Four units that are shifted, and a decoder of ten genes that also reads a code."""

    def __init__(self, n_codes=0):
        super().__init__()
        self.shift = torch.nn.Parameter(torch.randn(4 + n_codes))
        self.decoder = torch.nn.Linear(4 + n_codes, 10)


def explain(network, change=None, **options):
    def path(module, rng):
        start = torch.zeros(3, len(module.shift))
        return Path(lambda x, cells: module.decoder(x), start, start + module.shift.detach(), torch.ones(3, 1))

    decoded = path(network, None).change()
    names = [f"unit {i}" for i in range(4)]
    return DecodedExplanation("units", names, network, path, decoded if change is None else change, **options)


def test_parts_add_up_and_what_is_beyond_the_decoder_is_one():
    torch.manual_seed(0)
    change = np.linspace(-1, 1, 10)
    found = explain(Network(n_codes=2), change, condition="code", beyond={"other cells": np.full(10, 0.1)})
    parts = found.parts["units"]
    assert parts.names == ["unit 0", "unit 1", "unit 2", "unit 3", "code", "other cells", "(beyond the decoder)"]
    np.testing.assert_allclose(parts.contributions.sum(axis=0), change, atol=1e-6)
    assert parts.is_named.tolist() == [True] * 6 + [False]
    assert parts.is_tested.tolist() == [True] * 4 + [False] * 3
    assert np.isnan(parts.weights[4:]).all()
    assert not found.common.any()


def test_what_is_removed_is_not_decoded():
    torch.manual_seed(0)
    found = explain(Network(), beyond={"other": np.ones(10)}, change=np.arange(10.0))
    parts = found.parts["units"].contributions
    np.testing.assert_allclose(found.without("units", np.array([], dtype=int)), found.change, atol=1e-6)
    np.testing.assert_allclose(found.without("units", np.array([1, 4])), found.change - parts[1] - parts[4], atol=1e-6)


def test_p_values_of_a_randomised_network_are_uniform():
    torch.manual_seed(0)
    rng, units, genes = np.random.default_rng(0), [], []
    for _ in range(40):
        network = Network()
        found = p_values(explain(network), 40, rng)
        units.append(rng.choice(found["units"]))
        genes.append(rng.choice(found["genes"]))
    assert stats.kstest(units, "uniform").pvalue > 0.01
    assert stats.kstest(genes, "uniform").pvalue > 0.01


def test_a_unit_that_does_it_all_is_found():
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        network.decoder.weight[:, 1] *= 30
        network.shift[1] = 30.0
    found = p_values(explain(network), 400, np.random.default_rng(0))["units"]
    assert found[1] < 0.05
    assert found[[0, 2, 3]].min() > 0.2
