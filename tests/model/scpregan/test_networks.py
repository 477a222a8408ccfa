from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from scpi.model.scpregan._networks import (
    Decoder,
    Discriminator,
    Encoder,
    PairedDiscriminators,
    PairedGenerators,
    SharedGenerator,
)

GENES, LATENT, HIDDEN = 7, 3, (6, 5)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def standardise(h):
    return (h - h.mean(1, keepdim=True)) / (h.var(1, keepdim=True, correction=0) + 1e-5).sqrt()


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_the_encoder_has_normalised_layers_and_a_linear_end():
    encoder, x = Encoder(GENES, HIDDEN, LATENT).double(), draw(4, GENES)
    first, second, last = (encoder[index] for index in (0, 3, 6))
    h = standardise(x @ first.weight.T + first.bias).relu()
    h = standardise(h @ second.weight.T + second.bias).relu()
    torch.testing.assert_close(encoder(x), h @ last.weight.T + last.bias)
    assert encoder(x).min() < 0


@pytest.mark.parametrize("output", ["layer_norm", "relu", "softplus"])
def test_the_decoder_reverses_the_layers_and_ends_positive(output):
    decoder, z = Decoder(LATENT, HIDDEN, GENES, output=output).double(), draw(4, LATENT)
    assert [layer.out_features for layer in decoder if isinstance(layer, torch.nn.Linear)] == [5, 6, GENES]
    first, second, last = (decoder[index] for index in (0, 3, 6))
    h = standardise(z @ first.weight.T + first.bias).relu()
    h = standardise(h @ second.weight.T + second.bias).relu()
    h = h @ last.weight.T + last.bias
    if output == "layer_norm":
        # Over the genes of a cell, with a scale and a level of each gene
        scale, level = draw(GENES), draw(GENES)
        decoder[7].weight.data, decoder[7].bias.data = scale, level
        h = scale * standardise(h) + level
    expected = torch.log1p(h.exp()) if output == "softplus" else h.relu()
    torch.testing.assert_close(decoder(z), expected)
    assert (decoder(z) >= 0).all()


def test_a_pair_of_generators_is_interpolated_between_its_arms():
    pair, z = PairedGenerators(LATENT, HIDDEN, GENES, output="softplus").double(), draw(5, LATENT)
    dose = torch.ones(5, 2, dtype=torch.float64)
    control, treated = pair.control(z), pair.treated(z)
    assert not torch.allclose(control, treated)
    torch.testing.assert_close(pair(z, 0 * dose), control, rtol=0, atol=0)
    torch.testing.assert_close(pair(z, dose), treated, rtol=0, atol=0)
    torch.testing.assert_close(pair(z, 0.3 * dose), 0.7 * control + 0.3 * treated)
    mixed = torch.tensor([0.0, 1, 1, 0, 1], dtype=torch.float64)[:, None] * dose
    expected = torch.where(mixed[:, :1] == 1, treated, control)
    torch.testing.assert_close(pair(z, mixed), expected)


@pytest.mark.parametrize("output", ["layer_norm", "relu"])
def test_the_shared_generator_adds_up_what_perturbations_do_by_dose(output):
    shared, z = SharedGenerator(LATENT, HIDDEN, GENES, output=output, n_perturbations=3).double(), draw(2, LATENT)
    dose = torch.tensor([[0.5, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    # Nothing is known of perturbations at first, and controls are never changed
    torch.testing.assert_close(shared(z, dose), shared.decoder(z), rtol=0, atol=0)
    for effect in (*shared.scales, *shared.shifts):
        effect.data = draw(*effect.shape)
    h = z
    for linear, scale, shift in zip((0, 3), shared.scales, shared.shifts, strict=True):
        h = standardise(h @ shared.decoder[linear].weight.T + shared.decoder[linear].bias)
        scale, shift = (torch.stack([0.5 * e[0] + e[2], 0 * e[0]]) for e in (scale, shift))
        h = (h * (1 + scale) + shift).relu()
    expected = h
    for index in range(6, len(shared.decoder)):
        expected = shared.decoder[index](expected)
    torch.testing.assert_close(shared(z, dose), expected)
    torch.testing.assert_close(shared(z, dose)[1], shared.decoder(z)[1])
    # Continuous at dose 0, where the controls are
    near = shared(z, 1e-9 * torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(near, shared.decoder(z), rtol=0, atol=1e-7)


def test_the_layers_of_a_discriminator_have_a_spectral_norm_of_one():
    network = Discriminator(GENES, HIDDEN, n_contexts=2).double()
    x, dose = draw(4, GENES), torch.zeros(4, 1, dtype=torch.float64)
    # Each call in training is one more step of the power iteration
    for _ in range(200):
        network(x, dose)
    network.eval()
    weights = [network.trunk[index].weight for index in (0, 2)]
    for weight in weights:
        assert np.linalg.norm(weight.detach().numpy(), ord=2) == pytest.approx(1, rel=1e-6)
    h = x
    for index, weight in zip((0, 2), weights, strict=True):
        h = (h @ weight.T + network.trunk[index].bias).relu()
    logits, classes = network(x, dose)
    torch.testing.assert_close(logits, h @ network.measured.weight[0] + network.measured.bias)
    torch.testing.assert_close(classes, F.linear(h, network.context.weight, network.context.bias))


def test_without_contexts_there_are_no_classes():
    assert Discriminator(GENES, HIDDEN, n_contexts=0)(torch.ones(2, GENES), torch.zeros(2, 1))[1] is None


def test_a_shared_discriminator_has_a_direction_for_each_perturbation():
    network = Discriminator(GENES, HIDDEN, n_contexts=0, n_perturbations=2).double().eval()
    network.direction.data = draw(2, 5)
    x, dose = draw(3, GENES), torch.tensor([[0.0, 0], [1, 0], [0.5, 1]], dtype=torch.float64)
    hidden, (logits, _) = network.trunk(x), network(x, dose)
    none = network(x, 0 * dose)[0]
    torch.testing.assert_close(logits[0], none[0])
    torch.testing.assert_close(logits[1] - none[1], hidden[1] @ network.direction[0])
    torch.testing.assert_close(logits[2] - none[2], hidden[2] @ (0.5 * network.direction[0] + network.direction[1]))


def test_a_pair_of_discriminators_judges_each_arm_by_its_own():
    pair = PairedDiscriminators(GENES, HIDDEN, n_contexts=2).double().eval()
    x, dose = draw(3, GENES), torch.ones(3, 1, dtype=torch.float64)
    for judged, network in ((pair(x, 0 * dose), pair.control), (pair(x, dose), pair.treated)):
        for found, expected in zip(judged, network(x, dose), strict=True):
            torch.testing.assert_close(found, expected)
