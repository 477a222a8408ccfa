"""Presets of the multi-task autoencoder: scpi's own settings, and those of the publication."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from scpi.model.base.training._presets import Rules, TrainingPreset
from scpi.model.multitask._coder import Coding
from scpi.model.multitask._layers import Conditioning, Norm, Start

if TYPE_CHECKING:
    from collections.abc import Mapping

Likelihood = Literal["normal", "nb"]
Target = Literal["self", "ot", "self+ot"]
Adversary = Literal["condition", "prior"]
Divergence = Literal["gene", "batch"]
PairEach = Literal["control", "treated"]

# Decoding targets of each training phase, in order
TARGETS: Mapping[Target, tuple[Literal["self", "ot"], ...]] = {
    "self": ("self",),
    "ot": ("ot",),
    "self+ot": ("self", "ot"),
}


@dataclass(frozen=True, kw_only=True)
class Preset(TrainingPreset):
    """Architecture, objective, schedule and prediction.

    Attributes
    ----------
    n_hidden, n_latent
        Units of the hidden layers of the encoder (reversed in the decoder), and number of latent units.
    conditioning
        How the condition enters the hidden layers of the decoder.
    film_start
        Whether scale and shift of the hidden units start at the ``"identity"``, or at ``"random"`` values followed by a
        LeakyReLU, as published. Not used if ``conditioning="concat"``.
    coding
        Codes of conditions: one entry per condition and dose of the training cells (``"levels"``), or the logarithm of
        the ``"dose"`` of each single perturbation.
    n_embedding
        Length of a learned embedding of the code, shared by all layers; the code itself if ``None``.
    n_trunk
        Hidden units between the code and the conditioning of a layer, separate for each layer.
    norm, dropout, mask
        Normalisation and dropout of the hidden layers, and the fraction of the genes of a cell that is masked in the
        input of the encoder during training.
    likelihood
        ``"normal"``: squared error of log-normalised expression. ``"nb"``: negative binomial counts.
    variational, beta, divergence
        Whether the latent units have a distribution; the weight of its KL divergence from the prior relative to the
        mean error per gene; and the divisor of the divergence: the number of genes, or, as published, of batches in an
        epoch.
    target
        Decoding target of training cells: the cells themselves (``"self"``); for controls, the treated cells matched by
        optimal transport, beside the controls themselves (``"ot"``); or first one and then the other (``"self+ot"``).
    pair_each
        Whether each ``"control"`` is paired with a treated cell of every condition, as published, or each ``"treated"``
        cell with a control.
    adversary
        Discriminator of the latent units that the encoder learns to fool. It separates controls from treated cells
        (``"condition"``), or cells from samples of a normal prior (``"prior"``).
    adversary_weight, n_discriminator
        Weight of the adversarial loss (reconstruction has 1 minus this weight), and hidden units of the discriminator.
    discriminator_epochs, adversary_epochs
        Number of epochs in which the discriminator is trained alone, and in which both are trained.
    shift
        Shift of the latent units between controls and treated cells, in addition to the conditioning of the decoder:
        from a ``"ridge"`` regression of the shifts of the training contexts on their controls, or ``"none"``.
    residual
        Whether to add the decoded change to the cell instead of returning the decoded cell, which lacks the variation
        that the network does not reconstruct.
    transfer
        Fraction of the change that comes from the training contexts instead of the network, by a ridge regression on
        their controls: half by differences, half by fold changes of mean expression. All parts, including the
        network's, are scaled to the magnitude of the differences along the direction of these. The differences are
        shrunk if they are too large for held-out training contexts. It needs ``residual``.
    warmup_steps, weight_decay
        Number of warm-up steps of the learning rate of Adam, and weight decay.
    max_epochs
        Maximum number of epochs per target. Adversarial epochs, which have no best epoch, change in proportion.
    """

    n_hidden: tuple[int, ...] = (256,)
    n_latent: int = 50
    conditioning: Conditioning = "film"
    film_start: Start = "identity"
    coding: Coding = "levels"
    n_embedding: int | None = None
    n_trunk: tuple[int, ...] = ()
    norm: Norm = "batch"
    dropout: float = 0.2
    mask: float = 0.0
    likelihood: Likelihood = "normal"
    variational: bool = True
    beta: float = 1.0
    divergence: Divergence = "gene"
    target: Target = "self"
    pair_each: PairEach = "treated"
    adversary: Adversary | None = None
    adversary_weight: float = 0.01
    n_discriminator: tuple[int, ...] = (32,)
    discriminator_epochs: int = 10
    adversary_epochs: int = 10
    shift: Literal["ridge", "none"] = "ridge"
    residual: bool = True
    transfer: float = 2 / 3
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_epochs: int = 30


# One hidden layer of 256 and 128 latent units are the published [256, 128].
_PUBLISHED = Preset(
    n_hidden=(256,),
    n_latent=128,
    film_start="random",
    dropout=0.5,
    mask=0.2,
    variational=False,
    pair_each="control",
    shift="none",
    residual=False,
    transfer=0.0,
    lr=1e-5,
    warmup_steps=100,
    batch_size=64,
    max_epochs=400,
    discriminator_epochs=400,
    adversary_epochs=100,
)
_PUBLISHED_VAE = replace(_PUBLISHED, variational=True, beta=0.004, divergence="batch", lr=6.62e-6, batch_size=32)

PRESETS: Mapping[str, Preset] = {
    "scpi": Preset(),
    "published": _PUBLISHED,
    "published-adversarial": replace(_PUBLISHED, adversary="condition"),
    "published-gaussian": replace(_PUBLISHED, adversary="prior"),
    "published-ot": replace(_PUBLISHED, target="ot"),
    "published-self+ot": replace(_PUBLISHED, target="self+ot"),
    "published-vae": _PUBLISHED_VAE,
    "published-vae-ot": replace(_PUBLISHED_VAE, target="ot"),
    "published-vae-self+ot": replace(_PUBLISHED_VAE, target="self+ot"),
}

RULES = Rules(
    choices={
        "conditioning": get_args(Conditioning),
        "film_start": get_args(Start),
        "coding": get_args(Coding),
        "norm": get_args(Norm),
        "likelihood": get_args(Likelihood),
        "divergence": get_args(Divergence),
        "target": tuple(TARGETS),
        "pair_each": get_args(PairEach),
        "adversary": (*get_args(Adversary), None),
        "shift": ("ridge", "none"),
    },
    least={
        "n_latent": 1,
        "n_embedding": 1,
        "beta": 0,
        "patience": 1,
        "batch_size": 2,
        "max_epochs": 1,
        "warmup_steps": 0,
        "weight_decay": 0,
        "discriminator_epochs": 0,
        "adversary_epochs": 1,
    },
    positive=("lr",),
    shares=("dropout", "mask", "adversary_weight", "transfer"),
)
