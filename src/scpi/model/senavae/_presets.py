"""Settings that belong together: scpi's own, and those of the two publications."""

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
        First part of the encoder: gene sets, a hidden layer, or none.
    n_hidden
        Units of the hidden layers of the encoder (``"mlp"``) and of the decoder; 0 makes the decoder linear.
    max_factors
        Largest number of factors that is chosen by itself; one per perturbation if ``None``.
    choose_factors
        Choose the number of factors by the training cells, unless it is given.
    init
        Weights of gene sets: a weighted mean of the members, or free weights.
    max_weight_ratio
        Largest factor by which a member of a weighted mean counts more or less than with equal weights.
    intervention
        Intervention encoder: ``"mlp"`` or ``"table"``.
    positive_output
        End the normal decoder in a LeakyReLU, as published.
    learn_variance
        Estimate the residual variance of the normal likelihood, instead of a plain squared error.
    abduct
        A counterfactual keeps what the decoder does not explain of its cell: the normal model predicts the cell
        plus the decoded change, in the discrepancy as in predictions, rather than the decoded expression.
    least_squares
        Predictions start from one effect per perturbation, fitted to all training conditions by least squares, to
        which the network adds what it decodes for a combination beyond the sum of its members. It needs ``abduct``. If
        ``None``, they do, unless the mechanism is rectified: its changes differ from cell to cell, and are decoded.
    shrink
        Shrink these effects by their noise (Stephens, 2017, Biostatistics 18:275): a perturbation without an effect is
        predicted to have none.
    interaction
        Weight of what the network decodes beyond the sum.
    causal_posterior
        The encoder estimates causal variables, and inverting the causal layer gives the exogenous noise.
    data_init
        Start from the moments of the data, and order the factors by their effect profiles.
    discrepancy
        What perturbed cells are compared with: ``"mmd"``, the counterfactuals, as samples of a distribution; ``"paired"``,
        the counterfactual of the control that is drawn with each, by the squared error; or ``"reconstruction"``, each
        its own reconstruction given the perturbation, as in a conditional VAE.
    max_mmd, max_kl, max_temperature
        Weights of the discrepancy and of the Kullback-Leibler term, and the temperature, at the end of the rise.
    mmd_start, kl_start, temperature_start
        Epochs at which the rises start.
    graph_penalty
        Weight of the L1 penalty on the edges.
    mean_graph_penalty
        Penalise the mean of the absolute edges rather than their sum.
    kl
        ``"sum"`` over factors, averaged over cells; or averaged over factors and divided by the number of cells twice.
    per_gene
        Divide the Kullback-Leibler term by the number of genes, on the scale of the mean reconstruction error.
    unbiased
        Unbiased estimate of the discrepancy.
    bandwidth
        Bandwidth around which the others double; from the data if ``None``.
    n_kernels
        Number of bandwidths.
    lr
        Learning rate of Adam.
    cosine_decay
        Let the learning rate fall to 1 % along a half cosine.
    gradient_clip
        Largest norm or entry of the gradient.
    gradient_clip_algorithm
        ``"norm"`` or ``"value"``; ``None`` for no clipping.
    max_epochs
        Number of epochs.
    n_cells, n_conditions
        Cells of a condition in a part of a batch, and parts in a batch.
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
