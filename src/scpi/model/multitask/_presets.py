"""Settings of the multi-task autoencoder: scpi's own, and those of the publication."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from scpi.model.base._presets import Rules
from scpi.model.multitask._coder import Coding
from scpi.model.multitask._layers import Conditioning, Norm

if TYPE_CHECKING:
    from collections.abc import Mapping

Likelihood = Literal["normal", "nb"]
Target = Literal["self", "ot", "self+ot"]
Adversary = Literal["condition", "prior"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Architecture, objective and schedule.

    Attributes
    ----------
    n_hidden, n_latent
        Units of the hidden layers of the encoder, which the decoder has in reverse order, and latent units.
    conditioning
        How the condition enters the hidden layers of the decoder.
    coding
        Codes of conditions: one for each ``"levels"`` of the training cells, or the logarithm of the ``"dose"`` of each
        single perturbation.
    n_trunk
        Hidden units between the code and what it does to a layer.
    norm, dropout
        Normalisation and dropout of the hidden layers.
    mask
        Share of the genes of a cell that are hidden from the encoder in training.
    likelihood
        ``"normal"``: squared error of log-normalised expression. ``"nb"``: negative binomial counts.
    variational, beta
        Whether the latent units have a distribution, and the weight of its divergence from the prior.
    target
        What training cells are decoded into: themselves (``"self"``), the treated cell that optimal transport gives a
        control cell (``"ot"``, beside controls themselves), or first one and then the other (``"self+ot"``).
    adversary
        Discriminator of the latent units that the encoder learns to mislead: of controls from treated cells
        (``"condition"``), or of cells from a normal prior (``"prior"``).
    adversary_weight
        Weight of misleading it, that of reconstruction being 1 less.
    n_discriminator
        Its hidden units.
    discriminator_epochs, adversary_epochs
        Epochs in which it learns alone, and in which both learn.
    residual
        Add what the condition changes in the decoded cell to the cell, in place of taking the decoded cell, which lacks what
        the network does not reconstruct.
    lr, warmup_steps, weight_decay
        Learning rate of Adam, steps in which it rises, and weight decay.
    batch_size, max_epochs
        Most cells in a batch, and most epochs of a target.
    """

    n_hidden: tuple[int, ...] = (256, 128)
    n_latent: int = 64
    conditioning: Conditioning = "film"
    coding: Coding = "levels"
    n_trunk: tuple[int, ...] = ()
    norm: Norm = "batch"
    dropout: float = 0.1
    mask: float = 0.3
    likelihood: Likelihood = "normal"
    variational: bool = False
    beta: float = 0.004
    target: Target = "ot"
    adversary: Adversary | None = None
    adversary_weight: float = 0.01
    n_discriminator: tuple[int, ...] = (32,)
    discriminator_epochs: int = 50
    adversary_epochs: int = 50
    residual: bool = True
    lr: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.0
    batch_size: int = 128
    max_epochs: int = 100


# Hidden layers (256) and 128 latent units are the published [256, 128]
_PUBLISHED = Preset(
    n_hidden=(256,),
    n_latent=128,
    dropout=0.5,
    mask=0.2,
    target="self",
    residual=False,
    lr=1e-5,
    batch_size=64,
    max_epochs=400,
    discriminator_epochs=400,
    adversary_epochs=100,
)

PRESETS: Mapping[str, Preset] = {
    "scpi": Preset(),
    "published": _PUBLISHED,
    "published-adversarial": replace(_PUBLISHED, adversary="condition"),
    "published-gaussian": replace(_PUBLISHED, adversary="prior"),
    "published-vae": replace(_PUBLISHED, variational=True, lr=6.62e-6, batch_size=32),
    "published-ot": replace(_PUBLISHED, target="ot"),
    "published-self+ot": replace(_PUBLISHED, target="self+ot"),
    "published-vae-ot": replace(_PUBLISHED, variational=True, lr=6.62e-6, batch_size=32, target="ot"),
    "published-vae-self+ot": replace(_PUBLISHED, variational=True, lr=6.62e-6, batch_size=32, target="self+ot"),
}

RULES = Rules(
    choices={
        "conditioning": get_args(Conditioning),
        "coding": get_args(Coding),
        "norm": get_args(Norm),
        "likelihood": get_args(Likelihood),
        "target": get_args(Target),
        "adversary": (*get_args(Adversary), None),
    },
    least={
        "n_latent": 1,
        "beta": 0,
        "batch_size": 2,
        "max_epochs": 1,
        "warmup_steps": 0,
        "weight_decay": 0,
        "discriminator_epochs": 0,
        "adversary_epochs": 1,
    },
    positive=("lr",),
    shares=("dropout", "mask", "adversary_weight"),
)
