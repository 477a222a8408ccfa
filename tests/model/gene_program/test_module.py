from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from scpi.model.base._constants import KEYS
from scpi.model.gene_program._module import GeneProgramModule
from scpi.model.gene_program._presets import PRESETS
from scpi.model.gene_program._start import Start

SMALL = replace(PRESETS["scpi"], n_hidden=(5,), n_units=3)


def make_module(n_batch=2, allowed=None, outside=None, **changes):
    torch.manual_seed(0)
    preset = replace(SMALL, **changes)
    module = GeneProgramModule(4, n_batch=n_batch, preset=preset, allowed=allowed, outside=outside).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return module


@pytest.fixture
def tensors():
    counts = torch.tensor([[3.0, 0, 1, 2], [0, 5, 0, 0], [1, 1, 7, 0]], dtype=torch.float64)
    return {KEYS.X: counts, KEYS.INPUT: counts.log1p(), KEYS.BATCH: torch.tensor([[0], [1], [0]])}


@pytest.fixture
def z():
    return torch.tensor([[1.0, 0, 2], [0, 0, 0], [0.5, 1, 0]], dtype=torch.float64)


def test_units_decode_into_fractions_of_the_depth(z):
    module = make_module()
    raw = z.numpy() @ module.weight.detach().numpy() + module.level.detach().numpy()[0]
    expected = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    np.testing.assert_allclose(module.decode(z, module.level[0]).exp().detach(), expected)


def test_cells_of_unknown_batches_have_the_mean_level():
    module = make_module()
    levels = module.level_rows().detach()
    cells = {KEYS.X: torch.ones(4, 4, dtype=torch.float64)}
    found = module.levels(cells | {KEYS.BATCH: torch.tensor([[1], [0], [2], [9]])}).detach()
    torch.testing.assert_close(found, torch.stack([levels[1], levels[0], levels.mean(0), levels.mean(0)]))
    torch.testing.assert_close(module.levels(cells).detach(), levels.mean(0).expand(4, -1))
    torch.testing.assert_close(module.mean_level().detach(), levels.mean(0))


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson", "gaussian"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_reconstruction_is_the_likelihood_of_the_counts(tensors, z, likelihood, reduction):
    module = make_module(likelihood=likelihood, reduction=reduction)
    counts = tensors[KEYS.X].numpy()
    with torch.no_grad():
        found = module.reconstruction(tensors, z).numpy()
        raw = (z @ module.weight + module.level_rows()[tensors[KEYS.BATCH][:, 0]]).numpy()
    mean = np.exp(raw) / np.exp(raw).sum(1, keepdims=True) * counts.sum(1, keepdims=True)
    if likelihood == "gaussian":
        loss = 0.5 * np.square(tensors[KEYS.INPUT].numpy() - raw)
    elif likelihood == "poisson":
        loss = mean - counts * np.log(mean)
    else:
        theta = module.log_theta.detach().exp().numpy()
        lost = 0.0 if likelihood == "nb" else 1 / (1 + np.exp(-module.dropout.detach().numpy()))
        loss = -np.log((1 - lost) * stats.nbinom.pmf(counts, theta, theta / (theta + mean)) + lost * (counts == 0))
    np.testing.assert_allclose(found, getattr(loss, reduction)(axis=1), rtol=1e-6)


def test_the_priors_have_their_weights_and_penalise_weights_outside_of_sets_more(tensors):
    allowed = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]]).bool()
    module = make_module(allowed=allowed, outside=10.0, unit_weight=2.0, gene_weight=3.0, orthogonality="weights")
    with torch.no_grad():
        losses = module.losses(tensors, n_cells=50)
        z = module.encode(tensors[KEYS.INPUT])
    weight = module.weight.detach().abs()
    # The four genes have a mean of 1 each, and weights refer to 1,000 counts
    depth = 4 / 1000
    assert float(losses["units"]) == pytest.approx(depth * 2 * float(z.sum()) / 3)
    size = float(weight[allowed].sum() + 10 * weight[~allowed].sum())
    assert float(losses["genes"]) == pytest.approx(depth * 3 / 50 * size)
    into = module.to_units.weight.detach()
    assert float(losses["orthogonality"]) == pytest.approx(float((torch.eye(3) - into @ into.T).norm()))


def test_weights_outside_of_sets_are_zero_with_a_hard_mask():
    allowed = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]]).bool()
    module = make_module(allowed=allowed)
    torch.testing.assert_close(module.gene_weights(), torch.where(allowed, module.weight, 0.0))


