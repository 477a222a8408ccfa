from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from scpi.model.scpregan._networks import Decoder, Discriminator, Discriminators, Encoder, Generators

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


def by_hand(decoder, z, effects=None):
    """The hidden layers one by one, with a scale and a shift of every cell after each."""
    h = z
    for index, (linear, norm) in enumerate(zip(decoder.linear, decoder.norm, strict=True)):
        h = norm.weight * standardise(h @ linear.weight.T + linear.bias) + norm.bias
        if effects is not None:
            scale, shift = effects[index]
            h = h * (1 + scale) + shift
        h = h.relu()
    return h


@pytest.mark.parametrize("output", ["layer_norm", "relu", "softplus"])
def test_the_decoder_reverses_the_layers_and_ends_positive(output):
    decoder, z = Decoder(LATENT, HIDDEN, GENES, output=output).double(), draw(4, LATENT)
    assert [layer.out_features for layer in (*decoder.linear, decoder.last[0])] == [5, 6, GENES]
    h = by_hand(decoder, z) @ decoder.last[0].weight.T + decoder.last[0].bias
    if output == "layer_norm":
        # Over the genes of a cell, with a scale and a level of each gene
        scale, level = draw(GENES), draw(GENES)
        decoder.last[1].weight.data, decoder.last[1].bias.data = scale, level
        h = scale * standardise(h) + level
    expected = torch.log1p(h.exp()) if output == "softplus" else h.relu()
    found = decoder(z, draw(4, 2))
    torch.testing.assert_close(found, expected)
    assert (found >= 0).all()


def test_what_perturbations_do_adds_up_by_dose():
    decoder, z = Decoder(LATENT, HIDDEN, GENES, output="relu", n_perturbations=3).double(), draw(2, LATENT)
    dose = torch.tensor([[0.5, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    # Nothing is known of perturbations at first
    torch.testing.assert_close(decoder(z, dose), decoder.last(by_hand(decoder, z)))
    for effect in (*decoder.scales, *decoder.shifts):
        effect.data = draw(*effect.shape)
    effects = [
        [torch.stack([0.5 * effect[0] + effect[2], 0 * effect[0]]) for effect in pair]
        for pair in zip(decoder.scales, decoder.shifts, strict=True)
    ]
    torch.testing.assert_close(decoder(z, dose), decoder.last(by_hand(decoder, z, effects)))


@pytest.mark.parametrize("n_perturbations", [0, 2])
def test_doses_lead_from_the_generator_of_controls_to_that_of_treated_cells(n_perturbations):
    options = {"output": "softplus", "n_perturbations": n_perturbations}
    generators, z = Generators(LATENT, HIDDEN, GENES, **options).double(), draw(5, LATENT)
    for effect in (*generators.treated.scales, *generators.treated.shifts):
        effect.data = draw(*effect.shape)
    dose = torch.tensor([1.0, 0.5], dtype=torch.float64).expand(5, 2)
    control, treated = generators.control(z, dose), generators.treated(z, dose)
    assert not torch.allclose(control, treated)
    torch.testing.assert_close(generators(z, 0 * dose), control, rtol=0, atol=0)
    torch.testing.assert_close(generators(z, dose), treated, rtol=0, atol=0)
    # By the largest dose, at which the treated generator works as well
    at_dose = generators.treated(z, 0.3 * dose)
    torch.testing.assert_close(generators(z, 0.3 * dose), 0.7 * control + 0.3 * at_dose)
    mixed = torch.tensor([0.0, 1, 1, 0, 1], dtype=torch.float64)[:, None] * dose
    expected = torch.where(mixed[:, :1] == 1, treated, control)
    torch.testing.assert_close(generators(z, mixed), expected)
    # Nothing jumps where the dose vanishes
    torch.testing.assert_close(generators(z, 1e-9 * dose), control, rtol=0, atol=1e-7)


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


def test_a_discriminator_has_a_direction_for_each_perturbation():
    network = Discriminator(GENES, HIDDEN, n_contexts=0, n_perturbations=2).double().eval()
    network.direction.data = draw(2, 5)
    x, dose = draw(3, GENES), torch.tensor([[0.0, 0], [1, 0], [0.5, 1]], dtype=torch.float64)
    hidden, (logits, _) = network.trunk(x), network(x, dose)
    none = network(x, 0 * dose)[0]
    torch.testing.assert_close(logits[0], none[0])
    torch.testing.assert_close(logits[1] - none[1], hidden[1] @ network.direction[0])
    torch.testing.assert_close(logits[2] - none[2], hidden[2] @ (0.5 * network.direction[0] + network.direction[1]))


def test_either_arm_is_judged_by_a_discriminator_of_its_own():
    pair = Discriminators(GENES, HIDDEN, n_contexts=2, n_perturbations=1).double().eval()
    assert pair.control.direction is None
    x, dose = draw(3, GENES), torch.ones(3, 1, dtype=torch.float64)
    for judged, network in ((pair(x, 0 * dose), pair.control), (pair(x, dose), pair.treated)):
        for found, expected in zip(judged, network(x, dose), strict=True):
            torch.testing.assert_close(found, expected)
