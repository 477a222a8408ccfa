"""Fused optimisers."""

import pytest
import scanpy as sc
import torch

import scpi
from scpi.model.base.training._fused import FusedTrainingPlan, fused


def descend(optimizer, weights):
    for step in range(5):
        optimizer.zero_grad()
        (weights * (step + 1.0)).square().sum().backward()
        optimizer.step()
    return weights.detach()


@pytest.mark.parametrize("cls", [torch.optim.Adam, torch.optim.SGD])
def test_steps_are_those_of_the_plain_form(cls):
    start = torch.randn(50, generator=torch.Generator().manual_seed(0))
    one, other = (torch.nn.Parameter(start.clone()) for _ in range(2))
    found = fused(cls, (w for w in [one]), lr=0.1)
    assert found.defaults["fused"]
    torch.testing.assert_close(descend(found, one), descend(cls([other], lr=0.1), other))


def test_what_has_no_fused_form_is_plain():
    def only_plain(parameters, *, fused, **settings):
        if fused:
            msg = "`fused=True` is not for this device"
            raise RuntimeError(msg)
        return torch.optim.Adam(parameters, **settings)

    weights = torch.nn.Parameter(torch.ones(3))
    found = fused(only_plain, (w for w in [weights]), lr=0.5)
    assert found.param_groups[0]["params"] == [weights]
    assert not found.defaults["fused"]
    assert found.defaults["lr"] == 0.5


@pytest.mark.parametrize(
    ("settings", "is_fused"), [({}, True), ({"precision": "bf16-mixed", "gradient_clip_val": 1.0}, False)]
)
def test_gradients_can_be_clipped_in_mixed_precision(make_screen, settings, is_fused):
    kept = []

    class Plan(FusedTrainingPlan):
        def configure_optimizers(self):
            found = super().configure_optimizers()
            kept.append(found["optimizer"])
            return found

    class Model(scpi.model.SCGEN):
        _training_plan_cls = Plan

    adata = make_screen()
    sc.pp.log1p(adata)
    Model.setup_anndata(adata)
    Model(adata, n_hidden=8, n_latent=3).train(max_epochs=1, enable_progress_bar=False, accelerator="cpu", **settings)
    (optimizer,) = kept
    assert bool(optimizer.defaults.get("fused")) == is_fused
