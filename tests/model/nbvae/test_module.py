from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scvi.module import VAE

from scpi.model.base import KEYS
from scpi.model.nbvae._module import NBVAEModule
from scpi.model.nbvae._presets import PRESETS

N, GENES = 20, 7


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return {
        KEYS.X: torch.from_numpy(rng.poisson(3.0, (N, GENES)).astype(np.float32)),
        KEYS.BATCH: torch.from_numpy(rng.integers(0, 2, (N, 1))),
        KEYS.LABELS: torch.from_numpy(rng.integers(0, 3, (N, 1))),
        KEYS.CATEGORICAL: torch.from_numpy(rng.integers(0, 3, (N, 1))),
        KEYS.CONTINUOUS: torch.from_numpy(rng.normal(size=(N, 1)).astype(np.float32)),
        KEYS.SIZE_FACTOR: torch.from_numpy(rng.uniform(0.5, 2.0, (N, 1)).astype(np.float32)),
    }


def module(preset="scvi", **options):
    settings = {"n_latent": 3, "encoder_hidden": (16,), "decoder_hidden": (16,)}
    torch.manual_seed(0)
    return NBVAEModule(
        GENES, **{"n_categories": [2, 3], "n_continuous": 1} | options, preset=replace(PRESETS[preset], **settings)
    )


@pytest.mark.parametrize("sized", [False, True])
def test_the_network_is_that_of_scvi(batch, sized):
    own = module(sized=sized).eval()
    theirs = VAE(
        GENES,
        n_batch=2,
        n_hidden=16,
        n_latent=3,
        n_continuous_cov=1,
        n_cats_per_cov=[3],
        gene_likelihood="nb",
        encode_covariates=True,
        use_size_factor_key=sized,
    ).eval()
    parts = [theirs.z_encoder, theirs.decoder.px_decoder, theirs.decoder.px_scale_decoder]
    given = [value for part in parts for value in part.state_dict().values()] + [theirs.px_r.detach()]
    wanted = [own.encoder, own.mean, own.log_variance, own.decoder, own.output]
    names = [f"{name}.{key}" for name, part in own.named_children() if part in wanted for key in part.state_dict()]
    # Both list encoder, decoder and output in the order in which they are passed
    own.load_state_dict(dict(zip([*names, "log_theta"], given, strict=True)), strict=False)
    losses = []
    for network in (own, theirs):
        torch.manual_seed(1)
        losses.append(network(batch, loss_kwargs={"kl_weight": 0.3})[2])
    np.testing.assert_allclose(losses[0].loss.detach(), losses[1].loss.detach(), rtol=1e-5)
    for term in ("reconstruction_loss", "kl_local"):
        mine, other = (sum(getattr(loss, term).values()).detach() for loss in losses)
        np.testing.assert_allclose(mine, other, rtol=1e-4)


def test_the_published_network(batch):
    own = NBVAEModule(GENES, n_categories=[2, 3], preset=PRESETS["op3"])
    sizes = {name: tuple(value.shape) for name, value in own.named_parameters() if name.endswith("weight")}
    assert list(sizes.values()) == [
        (1024, GENES + 5),
        (256, 1024),
        (5, 256),
        (5, 256),
        (256, 10),
        (1024, 256),
        (GENES, 1024),
    ]
    np.testing.assert_allclose(own.log_theta.detach().exp(), 2.0, rtol=1e-6)
    x = batch[KEYS.X]
    assert own.read(x) is x
    assert own.size(x, None).flatten().tolist() == x.max(1).values.tolist()
    codes = torch.cat([batch[KEYS.BATCH], batch[KEYS.CATEGORICAL]], 1)
    log_scale, _ = own.decode(torch.zeros(N, 5), codes, torch.zeros(N, 0))
    np.testing.assert_allclose(log_scale.detach().exp().mean(), 0.5, atol=0.05)


def test_the_loss_against_its_formula(batch):
    weights = torch.tensor([1.0, 20.0, 1, 1, 1, 1, 1])
    own = module("op3", n_labels=3, gene_weights=weights).eval()
    torch.manual_seed(1)
    inference, generative, found = own(batch, loss_kwargs={"kl_weight": 0.25})
    x = batch[KEYS.X].numpy().astype(float)
    mean = x.max(1, keepdims=True) * generative["log_scale"].exp().detach().numpy()
    r = 2.0
    likelihood = (stats.nbinom.logpmf(x, r, r / (r + mean)) * weights.numpy()).sum(1)
    m, s = (inference[name].detach().numpy().astype(float) for name in ("mean", "sd"))
    divergence = -0.5 * (1 + np.log(s**2) - m**2 - s**2).sum(1)
    logits = generative["logits"].detach().numpy().astype(float)
    labels = batch[KEYS.LABELS].numpy().ravel()
    task = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(N), labels])
    assert float(found.loss.detach()) == pytest.approx((-likelihood + 0.25 * divergence).mean() + task, rel=1e-4)
    assert float(found.extra_metrics["task_loss"].detach()) == pytest.approx(task, rel=1e-4)


def test_features_are_read_instead_of_indicators(batch):
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    own = module(features={1: features}).eval()
    x, codes = batch[KEYS.X][:3], torch.tensor([[0, 0], [0, 1], [0, 2]])
    values = torch.zeros(3, 1)
    z = torch.zeros(3, 3)
    hidden = [layer for layer in own.decoder.layers[0].fc_layers[0] if layer is not None][0](
        torch.cat([z, values, features, torch.nn.functional.one_hot(codes[:, 0], 2)], 1)
    )
    # What the first layer reads is linear in the features
    np.testing.assert_allclose(hidden[2].detach(), hidden[:2].mean(0).detach(), rtol=1e-4, atol=1e-6)
    assert own.posterior(own.read(x), codes, values)[0].shape == (3, 3)


@pytest.mark.parametrize("preset", ["scvi", "op3"])
@pytest.mark.parametrize("sized", [False, True])
def test_rates_sum_to_one(batch, preset, sized):
    own = module(preset, sized=sized).eval()
    codes = torch.cat([batch[KEYS.BATCH], batch[KEYS.CATEGORICAL]], 1)
    rates = own.rates(torch.randn(N, 3), codes, batch[KEYS.CONTINUOUS])
    np.testing.assert_allclose(rates.fractions.detach().sum(1), 1.0, rtol=1e-5)
    log_scale, _ = own.decode(torch.zeros(N, 3), codes, batch[KEYS.CONTINUOUS])
    scale = log_scale.detach().exp()
    np.testing.assert_allclose(
        own.rates(torch.zeros(N, 3), codes, batch[KEYS.CONTINUOUS]).fractions.detach(),
        scale / scale.sum(1, keepdim=True),
        rtol=1e-4,
    )
