from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Normal as Gaussian
from torch.distributions import kl_divergence

from scpi.model.base._constants import KEYS
from scpi.model.scbutterfly._losses import adversarial, discrimination, kl_to_standard, mixed, soft_labels
from scpi.model.scbutterfly._module import SCButterflyModule
from scpi.model.scbutterfly._networks import Conditions, Normal, block
from scpi.model.scbutterfly._presets import PRESETS, Preset

SMALL = Preset(control_hidden=(6,), treated_hidden=(5,), n_latent=4, n_translator=3, dropout=0.0, noise=0.0)


def module(*, conditional=False, preset=SMALL, n_genes=7):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = SCButterflyModule(n_genes, 3, preset=preset, conditional=conditional).double()
        for buffer in made.buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand_like(buffer) + 0.5)
        for name, parameter in made.named_parameters():
            if "conditions" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return {
        KEYS.X: torch.from_numpy(rng.random((9, 7))),
        KEYS.PERTURBED: torch.from_numpy(rng.random((9, 7))),
        KEYS.CONDITION: torch.from_numpy(rng.integers(1, 3, 9)),
    }


def layer(part, x):
    """A layer by its formula, with the statistics that it keeps."""
    linear, norm, _ = part
    h = x @ linear.weight.T + linear.bias
    h = (h - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5) * norm.weight + norm.bias
    return torch.where(h > 0, h, 0.01 * h)


def network(sequential, x):
    for part in sequential:
        if isinstance(part, torch.nn.Sequential):
            x = layer(part, x)
    return x


def squared_error(a, b):
    return float(((a - b) ** 2).sum()) / a.numel()


