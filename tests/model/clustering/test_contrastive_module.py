from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from scpi.model.base._constants import KEYS
from scpi.model.clustering._contrastive_loss import contrastive_loss
from scpi.model.clustering._contrastive_module import ContrastiveModule
from scpi.model.clustering._presets import CONTRASTIVE

X = 1.0 + torch.arange(2000.0).reshape(20, 100)


def make_module(**changes):
    torch.manual_seed(0)
    preset = replace(CONTRASTIVE["scpi"], n_hidden=(8,), n_latent=3, **changes)
    return ContrastiveModule(100, preset=preset, n_clusters=2)


def test_a_view_hides_genes_and_scales_the_others_up():
    view = make_module(dropout=0.75).view(X)
    hidden = view == 0
    assert float(hidden.float().mean()) == pytest.approx(0.75, abs=0.03)
    torch.testing.assert_close(view[~hidden], 4 * X[~hidden])


def test_a_view_may_have_noise():
    view = make_module(dropout=0.0, noise=2.0).view(X)
    assert float((view - X).std()) == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("augmentation", ["zero", "value", "noise"])
def test_a_further_mask_changes_a_fraction_of_the_genes(augmentation):
    module = make_module(dropout=0.0, augmentation=augmentation, augmentation_share=0.5, augmentation_noise=3.0)
    view = module.view(X)
    changed = view != X
    # A cell may be its own neighbour among the permuted ones
    assert float(changed.float().mean()) == pytest.approx(0.5, abs=0.06)
    if augmentation == "zero":
        assert not view[changed].any()
    elif augmentation == "noise":
        assert float((view - X)[changed].std()) == pytest.approx(3.0, rel=0.1)
    else:
        # Values of the same gene in one other cell
        offset = (view - X) / 100
        for row, own in zip(offset, changed, strict=True):
            assert len(row[own].unique()) <= 1 and torch.equal(row, row.round())


def test_logits_are_distances_on_the_sphere_over_the_temperature():
    module = make_module(temperature=0.5).eval()
    module.set_centroids(torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    torch.testing.assert_close(module.logits(torch.tensor([[1.0, 0, 0]])), torch.tensor([[0.0, -4.0]]))
    torch.testing.assert_close(module.encode(X).norm(dim=1), torch.ones(20))


def test_two_views_are_contrasted_and_labels_and_weights_are_read():
    module = make_module()
    tensors = {KEYS.INPUT: X / 1000, KEYS.LABELS: torch.arange(20) % 3, KEYS.WEIGHT: torch.linspace(1, 2, 20)}
    torch.manual_seed(1)
    found = module.representation_losses(tensors)["contrastive"]
    torch.manual_seed(1)
    views = [module.encoder(module.view(tensors[KEYS.INPUT])) for _ in range(2)]
    expected = contrastive_loss(*views, temperature=0.2, labels=tensors[KEYS.LABELS], weights=tensors[KEYS.WEIGHT])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, contrastive_loss(*views, temperature=0.2))


@torch.no_grad()
def test_batch_normalisation_changes_nothing_at_the_start():
    module = make_module(dropout=0.0)
    x = torch.randn(200, 100)
    x[:, :3] *= torch.tensor([20.0, 14.0, 9.0])
    module.start(x, torch.ones(100), torch.ones(100))
    columns = torch.linalg.svd(x - x.mean(0), full_matrices=False)[2][:3].T
    expected = torch.nn.functional.normalize(x @ columns, dim=1)
    found = module.eval().encode(x)
    # Components have signs of their own
    torch.testing.assert_close((found * expected).sum(0).abs(), expected.square().sum(0), rtol=1e-3, atol=0)
