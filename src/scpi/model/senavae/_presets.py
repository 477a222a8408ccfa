"""Presets: scpi's own settings, and those of the two publications."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from scpi.model.base.training._presets import Rules
from scpi.model.senavae._intervention import InterventionEncoding
from scpi.model.senavae._layers import Init

Encoder = Literal["gene_sets", "mlp", "linear"]
Likelihood = Literal["normal", "nb"]
KlReduction = Literal["sum", "mean_over_cells_twice"]
Discrepancy = Literal["mmd", "paired", "reconstruction"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Architecture, objective and schedule of a SENAVAE.

    Attributes
    ----------
    encoder
        First layer of the encoder: gene sets, a hidden layer, or none.
    n_hidden
        Units of the hidden layers of the encoder (``"mlp"``) and of the decoder; 0 makes the decoder linear.
    max_factors
        Largest number of factors that is chosen automatically; one per perturbation if ``None``.
    choose_factors
        Whether to choose the number of factors from the training cells, unless it is given.
    init
        Initial weights of gene sets: a weighted mean of the members, or free weights.
    max_weight_ratio
        Largest factor by which the weight of a member may differ from an equal weight.
    intervention
        Intervention encoder: ``"mlp"`` or ``"table"``.
    positive_output
        Whether the decoder of the normal likelihood ends in a LeakyReLU, as published.
    learn_variance
        Whether to estimate the residual variance of the normal likelihood, instead of a plain squared error.
    abduct
        Whether a counterfactual keeps the residual of its cell that the decoder does not explain. The normal model then
        predicts the cell plus the decoded change instead of the decoded expression, in the discrepancy and in
        predictions.
    least_squares
        Whether predictions start from one effect per perturbation, fitted to all training conditions by least squares.
        The network adds the decoded interaction of a combination beyond the sum of its members. It needs ``abduct``.
        ``None`` means ``True``, unless the mechanism is rectified: its changes differ between cells, and are decoded.
    shrink
        Whether to shrink these effects according to their noise (Stephens, 2017, Biostatistics 18:275), such that a
        perturbation without an effect is predicted to have none.
    interaction
        Weight of the decoded interaction beyond the sum.
    causal_posterior
        Whether the encoder estimates causal variables, and the inverse of the causal layer gives the exogenous noise.
    data_init
        Whether to start from moments of the data, and to order the factors by their effect profiles.
    discrepancy
        Comparison of perturbed cells: ``"mmd"``, with the distribution of the counterfactuals; ``"paired"``, with the
        counterfactual of a control drawn for each cell, by the squared error; or ``"reconstruction"``, with their own
        reconstruction given the perturbation, as in a conditional VAE.
    max_mmd, max_kl, max_temperature
        Weights of the discrepancy and of the KL divergence, and the temperature, at the end of the rise.
    mmd_start, kl_start, temperature_start
        Epochs at which the rises start.
    graph_penalty
        Weight of the L1 penalty on the edges.
    mean_graph_penalty
        Whether to penalise the mean of the absolute edges instead of their sum.
    kl
        KL divergence: ``"sum"`` over factors, averaged over cells; or averaged over factors and divided by the number
        of cells twice.
    per_gene
        Whether to divide the KL divergence by the number of genes, to match the scale of the mean reconstruction error.
    unbiased
        Whether to use the unbiased estimate of the discrepancy.
    bandwidth
        Central kernel bandwidth; the others differ by factors of two. Estimated from the data if ``None``.
    n_kernels
        Number of bandwidths.
    lr
        Learning rate of Adam.
    cosine_decay
        Whether the learning rate decays to 1 % along a half cosine.
    gradient_clip
        Maximum norm or maximum entry of the gradient.
    gradient_clip_algorithm
        ``"norm"`` or ``"value"``; ``None`` for no clipping.
    max_epochs
        Number of epochs.
    n_cells, n_conditions
        Number of cells of each condition in a batch, and of conditions in a batch.
    """

    encoder: Encoder = "gene_sets"
    n_hidden: int = 128
    max_factors: int | None = 128
    choose_factors: bool = True
    init: Init = "set_mean"
    max_weight_ratio: float = 2.0
    intervention: InterventionEncoding = "table"
    positive_output: bool = False
    learn_variance: bool = True
    abduct: bool = True
    least_squares: bool | None = None
    shrink: bool = True
    interaction: float = 0.25
    causal_posterior: bool = True
    data_init: bool = True
    discrepancy: Discrepancy = "mmd"
    max_mmd: float = 100.0
    max_kl: float = 1.0
    max_temperature: float = 5.0
    mmd_start: int = 0
    kl_start: int = 0
    temperature_start: int = 5
    graph_penalty: float = 1e-3
    mean_graph_penalty: bool = False
    kl: KlReduction = "sum"
    per_gene: bool = True
    unbiased: bool = True
    bandwidth: float | None = None
    n_kernels: int = 10
    lr: float = 3e-3
    cosine_decay: bool = True
    gradient_clip: float = 5.0
    gradient_clip_algorithm: Literal["norm", "value"] | None = "norm"
    max_epochs: int = 100
    n_cells: int = 64
    n_conditions: int = 8


_SENA = Preset(
    max_factors=None,
    choose_factors=False,
    init="n_genes",
    intervention="mlp",
    positive_output=True,
    learn_variance=False,
    abduct=False,
    least_squares=False,
    shrink=False,
    causal_posterior=False,
    data_init=False,
    max_mmd=1.0,
    max_kl=1.0,
    max_temperature=100.0,
    mmd_start=5,
    kl_start=10,
    temperature_start=5,
    graph_penalty=0.1,
    mean_graph_penalty=True,
    kl="mean_over_cells_twice",
    per_gene=False,
    unbiased=False,
    bandwidth=200.0,
    lr=1e-3,
    cosine_decay=False,
    gradient_clip=0.5,
    gradient_clip_algorithm=None,
    max_epochs=100,
    n_cells=32,
    n_conditions=1,
)

PRESETS: dict[str, Preset] = {
    "scpi": Preset(),
    "sena": _SENA,
    "zhang": replace(
        _SENA,
        encoder="mlp",
        max_mmd=10.0,
        max_kl=2.0,
        max_temperature=5.0,
        graph_penalty=1e-3,
        mean_graph_penalty=False,
        kl="sum",
        bandwidth=1000.0,
    ),
}

RULES = Rules(
    choices={
        "encoder": get_args(Encoder),
        "init": get_args(Init),
        "intervention": get_args(InterventionEncoding),
        "kl": get_args(KlReduction),
        "discrepancy": get_args(Discrepancy),
        "gradient_clip_algorithm": ("norm", "value", None),
    },
    least={"n_hidden": 0, "interaction": 0, "n_kernels": 1, "max_epochs": 1, "n_cells": 1, "n_conditions": 1},
    positive=("lr",),
)
