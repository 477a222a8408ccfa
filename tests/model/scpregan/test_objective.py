"""Terms of the objective against plain formulas, in double precision."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from scpi.model.scpregan._losses import context_loss, encoding_loss, source_loss
from scpi.model.scpregan._module import Domain, SCPREGANModule
from scpi.model.scpregan._presets import PRESETS

GENES, CELLS, CONTEXTS = 7, 6, 3


def build(*, n_contexts=CONTEXTS, several=False, **changes):
    preset = dataclasses.replace(PRESETS["published"], n_hidden=(6, 5), n_latent=3, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = SCPREGANModule(GENES, 2, n_contexts=n_contexts, several=several, preset=preset).double()
        if several:
            torch.nn.init.normal_(module.discriminators.treated.direction)
            for effect in (*module.generators.treated.scales, *module.generators.treated.shifts):
                torch.nn.init.normal_(effect, std=0.5)
    # Without further steps of the power iteration, so that each call sees the same discriminators
    module.discriminators.eval()
    return module


@pytest.fixture
def arms():
    rng = np.random.default_rng(0)
    draw = lambda: torch.from_numpy(rng.gamma(1.0, size=(CELLS, GENES)))  # noqa: E731
    contexts = [torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 2, 1, 0, 0, 0])]
    dose = torch.from_numpy(rng.choice([0.5, 1.0], (CELLS, 2)))
    return Domain(draw(), torch.zeros(CELLS, 2, dtype=torch.float64), contexts[0]), Domain(draw(), dose, contexts[1])


def one_dose(treated):
    return treated._replace(dose=torch.ones_like(treated.dose))


def mse(a, b):
    return float(np.mean((a.detach().numpy() - b.detach().numpy()) ** 2))


def log_source(logits, *, measured):
    p = 1 / (1 + np.exp(-logits.detach().numpy()))
    return float(-np.mean(np.log(p if measured else 1 - p)))


def log_context(logits, context):
    e = np.exp(logits.detach().numpy())
    p = e / e.sum(1, keepdims=True)
    return float(-np.mean(np.log(p[np.arange(len(p)), context.numpy()])))


def test_the_source_loss_is_binary_cross_entropy():
    logits = torch.tensor([-3.0, 0.1, 2.0], dtype=torch.float64)
    for measured in (True, False):
        assert float(source_loss(logits, measured=measured)) == pytest.approx(log_source(logits, measured=measured))
    # Finite where a probability would round to 0
    assert float(source_loss(torch.tensor([-2000.0]), measured=True)) == 2000


def test_the_context_loss_is_that_of_logarithms():
    logits = torch.tensor([[1.0, -1, 0.5], [0.0, 3, 0]], dtype=torch.float64)
    context = torch.tensor([2, 1])
    expected = log_context(logits, context)
    assert float(context_loss(logits, context)) == pytest.approx(expected)
    # What the published code has: the mean of negative probabilities, which is bounded and flat where it is most wrong
    published = -torch.softmax(logits, dim=1)[torch.arange(2), context].mean()
    assert float(published) < 0 < expected
    sure = torch.tensor([[30.0, 0.0]], requires_grad=True, dtype=torch.float64)
    context_loss(sure, torch.tensor([1])).backward()
    assert float(sure.grad[0, 1]) == pytest.approx(-1)
    wrong = sure.detach().clone().requires_grad_()
    (-torch.softmax(wrong, dim=1)[0, 1]).backward()
    assert abs(float(wrong.grad[0, 1])) < 1e-12


def test_without_contexts_there_is_no_context_loss(arms):
    assert float(context_loss(None, None)) == 0
    module = build(n_contexts=0)
    control, treated = (arm._replace(context=None) for arm in arms)
    assert float(module.discriminator_losses(control, one_dose(treated))["discriminator_context"]) == 0
    assert float(module.generator_losses(control, one_dose(treated))["context"]) == 0


def test_the_targets_of_the_encoding_stay():
    codes, targets = (torch.ones(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    loss = encoding_loss(2 * codes, targets)
    loss.backward()
    assert float(loss.detach()) == 1
    assert codes.grad is not None
    assert targets.grad is None


def published_terms(module, control, treated):
    """All terms, one network and one set of cells at a time."""
    encode, generate, judge = module.encoder, module.generators, module.discriminators
    a, b, none, dose = control.x, treated.x, control.dose, treated.dose
    z_a, z_b = encode(a), encode(b)
    aa, ab, ba, bb = generate(z_a, none), generate(z_a, dose), generate(z_b, none), generate(z_b, dose)
    aba, bab = generate(encode(ab), none), generate(encode(ba), dose)
    of_a, of_b = control.context, treated.context
    judged = [
        (aa, none, of_a),
        (ba, none, of_b),
        (aba, none, of_a),
        (bb, dose, of_b),
        (ab, dose, of_a),
        (bab, dose, of_b),
    ]
    discriminator = [(a, none, of_a, True), (ba, none, of_b, False), (b, dose, of_b, True), (ab, dose, of_a, False)]
    return {
        "reconstruction": mse(aa, a) + mse(bb, b),
        "encoding": mse(encode(aa), z_a) + mse(encode(bb), z_b) + mse(encode(ba), z_b) + mse(encode(ab), z_a),
        "cycle": mse(aba, a) + mse(bab, b),
        "adversarial": sum(log_source(judge(x, d)[0], measured=True) for x, d, _ in judged),
        "context": sum(log_context(judge(x, d)[1], of) for x, d, of in judged),
        "discriminator": sum(log_source(judge(x, d)[0], measured=real) for x, d, _, real in discriminator),
        "discriminator_context": sum(log_context(judge(x, d)[1], of) for x, d, of, _ in discriminator),
    }


@pytest.mark.parametrize("several", [False, True])
def test_all_terms_are_those_of_the_publication(several, arms):
    module = build(several=several, encoding_weight=0.3, adversarial_weight=0.2, cycle_weight=0.7)
    control, treated = arms if several else (arms[0], one_dose(arms[1]))
    expected = published_terms(module, control, treated)
    losses = module.generator_losses(control, treated) | module.discriminator_losses(control, treated)
    assert {name: float(value.detach()) for name, value in losses.items()} == pytest.approx(expected, rel=1e-12)
    objective = module.generator_objective(losses)
    assert float(objective.detach()) == pytest.approx(
        expected["reconstruction"]
        + 0.3 * expected["encoding"]
        + 0.2 * (expected["adversarial"] + expected["context"])
        + 0.7 * expected["cycle"]
    )


@pytest.mark.parametrize("several", [False, True])
def test_transferred_cells_keep_their_residual(several, arms):
    module = build(several=several, residual=True, output="softplus")
    control, treated = arms if several else (arms[0], one_dose(arms[1]))
    encode, generate, judge = module.encoder, module.generators, module.discriminators
    z_a, z_b = encode(control.x), encode(treated.x)
    aa, bb = generate(z_a, control.dose), generate(z_b, treated.dose)
    ab = (control.x + generate(z_a, treated.dose) - aa).clamp(min=0)
    ba = (treated.x + generate(z_b, control.dose) - bb).clamp(min=0)
    losses = module.generator_losses(control, treated) | module.discriminator_losses(control, treated)
    assert "cycle" not in losses
    judged = [(ba, control.dose, treated.context), (ab, treated.dose, control.context)]
    expected = {
        "reconstruction": mse(aa, control.x) + mse(bb, treated.x),
        "encoding": mse(encode(aa), z_a) + mse(encode(bb), z_b) + mse(encode(ba), z_b) + mse(encode(ab), z_a),
        "adversarial": sum(log_source(judge(x, d)[0], measured=True) for x, d, _ in judged),
        "context": sum(log_context(judge(x, d)[1], of) for x, d, of in judged),
    }
    assert {name: float(losses[name].detach()) for name in expected} == pytest.approx(expected, rel=1e-12)
    fake = sum(log_source(judge(x, d)[0], measured=False) for x, d, _ in judged)
    real = sum(log_source(judge(arm.x, arm.dose)[0], measured=True) for arm in (control, treated))
    assert float(losses["discriminator"].detach()) == pytest.approx(real + fake, rel=1e-12)


def test_the_objective_of_the_generators_does_not_move_its_targets(arms):
    """The gradient of the encoding term is that with fixed codes of the measured cells."""
    control, treated = arms[0], one_dose(arms[1])
    module = build()
    module.generator_losses(control, treated)["encoding"].backward()
    found = [parameter.grad.clone() for parameter in module.encoder.parameters()]
    module.zero_grad()
    with torch.no_grad():
        fixed = [module.encoder(arm.x) for arm in (control, treated)]
    loss = 0.0
    for arm, target in zip((control, treated), fixed, strict=True):
        for dose in (control.dose, treated.dose):
            codes = module.encoder(module.generators(module.encoder(arm.x), dose))
            loss = loss + (codes - target).square().mean()
    loss.backward()
    for gradient, parameter in zip(found, module.encoder.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


@pytest.mark.parametrize("names", [("discriminator", "discriminator_context")])
def test_the_objective_of_the_discriminators_moves_nothing_else(names, arms):
    module = build()
    losses = module.discriminator_losses(arms[0], one_dose(arms[1]))
    sum(losses[name] for name in names).backward()
    for network in (module.encoder, module.generators):
        assert all(parameter.grad is None for parameter in network.parameters())
    assert all(parameter.grad is not None for parameter in module.discriminators.parameters())


def test_doses_are_shares_of_the_largest_on_a_logarithmic_scale():
    module = build(several=True)
    module.reference_dose.copy_(torch.tensor([10.0, 0.0]))
    design = torch.tensor([[0.0, 0], [10, 0], [3, 0], [30, 0]], dtype=torch.float64)
    expected = [0, 1, np.log(4) / np.log(11), 1]
    np.testing.assert_allclose(module.scaled(design)[:, 0], expected, rtol=1e-12)
    # Logarithms of concentrations are negative doses
    module.reference_dose.copy_(torch.tensor([-6.0, 1.0]))
    found = module.scaled(torch.tensor([[-6.0, 1], [-2, 0], [1, 1]], dtype=torch.float64))
    np.testing.assert_allclose(found[:, 0], [1, np.log(3) / np.log(7), -np.log(2) / np.log(7)], rtol=1e-12)
    np.testing.assert_array_equal(found[:, 1], [1, 0, 1])
