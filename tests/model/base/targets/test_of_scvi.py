"""Targets of networks that are laid out as those of scvi-tools, with weights that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import shap
import torch
from captum.attr import IntegratedGradients

from scpi.model.base.targets._of_scvi import decoder_of_scvi, has_logits, is_of_scvi, target_of_scvi

WEIGHT = torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 0.5]])
BIAS = torch.tensor([0.5, -0.25])
# Classes from the latent units
CLASSES = torch.tensor([[1.0, 2.0], [0.0, 1.0]])


def linear(weight, bias=None):
    layer = torch.nn.Linear(*weight.shape[::-1], bias=bias is not None)
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def encoding_model(*, log, bias=BIAS, logits=True, **flags):
    """Reads three genes through a layer of two hidden units with a ReLU; twice the hidden units are the latent ones."""
    blocks = [[linear(WEIGHT, bias), None, torch.nn.ReLU()]]
    encoder = SimpleNamespace(encoder=SimpleNamespace(fc_layers=blocks), mean_encoder=lambda hidden: 2 * hidden)
    classifier = linear(CLASSES) if logits else torch.nn.Sequential(linear(CLASSES), torch.nn.Softmax(-1))
    classifier.logits = logits
    module = SimpleNamespace(
        z_encoder=encoder, log_variational=log, n_latent=2, n_labels=2, classifier=classifier, **flags
    )
    module.eval = lambda: module
    # The last category is that of cells without a label
    labels = SimpleNamespace(categorical_mapping=["T", 7, "unknown"])
    return SimpleNamespace(module=module, adata_manager=SimpleNamespace(get_state_registry=lambda key: labels))


def by_hand(x, bias=BIAS):
    hidden = x @ WEIGHT.T
    return 2 * torch.relu(hidden if bias is None else hidden + bias)


X = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.5, 3.0]])


class TestOtherLibraries:
    """They take a target as it is, and their attributions sum to the differences of its outputs."""

    def test_captum(self):
        target = target_of_scvi(encoding_model(log=False), "latent")
        found = IntegratedGradients(target.function).attribute(X, target=1, n_steps=500)
        difference = target.function(X) - target.function(torch.zeros_like(X))
        torch.testing.assert_close(found.sum(1), difference[:, 1], atol=5e-3, rtol=0)

    def test_shap(self):
        target = target_of_scvi(encoding_model(log=False), "latent")
        module = torch.nn.Module()
        module.forward = target.function
        found = shap.GradientExplainer(module, torch.zeros_like(X)).shap_values(X, nsamples=2000, rseed=0)
        difference = target.function(X) - target.function(torch.zeros_like(X))
        assert found.shape == (2, 3, 2)
        np.testing.assert_allclose(found.sum(1), difference.detach().numpy(), atol=0.1)


class TestEncoder:
    @pytest.mark.parametrize("bias", [BIAS, None], ids=["bias", "none"])
    def test_latent_units_are_those_of_the_layers(self, bias):
        target = target_of_scvi(encoding_model(log=True, bias=bias), "latent")
        torch.testing.assert_close(target.function(X), by_hand(X, bias))
        torch.testing.assert_close(target.head(X @ target.projection), by_hand(X, bias))
        assert torch.equal(target.projection, WEIGHT.T)
        assert (target.names, target.kind) == (["latent_0", "latent_1"], "latent")

    @pytest.mark.parametrize("log", [True, False])
    def test_the_transform_is_that_of_the_model(self, log):
        found = target_of_scvi(encoding_model(log=log), "latent").transform(X)
        torch.testing.assert_close(found, torch.log1p(X) if log else X)

    @pytest.mark.parametrize("logits", [True, False])
    def test_classes_have_logits_or_logarithms_of_probabilities(self, logits):
        target = target_of_scvi(encoding_model(log=True, logits=logits), "logit")
        scores = by_hand(X) @ CLASSES.T
        wanted = scores if logits else torch.log_softmax(scores, -1)
        torch.testing.assert_close(target.function(X), wanted)
        torch.testing.assert_close(target.head(X @ target.projection), wanted)
        assert target.names == ["T", "7"]

    def test_an_encoder_of_covariates_is_refused(self):
        with pytest.raises(NotImplementedError, match="encode_covariates=True"):
            target_of_scvi(encoding_model(log=True, encode_covariates=True), "latent")


def decoding_model(decoder, *, n_batch=2, stats=None, **settings):
    settings = {"gene_likelihood": "nb", "batch_representation": "one-hot"} | settings
    module = SimpleNamespace(decoder=decoder, n_batch=n_batch, n_latent=2, **settings)
    module.eval = lambda: module
    return SimpleNamespace(module=module, summary_stats=stats or {})


Z = torch.tensor([[0.0, 1.0], [2.0, -1.0]])


class TestDecoder:
    def test_the_logarithm_is_averaged_over_batches(self):
        def decoder(dispersion, z, depth, batch):
            assert dispersion == "gene" and not depth.any() and batch.shape == (len(z), 1)
            return (torch.exp(z * (1 + batch)),)

        found = decoder_of_scvi(decoding_model(decoder, n_batch=3))
        torch.testing.assert_close(found.function(Z), 2 * Z)
        assert found.names == ["latent_0", "latent_1"]

    def test_without_batches_there_is_one(self):
        found = decoder_of_scvi(decoding_model(lambda _, z, depth, batch: (torch.exp(3 * z),), n_batch=0))
        torch.testing.assert_close(found.function(Z), 3 * Z)

    def test_a_fraction_of_zero_has_a_finite_logarithm(self):
        found = decoder_of_scvi(decoding_model(lambda _, z, depth, batch: (torch.zeros_like(z),)))
        least = float(np.log(np.finfo(np.float32).tiny))
        torch.testing.assert_close(found.function(Z), torch.full_like(Z, least))

    def test_an_embedding_of_batches_is_appended(self):
        model = decoding_model(
            lambda _, units, depth: (torch.exp(units),),
            batch_representation="embedding",
            compute_embedding=lambda key, batch: batch * 10.0,
        )
        wanted = torch.cat([Z, torch.full((2, 1), 5.0)], dim=1)
        torch.testing.assert_close(decoder_of_scvi(model).function(Z), wanted)

    def test_an_additive_decoder_gives_logits(self):
        model = decoding_model(lambda z, batch, cont: (z + 5,), n_split_latent=2)
        torch.testing.assert_close(decoder_of_scvi(model).function(Z), torch.log_softmax(Z, -1))

    def test_what_has_no_logarithm_or_reads_covariates_is_refused(self):
        with pytest.raises(TypeError, match="has no logarithm"):
            decoder_of_scvi(decoding_model(None, gene_likelihood="normal"))
        for name in ("n_extra_categorical_covs", "n_extra_continuous_covs"):
            with pytest.raises(NotImplementedError, match="covariates beside the batch"):
                decoder_of_scvi(decoding_model(None, stats={name: 1}))


def test_kinds_of_models():
    assert has_logits(SimpleNamespace(clusters_=[0])) and not has_logits(SimpleNamespace())
    assert not is_of_scvi(SimpleNamespace())
