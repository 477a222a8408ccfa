from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.multitask._plan import MultiTaskPlan

SEEN: list[tuple[str, float, dict[str, torch.Tensor]]] = []


class Watch(MultiTaskPlan):
    """Notes the phase, the first learning rate, and the weights at the start of every epoch."""

    def on_train_epoch_start(self):
        SEEN.append((self.phase, {n: p.detach().clone() for n, p in self.module.named_parameters()}))

    def on_train_end(self):
        SEEN.append(("end", {n: p.detach().clone() for n, p in self.module.named_parameters()}))


@pytest.mark.parametrize("adversary", ["condition", "prior"])
def test_phases_train_what_they_should(adversary, make_contexts, fit, monkeypatch):
    monkeypatch.setattr(scpi.model.MultiTaskAE, "_training_plan_cls", Watch)
    SEEN.clear()
    fit(
        make_contexts(),
        epochs=2,
        preset="published-adversarial",
        adversary=adversary,
        lr=1e-3,
        max_epochs=2,
        discriminator_epochs=1,
        adversary_epochs=2,
        warmup_steps=2,
    )
    assert [phase for phase, _ in SEEN] == ["reconstruct"] * 2 + ["discriminate"] + ["adversarial"] * 2 + ["end"]
    for (phase, before), (_, after) in zip(SEEN[:-1], SEEN[1:], strict=True):
        changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert ("discriminator" in changed) == (phase != "reconstruct")
        assert ("encoder" in changed) == ("decoder" in changed) == (phase != "discriminate")


def test_a_misled_discriminator_tells_controls_less_well(make_contexts, fit):
    settings = {"preset": "published-adversarial", "lr": 2e-3, "dropout": 0.0, "mask": 0.0, "max_epochs": 10}
    settings |= {"discriminator_epochs": 15, "adversary_epochs": 20}
    errors = [
        float(
            fit(make_contexts(), epochs=10, adversary_weight=weight, **settings)
            .history["discriminator_train"]
            .to_numpy(float)[-1, 0]
        )
        for weight in (0.0, 0.5)
    ]
    # A guess costs log 2
    assert errors[0] < 0.5 < 0.9 * np.log(2) < errors[1]


def test_validation_restores_the_best_weights_and_stops_early(make_contexts, fit):
    model = fit(
        make_contexts(),
        epochs=60,
        lr=0.05,
        train={"train_size": 0.7, "restore_best": True, "early_stopping": True, "early_stopping_patience": 5},
    )
    history = model.history["reconstruction_validation"].to_numpy(float).ravel()
    assert 5 < len(history) < 60
    assert history.argmin() == len(history) - 6


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"adversary": "condition", "target": "ot"}, "only `target='self'` reads"),
        ({"residual": False}, "`transfer` above 0 needs `residual=True`"),
        ({"conditioning": "film2"}, "`conditioning` must be one of"),
        ({"transfer": 1.0}, "`transfer` must be at least 0 and below 1"),
        ({"likelihood": "nb"}, "raw counts"),
        ({"restrict_to": ["z"]}, "`restrict_to` must name contexts"),
    ],
)
def test_settings_that_make_no_model(kwargs, message, make_contexts):
    adata = make_contexts()
    scpi.model.MultiTaskAE.setup_anndata(adata, context_key="context")
    with pytest.raises(ValueError, match=message):
        scpi.model.MultiTaskAE(adata, **kwargs)


def test_counts_where_logarithms_are_expected(make_contexts):
    adata = make_contexts(counts=True)
    scpi.model.MultiTaskAE.setup_anndata(adata, context_key="context")
    with pytest.raises(ValueError, match="log-normalised"):
        scpi.model.MultiTaskAE(adata)


def test_what_transport_cannot_pair_is_reconstructed_all_the_same(make_contexts, fit):
    """A condition of a context without controls has no pairs, and a code in the first phase."""
    adata = make_contexts(missing=None)
    own, treated = adata.obs["context"] == "e", adata.obs["perturbation"] == "drug"
    adata.obs.loc[own & treated, "perturbation"] = "other"
    model = fit(adata[(~own | treated).to_numpy()].copy(), target="self+ot")
    assert np.isfinite(model.get_latent_representation()).all()
    assert np.isfinite(model.predict(perturbation="drug", context="a", output="mean").X).all()


def test_training_goes_on_from_where_it_was(make_contexts, fit):
    model = fit(make_contexts(), epochs=3, lr=1e-2)
    before = model.module.output.bias.detach().clone()
    model.train(1, lr=1e-9, train_size=1.0, accelerator="cpu", enable_progress_bar=False)
    torch.testing.assert_close(model.module.output.bias.detach(), before)
