"""Forward pass and objective of the published presets, against the formulas in double precision."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from scpi.model.base._constants import KEYS
from scpi.model.senavae._module import SENAVAEModule, normal_kl, sample_counts
from scpi.model.senavae._presets import PRESETS

N_GENES, N_SETS, N_PERTURBATIONS, D, B = 11, 4, 3, 5, 6


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


@pytest.fixture
def membership():
    return torch.rand(N_GENES, N_SETS, generator=torch.Generator().manual_seed(3)) < 0.5


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(4)
    x, y = (3 * torch.rand(2 * B, N_GENES, generator=generator, dtype=torch.float64) for _ in range(2))
    weight = torch.ones(2, B, dtype=torch.float64)
    weight[1, 4:] = 0
    return {
        KEYS.X: x,
        KEYS.PERTURBED: y * weight.reshape(-1, 1),
        KEYS.WEIGHT: weight,
        KEYS.DESIGN: torch.tensor([[1.0, 0, 0], [0, 1, 1]], dtype=torch.float64),
    }


def make_module(preset, membership, **kwargs):
    torch.manual_seed(0)
    module = SENAVAEModule(
        N_GENES,
        N_PERTURBATIONS,
        D,
        preset=PRESETS[preset] if isinstance(preset, str) else preset,
        membership=membership,
        **kwargs,
    ).double()
    with torch.no_grad():
        # Published initial weights are so small that errors in later layers would not show.
        for parameter in module.parameters():
            parameter.add_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            )
    module.bandwidth.fill_(PRESETS["sena"].bandwidth if preset != "zhang" else PRESETS["zhang"].bandwidth)
    return module


def run(module, tensors, seed=7):
    torch.manual_seed(seed)
    inference = module.inference(**module._get_inference_input(tensors))
    generative = module.generative(**module._get_generative_input(tensors, inference))
    torch.manual_seed(seed + 1)
    return inference, generative, module.loss(tensors, inference, generative)


def formulas(module, tensors, *, sigma, mechanism="linear", seed=7):
    """Everything from the weights of the module and the published formulas."""
    x, design = tensors[KEYS.X], tensors[KEYS.DESIGN]
    first = module.encoder.first
    weight = first.dense_weight() if hasattr(first, "dense_weight") else first.weight
    hidden = leaky(x @ weight.t() + first.bias)
    heads = module.encoder.heads
    mean = hidden @ heads.weight[:D].t() + heads.bias[:D]
    variance = torch.log1p(torch.exp(hidden @ heads.weight[D:].t() + heads.bias[D:]))
    torch.manual_seed(seed)
    z = mean + variance.sqrt() * torch.randn_like(mean)
    net, temperature = module.intervention.logits_net, module.intervention.temperature
    t = torch.softmax(temperature * (leaky(net[0].weight.t() + net[0].bias) @ net[2].weight.t() + net[2].bias), 1)
    shift = (design * module.intervention.strength) @ t
    graph = module.causal.adjacency()

    def causal(noise):
        if mechanism == "linear":
            return noise @ torch.linalg.inv(torch.eye(D, dtype=torch.float64) - graph)
        u = []
        for j in range(D):
            u.append(noise[:, j] + sum(torch.relu(u[i]) * graph[i, j] for i in range(j)))
        return torch.stack(u, 1)

    def decode(u):
        decoder = module.decoder
        hidden = leaky(u @ decoder.first.weight.t() + decoder.first.bias)
        return leaky(hidden @ decoder.last.weight.t() + decoder.last.bias)

    reconstruction, predicted = decode(causal(z)), decode(causal(z + shift.repeat_interleave(B, 0)))
    mmd = []
    for condition in range(2):
        rows = slice(condition * B, (condition + 1) * B)
        real = tensors[KEYS.PERTURBED][rows][tensors[KEYS.WEIGHT][condition] > 0]
        cells = torch.cat([predicted[rows], real])
        distances = (cells[:, None] - cells[None]).square().sum(2)
        kernel = sum(torch.exp(-distances / (sigma / 2**5 * 2**i)) for i in range(10))
        mmd.append(kernel[:B, :B].mean() + kernel[B:, B:].mean() - 2 * kernel[:B, B:].mean())
    return {
        "mean": reconstruction,
        "perturbed": predicted,
        "mmd": torch.stack(mmd).mean(),
        "reconstruction": (x - reconstruction).square().mean(),
        "kl_entries": -0.5 * (1 + variance.log() - mean.square() - variance),
        "graph": torch.triu(graph, 1).abs().sum(),
    }


@pytest.mark.parametrize("mechanism", ["linear", "relu"])
@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_sena(membership, tensors, leak, mechanism):
    module = make_module("sena", membership, leak=leak, mechanism=mechanism)
    module.mmd_weight.fill_(0.7)
    module.kl_weight.fill_(0.4)
    module.intervention.temperature.fill_(3.0)
    expected = formulas(module, tensors, sigma=200.0, mechanism=mechanism)
    _, generative, output = run(module, tensors)
    torch.testing.assert_close(generative["mean"], expected["mean"], atol=1e-5, rtol=1e-5)
    # The mean over cells and factors is divided by the number of cells once more, as published.
    kl = expected["kl_entries"].mean() / B
    graph = expected["graph"] / (D * (D - 1) / 2)
    for name, value in (("mmd", expected["mmd"]), ("reconstruction", expected["reconstruction"]), ("kl", kl)):
        assert float(output.extra_metrics[name]) == pytest.approx(float(value), abs=2e-6), name
    assert float(output.extra_metrics["graph_l1"]) == pytest.approx(float(graph), abs=1e-9)
    loss = 0.7 * expected["mmd"] + expected["reconstruction"] + 0.4 * kl + 0.1 * graph
    assert float(output.loss) == pytest.approx(float(loss), abs=5e-6)
    # What tells epochs apart has no reconstruction
    objective = expected["mmd"] + kl
    assert float(output.extra_metrics["objective"]) == pytest.approx(float(objective), abs=5e-6)


def test_zhang(tensors):
    module = make_module("zhang", None)
    module.mmd_weight.fill_(7.0)
    module.kl_weight.fill_(1.5)
    module.intervention.temperature.fill_(2.0)
    assert module.encoder.first.out_features == 128
    expected = formulas(module, tensors, sigma=1000.0)
    _, _, output = run(module, tensors)
    kl = expected["kl_entries"].sum() / (2 * B)
    tolerance = {"rel": 1e-6, "abs": 2e-6}
    for name, value in (("mmd", expected["mmd"]), ("reconstruction", expected["reconstruction"]), ("kl", kl)):
        assert float(output.extra_metrics[name]) == pytest.approx(float(value), **tolerance), name
    assert float(output.extra_metrics["graph_l1"]) == pytest.approx(float(expected["graph"]), abs=1e-9)
    loss = 7 * expected["mmd"] + expected["reconstruction"] + 1.5 * kl + 1e-3 * expected["graph"]
    assert float(output.loss) == pytest.approx(float(loss), **tolerance)


def test_paired_cells(tensors):
    """The squared error of all pairs that are there, averaged over conditions."""
    module = make_module(dataclasses.replace(PRESETS["zhang"], discrepancy="paired"), None)
    module.mmd_weight.fill_(7.0)
    expected = formulas(module, tensors, sigma=1000.0)
    _, _, output = run(module, tensors)
    errors = (expected["perturbed"] - tensors[KEYS.PERTURBED]).square().mean(1)
    error = (errors[:B].mean() + errors[B : B + 4].mean()) / 2
    assert float(output.extra_metrics["paired_error"]) == pytest.approx(float(error), rel=1e-6)
    assert "mmd" not in output.extra_metrics
    kl = expected["kl_entries"].sum() / (2 * B)
    loss = 7 * error + expected["reconstruction"] + kl + 1e-3 * expected["graph"]
    assert float(output.loss) == pytest.approx(float(loss), rel=1e-6)


@pytest.mark.parametrize("mechanism", ["linear", "none"])
@pytest.mark.parametrize("causal_posterior", [True, False])
def test_conditional_vae(tensors, mechanism, causal_posterior):
    """Perturbed cells are encoded and reconstructed; their noise is what the perturbation does not shift."""
    preset = dataclasses.replace(PRESETS["zhang"], discrepancy="reconstruction", causal_posterior=causal_posterior)
    module = make_module(preset, None, mechanism=mechanism)
    module.mmd_weight.fill_(2.0)
    module.intervention.temperature.fill_(2.0)
    _, _, output = run(module, tensors, seed=7)

    encoder, decoder, net = module.encoder, module.decoder, module.intervention.logits_net
    graph = module.causal.adjacency().double()
    t = torch.softmax(2 * (leaky(net[0].weight.t() + net[0].bias) @ net[2].weight.t() + net[2].bias), 1)
    shift = ((tensors[KEYS.DESIGN] * module.intervention.strength) @ t).repeat_interleave(B, 0)

    def encode(x):
        heads = leaky(x @ encoder.first.weight.t() + encoder.first.bias) @ encoder.heads.weight.t() + encoder.heads.bias
        mean, variance = heads[:, :D], torch.log1p(torch.exp(heads[:, D:]))
        return (mean @ (torch.eye(D) - graph) if causal_posterior else mean), variance

    def decode(z):
        hidden = z @ torch.linalg.inv(torch.eye(D) - graph) @ decoder.first.weight.t() + decoder.first.bias
        return leaky(leaky(hidden) @ decoder.last.weight.t() + decoder.last.bias)

    def kl(mean, variance):
        return -0.5 * (1 + variance.log() - mean.square() - variance).sum(1)

    (mean, variance), (found, spread) = (encode(tensors[key]) for key in (KEYS.X, KEYS.PERTURBED))
    torch.manual_seed(7)
    control = decode(mean + variance.sqrt() * torch.randn_like(mean))
    torch.manual_seed(8)
    # The shift that is taken from what the encoder finds is added again
    perturbed = decode(found + spread.sqrt() * torch.randn_like(found))
    is_cell = tensors[KEYS.WEIGHT].reshape(-1) > 0
    error = (perturbed - tensors[KEYS.PERTURBED])[is_cell].square().mean()
    assert float(output.extra_metrics["reconstruction_perturbed"]) == pytest.approx(float(error), rel=1e-5)
    divergence = (kl(mean, variance).mean() + kl(found - shift, spread)[is_cell].mean()) / 2
    assert float(output.extra_metrics["kl"]) == pytest.approx(float(divergence), rel=1e-5)
    penalty = 1e-3 * torch.triu(graph, 1).abs().sum()
    loss = 2 * error + (control - tensors[KEYS.X]).square().mean() + divergence + penalty
    assert float(output.loss) == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("preset", ["sena", "zhang"])
def test_gradients_of_the_objective(preset, membership, tensors):
    """By every parameter, against those of the formulas."""
    module = make_module(preset, membership if preset == "sena" else None)
    module.mmd_weight.fill_(1.0)
    expected = formulas(module, tensors, sigma=PRESETS[preset].bandwidth)
    if preset == "sena":
        kl, graph = expected["kl_entries"].mean() / B, 0.1 * expected["graph"] / (D * (D - 1) / 2)
    else:
        kl, graph = expected["kl_entries"].sum() / (2 * B), 1e-3 * expected["graph"]
    names, parameters = zip(*((n, p) for n, p in module.named_parameters() if n != "log_scale"), strict=True)
    wanted = torch.autograd.grad(expected["mmd"] + expected["reconstruction"] + kl + graph, parameters)
    found = torch.autograd.grad(run(module, tensors)[2].loss, parameters)
    for name, one, other in zip(names, found, wanted, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(
            one, other, atol=1e-5 * max(scale, 1e-3), rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_settings_of_the_presets():
    sena, zhang = PRESETS["sena"], PRESETS["zhang"]
    assert (sena.encoder, sena.graph_penalty, sena.bandwidth, sena.init) == ("gene_sets", 0.1, 200.0, "n_genes")
    assert (zhang.encoder, zhang.graph_penalty, zhang.bandwidth) == ("mlp", 1e-3, 1000.0)
    for preset in (sena, zhang):
        assert (preset.n_hidden, preset.n_kernels, preset.lr, preset.max_epochs) == (128, 10, 1e-3, 100)
        assert (preset.n_cells, preset.n_conditions) == (32, 1)
        assert not preset.unbiased and not preset.learn_variance and preset.positive_output
        assert not preset.cosine_decay and preset.gradient_clip_algorithm is None
        assert (preset.mmd_start, preset.kl_start, preset.temperature_start) == (5, 10, 5)
        assert not preset.abduct and not preset.causal_posterior and not preset.data_init


def test_plain_layers_start_small():
    torch.manual_seed(0)
    module = SENAVAEModule(400, 3, 50, preset=PRESETS["zhang"])
    for layer in (module.encoder.first, module.encoder.heads, module.decoder.first, module.decoder.last):
        assert float(layer.weight.std()) == pytest.approx(0.02, rel=0.05)
        assert (layer.bias == 0).all()


def test_the_divergence_is_that_of_torch():
    mean, variance = torch.randn(5, 4, dtype=torch.float64), torch.rand(5, 4, dtype=torch.float64) + 0.1
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, variance.sqrt()), torch.distributions.Normal(0.0, 1.0)
    ).sum(1)
    torch.testing.assert_close(normal_kl(mean, variance), expected)


def test_the_likelihood_with_a_learned_variance(membership, tensors):
    module = make_module(dataclasses.replace(PRESETS["scpi"], n_hidden=16), membership)
    _, generative, output = run(module, tensors)
    scale = module.log_scale.exp().detach()
    log_prob = torch.distributions.Normal(generative["mean"], scale).log_prob(tensors[KEYS.X])
    # Up to the constant log(2 pi) / 2 of every gene
    expected = -(log_prob + 0.5 * np.log(2 * np.pi)).mean(1)
    torch.testing.assert_close(output.reconstruction_loss["reconstruction_loss"], expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("with_size_factor", [False, True])
def test_the_likelihood_of_counts(membership, tensors, with_size_factor):
    module = make_module(dataclasses.replace(PRESETS["scpi"], n_hidden=16), membership, likelihood="nb")
    tensors[KEYS.X] = torch.round(10 * tensors[KEYS.X])
    tensors[KEYS.PERTURBED] = torch.round(10 * tensors[KEYS.PERTURBED])
    depth = tensors[KEYS.X].sum(1, keepdim=True)
    if with_size_factor:
        depth = torch.linspace(50.0, 300.0, 2 * B, dtype=torch.float64)[:, None]
        tensors[KEYS.SIZE_FACTOR] = depth
        tensors[KEYS.PERTURBED_SIZE_FACTOR] = depth.flip(0)
    _, generative, output = run(module, tensors)
    torch.testing.assert_close(generative["mean"].sum(1, keepdim=True), depth)
    torch.testing.assert_close(generative["perturbed"].sum(1, keepdim=True), depth)
    mu, theta = generative["mean"].detach().numpy(), module.log_scale.exp().detach().numpy()
    expected = -stats.nbinom.logpmf(tensors[KEYS.X].numpy(), theta, theta / (theta + mu)).mean(1)
    found = output.reconstruction_loss["reconstruction_loss"].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    transformed = module.transform(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))
    torch.testing.assert_close(transformed, torch.log1p(tensors[KEYS.X] / depth * 1e4))


@pytest.mark.parametrize(("mean", "theta"), [(0.5, 2.0), (8.0, 1.0), (40.0, 10.0)])
def test_sampled_counts_have_the_moments(mean, theta):
    torch.manual_seed(0)
    n = 200_000
    counts = sample_counts(torch.full((n,), mean), torch.tensor(theta))
    variance = mean + mean**2 / theta
    assert (counts == counts.round()).all() and counts.min() >= 0
    assert float(counts.mean()) == pytest.approx(mean, abs=5 * (variance / n) ** 0.5)
    assert float(counts.var()) == pytest.approx(variance, rel=0.05)
    zeros = (theta / (theta + mean)) ** theta
    assert float((counts == 0).double().mean()) == pytest.approx(zeros, abs=5 * (zeros / n) ** 0.5)


def test_sampled_counts_have_a_gradient_that_moves_the_moments():
    """Unbiased for E[x] and E[x^2], whose derivatives are known."""
    torch.manual_seed(0)
    n, value, dispersion = 200_000, 6.0, 3.0
    mean = torch.full((n,), value, dtype=torch.float64, requires_grad=True)
    theta = torch.tensor(dispersion, dtype=torch.float64, requires_grad=True)
    by_mean = torch.autograd.grad(sample_counts(mean, theta).mean(), mean)[0].sum()
    assert float(by_mean) == pytest.approx(1.0, abs=0.02)
    by_mean, by_theta = torch.autograd.grad(sample_counts(mean, theta).square().mean(), (mean, theta))
    # E[x^2] = m + m^2 (1 + 1 / theta)
    assert float(by_mean.sum()) == pytest.approx(1 + 2 * value * (1 + 1 / dispersion), rel=0.03)
    assert float(by_theta) == pytest.approx(-(value**2) / dispersion**2, rel=0.05)


def test_counts_of_a_rate_of_zero_are_zero():
    mean = torch.zeros(3, requires_grad=True)
    counts = sample_counts(mean, torch.tensor(1.0))
    assert (counts == 0).all()
    assert torch.isfinite(torch.autograd.grad(counts.sum(), mean)[0]).all()


def test_a_twin_is_the_cell_plus_the_decoded_change(membership, tensors):
    module = make_module(dataclasses.replace(PRESETS["scpi"], n_hidden=16), membership)
    inference, generative, _ = run(module, tensors)
    plain = module.generative(inference["z"], tensors[KEYS.DESIGN])
    torch.testing.assert_close(generative["perturbed"], tensors[KEYS.X] + plain["perturbed"] - plain["mean"])
    # Nothing but the dose moves the cell.
    still = module.generative(inference["z"], torch.zeros(2, 3, dtype=torch.float64), cells=tensors[KEYS.X])
    torch.testing.assert_close(still["perturbed"], tensors[KEYS.X])


def test_batches_enter_the_decoder(membership):
    module = make_module(dataclasses.replace(PRESETS["scpi"], n_hidden=16), membership, n_batch=2)
    u = torch.randn(2, D, dtype=torch.float64).repeat(2, 1)
    out = module.decode(u, None, torch.tensor([[0], [0], [1], [1]]))
    assert (out[:2] - out[2:]).abs().min() > 0
    with pytest.raises(ValueError, match="batch of each cell"):
        module.decode(u, None, None)