class TestTerms:
    def test_the_divergence_is_that_of_torch(self):
        rng = np.random.default_rng(1)
        mean, log_variance = (torch.from_numpy(rng.normal(size=(5, 4))) for _ in range(2))
        expected = kl_divergence(Gaussian(mean, torch.exp(0.5 * log_variance)), Gaussian(0.0, 1.0)).mean()
        assert float(kl_to_standard(Normal(mean, log_variance))) == pytest.approx(float(expected))

    def test_draws_have_the_moments_of_the_posterior(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            posterior = Normal(torch.full((50_000, 1), 2.0), torch.full((50_000, 1), np.log(9.0)))
            z = posterior.draw()
        assert float(z.mean()) == pytest.approx(2.0, abs=0.05)
        assert float(z.std()) == pytest.approx(3.0, abs=0.05)

    def test_soft_labels_keep_what_is_near_the_ends(self):
        uniform = torch.tensor([0.05, 0.2, 0.21, 0.5, 0.51, 0.8, 0.81, 0.99])
        expected = torch.tensor([0.05, 0.2, 0.2, 0.2, 0.8, 0.8, 0.81, 0.99])
        assert torch.equal(soft_labels(uniform), expected)

    def test_discriminators_see_encoded_cells_under_high_labels(self):
        encoded, translated = torch.ones(3, 2), torch.zeros(3, 2)
        assert mixed(encoded, translated, torch.tensor([0.8, 0.2, 0.9]))[:, 0].tolist() == [1.0, 0.0, 1.0]

    def test_discrimination_is_a_cross_entropy(self):
        logits, label = torch.tensor([0.3, -1.2], dtype=torch.float64), torch.tensor([0.8, 0.1], dtype=torch.float64)
        p = 1 / (1 + np.exp(-logits.numpy()))
        expected = -(label.numpy() * np.log(p) + (1 - label.numpy()) * np.log(1 - p)).mean()
        assert float(discrimination(logits, label)) == pytest.approx(expected)

    def test_only_discriminators_that_know_something_are_misled(self):
        assert float(adversarial(torch.tensor(1.2), limit=1.35)) == pytest.approx(-1.2)
        assert float(adversarial(torch.tensor(1.36), limit=1.35)) == 0.0


class TestNetwork:
    def test_the_published_sizes(self):
        autoencoders = SCButterflyModule(30, 2, preset=PRESETS["published"], conditional=False).autoencoders

        def sizes(part):
            return [tuple(layer.weight.shape)[::-1] for layer in part.modules() if isinstance(layer, torch.nn.Linear)]

        assert sizes(autoencoders["control"].encoder) == [(30, 256), (256, 128)]
        assert sizes(autoencoders["control"].decoder) == [(128, 256), (256, 30)]
        assert sizes(autoencoders["treated"].encoder) == [(30, 128), (128, 128)]
        assert sizes(autoencoders["treated"].decoder) == [(128, 128), (128, 30)]
        rates = [layer.p for layer in autoencoders["control"].encoder if isinstance(layer, torch.nn.Dropout)]
        assert rates == [0.5, 0.1]
        # No cell is silenced in part at the output
        assert [layer.p for layer in autoencoders["control"].decoder if isinstance(layer, torch.nn.Dropout)] == [
            0.0,
            0.1,
        ]

    def test_a_plain_output_is_linear(self):
        end = block((4, 3, 2), dropout=0.0, plain_output=True)[-1]
        assert isinstance(end, torch.nn.Linear)

    def test_one_condition_has_no_parameters_of_its_own(self):
        names = [name for name, _ in module().named_parameters()]
        assert not any("conditions" in name for name in names)

    def test_conditions_change_nothing_before_training(self):
        h = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
        assert torch.equal(Conditions(3, 6)(h, torch.tensor([0, 1, 2, 1])), h)

    def test_conditions_scale_and_shift(self):
        conditions = Conditions(2, 3).double()
        torch.nn.init.constant_(conditions.scale.weight, 0.5)
        conditions.shift.weight.data[1] = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
        h = torch.ones(2, 3, dtype=torch.float64)
        out = conditions(h, torch.tensor([0, 1]))
        np.testing.assert_allclose(out.detach().numpy(), [[1.5, 1.5, 1.5], [2.5, 3.5, 4.5]])


@pytest.mark.parametrize("conditional", [False, True])
class TestObjective:
    @pytest.fixture
    def made(self, conditional):
        return module(conditional=conditional)

    def under(self, conditions, h, code):
        return h if conditions is None else h * (1 + conditions.scale.weight[code]) + conditions.shift.weight[code]

    def encoded(self, made, batch):
        code = batch[KEYS.CONDITION]
        control = network(made.autoencoders["control"].encoder, batch[KEYS.X])
        treated = network(made.autoencoders["treated"].encoder, batch[KEYS.PERTURBED])
        return control, self.under(made.encoder_conditions, treated, code)

    @torch.no_grad()
    def test_the_loss_of_an_arm(self, made, batch):
        code = batch[KEYS.CONDITION]
        control, treated = self.encoded(made, batch)
        for side, h, x in (("control", control, batch[KEYS.X]), ("treated", treated, batch[KEYS.PERTURBED])):
            own = made.own[side]
            mean = layer(own.posteriors[side].mean, h)
            log_variance = layer(own.posteriors[side].log_variance, h)
            back = layer(own.heads[side], mean)
            back = self.under(made.decoder_conditions, back, code) if side == "treated" else back
            losses = made.own_losses(batch, side)
            expected = squared_error(network(made.autoencoders[side].decoder, back), x)
            assert float(losses["reconstruction"]) == pytest.approx(expected, rel=1e-10)
            kl = -0.5 * float((1 + log_variance - mean**2 - torch.exp(log_variance)).mean())
            assert float(losses["kl"]) == pytest.approx(kl, rel=1e-10)

    @torch.no_grad()
    def test_the_joint_loss_has_four_errors_and_two_divergences(self, made, batch):
        code, bridge = batch[KEYS.CONDITION], made.translator
        x = {"control": batch[KEYS.X], "treated": batch[KEYS.PERTURBED]}
        h = dict(zip(x, self.encoded(made, batch), strict=True))
        error = kl = 0.0
        translated = {}
        for source in x:
            mean = layer(bridge.posteriors[source].mean, h[source])
            log_variance = layer(bridge.posteriors[source].log_variance, h[source])
            kl += -0.5 * float((1 + log_variance - mean**2 - torch.exp(log_variance)).mean())
            for target in x:
                back = layer(bridge.heads[target], mean)
                if source != target:
                    translated[target] = back
                back = self.under(made.decoder_conditions, back, code) if target == "treated" else back
                error += squared_error(network(made.autoencoders[target].decoder, back), x[target])
        outcome = made.joint(batch)
        assert float(outcome.reconstruction) == pytest.approx(error, rel=1e-10)
        assert float(outcome.kl) == pytest.approx(kl, rel=1e-10)
        for side in x:
            np.testing.assert_allclose(outcome.encoded[side], h[side], rtol=1e-10)
            np.testing.assert_allclose(outcome.translated[side], translated[side], rtol=1e-10)

    @torch.no_grad()
    def test_the_loss_of_the_discriminators(self, made, batch):
        outcome = made.joint(batch)
        label = torch.from_numpy(np.random.default_rng(3).random(9))
        expected = 0.0
        for side in ("control", "treated"):
            shown = torch.where(label[:, None] > 0.5, outcome.encoded[side], outcome.translated[side])
            linear, norm = made.discriminators[side].layers
            logits = (shown @ linear.weight.T + linear.bias - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5)
            p = torch.sigmoid(logits * norm.weight + norm.bias).squeeze(1)
            expected -= float((label * torch.log(p) + (1 - label) * torch.log(1 - p)).mean())
        loss = made.discriminator_loss(outcome.encoded, outcome.translated, label)
        assert float(loss) == pytest.approx(expected, rel=1e-10)

    @torch.no_grad()
    def test_a_translation_goes_from_one_encoder_to_the_other_decoder(self, made, batch):
        code = batch[KEYS.CONDITION]
        h = dict(zip(("control", "treated"), self.encoded(made, batch), strict=True))
        for source, target, x in (("control", "treated", batch[KEYS.X]), ("treated", "control", batch[KEYS.PERTURBED])):
            back = layer(made.translator.heads[target], layer(made.translator.posteriors[source].mean, h[source]))
            back = self.under(made.decoder_conditions, back, code) if target == "treated" else back
            expected = network(made.autoencoders[target].decoder, back)
            np.testing.assert_allclose(made.translate(x, source, code), expected, rtol=1e-10)