@pytest.mark.parametrize("softplus_beta", [1.0, None])
def test_effects_of_units_are_derivatives_of_what_they_decode(softplus_beta):
    module = make_module(decoder_hidden=(6,), likelihood="gaussian", softplus_beta=softplus_beta)
    place, level = torch.tensor([0.3, 0.0, 0.7], dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    step = 1e-5 * torch.eye(3, dtype=torch.float64)
    with torch.no_grad():
        difference = (module.decode(place + step, level) - module.decode(place - step, level)) / 2e-5
    torch.testing.assert_close(module.unit_effects(place).detach(), difference, rtol=1e-6, atol=1e-8)


def test_the_encoder_starts_near_the_linear_map():
    module = make_module(activation="relu")
    start = Start(
        weight=torch.ones(3, 4),
        encoder=torch.arange(12.0).reshape(4, 3),
        mean=torch.tensor([1.0, 2.0, 3.0]),
        level=torch.tensor([0.1, 0.2, 0.3, 0.4]).log(),
        theta=torch.tensor([1.0, 2.0, 3.0, 4.0]),
    )
    offsets = torch.tensor([[0.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    module.start(start, offsets)
    with torch.no_grad():
        module.to_units.weight.zero_()
        module.to_units.bias.zero_()
        found = module.encode(torch.ones(1, 4, dtype=torch.float64))
    np.testing.assert_allclose(found, [[18 + 1, 22 + 2, 26 + 3]])
    np.testing.assert_allclose(module.level.detach() - offsets, np.log([[0.1, 0.2, 0.3, 0.4]] * 2), rtol=1e-6)
    np.testing.assert_allclose(module.log_theta.detach().exp(), [1, 2, 3, 4], rtol=1e-6)


def with_covariates():
    """Two batches, a covariate of three categories and a number; ten genes, of which three units change some."""
    torch.manual_seed(1)
    preset = replace(PRESETS["scpi"], n_hidden=(5,), n_units=3)
    module = GeneProgramModule(10, n_batch=2, n_categories=[3], n_continuous=1, preset=preset).double()
    torch.nn.init.normal_(module.level)
    module.code.mean.fill_(5.0)
    module.code.scale.fill_(2.0)
    return module


def test_levels_add_up_over_covariates():
    module = with_covariates()
    rows = module.level_rows().detach()
    found = module.levels(
        {
            KEYS.X: torch.ones(2, 10, dtype=torch.float64),
            KEYS.BATCH: torch.tensor([[1], [0]]),
            KEYS.CATEGORICAL: torch.tensor([[2], [0]]),
            KEYS.CONTINUOUS: torch.tensor([[9.0], [5.0]], dtype=torch.float64),
        }
    )
    torch.testing.assert_close(found.detach(), torch.stack([rows[1] + rows[4] + 2 * rows[5], rows[0] + rows[2]]))
    torch.testing.assert_close(module.mean_level().detach(), rows[:2].mean(0) + rows[2:5].mean(0))


def test_covariates_do_not_change_what_units_change():
    module = with_covariates()
    with torch.no_grad():
        module.weight[0] = 0.0
        along = module.weight.T @ torch.tensor([0.0, 3.0, -2.0], dtype=torch.float64)
        before = module.level_rows()
        module.level[1] += along
        module.level[4] += along
        # A ridge of a hundredth lets little through
        assert (module.level_rows() - before).abs().max() < 0.05 * along.abs().max()
        # The level of the first batch is free, and all others follow it
        module.level[0] += along
        moved = module.level_rows() - before
    assert (moved[:2] - along).abs().max() < 0.05 * along.abs().max()
    assert moved[2:].abs().max() < 0.05 * along.abs().max()


def test_the_input_is_corrected_by_what_covariates_change_in_the_mean():
    module = with_covariates()
    module.slope.uniform_(0.1, 1.0)
    tensors = {
        KEYS.X: torch.ones(3, 10, dtype=torch.float64),
        KEYS.INPUT: torch.randn(3, 10, dtype=torch.float64),
        KEYS.BATCH: torch.tensor([[0], [1], [2]]),
        KEYS.CATEGORICAL: torch.tensor([[0], [0], [0]]),
        KEYS.CONTINUOUS: torch.full((3, 1), 5.0, dtype=torch.float64),
    }
    shift = ((tensors[KEYS.INPUT] - module.corrected(tensors)) / module.slope).detach()
    rows = module.level_rows().detach()
    # Up to the total, which each cell has of its own
    for found, expected in zip(shift[:2] - shift[2], rows[:2] - rows[:2].mean(0), strict=True):
        torch.testing.assert_close(found - found.mean(), expected - expected.mean())
    for changes in ({"likelihood": "gaussian"}, {"transform": "counts"}, {"depth": False}):
        other = make_module(**changes)
        assert other.corrected(tensors) is tensors[KEYS.INPUT]
