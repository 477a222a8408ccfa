"""A perturbation screen drawn from a structural causal model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi.datasets._labels import conditions, repeat_conditions
from scpi.datasets._scm import GraphKind, Mechanism, check_choice, draw_graph, propagate
from scpi.datasets._simulated import check_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mixing = Literal["identity", "random"]


def _draw_mixing(kind: Mixing, n_factors: int, n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    check_choice(kind, Mixing, "mixing")
    if kind == "identity":
        return np.eye(n_factors, n_genes)
    return rng.standard_normal((n_factors, n_genes))


@fill
def causal_screen(
    n_factors: int = 5,
    *,
    n_genes: int = 50,
    n_cells: int = 1024,
    n_control: int | None = None,
    mechanism: Mechanism = "linear",
    graph: GraphKind = "chain",
    edge_probability: float = 0.4,
    weight_range: tuple[float, float] = (0.5, 1.5),
    mixing: Mixing = "identity",
    size_sd: float = 0.0,
    shift: float = 5.0,
    doubles: bool = True,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate a perturbation screen whose causal graph is known.

    Exogenous variables :math:`z \sim N(0, I)` pass through a structural causal model, and its causal variables `u`
    through a linear mixing to the genes:

    .. math:: u_j = z_j + \sum_i f(u_i)\, G_{ij}, \qquad x = u A,

    with :math:`f(u) = u` (then :math:`u = z (I - G)^{-1}`) or :math:`f(u) = \max(u, 0)`. Each perturbation adds `shift`
    to the exogenous variable of one factor, and each pair of perturbations to those of two. Every condition has cells
    of its own. The simulation follows that of the discrepancy VAE, extended by random graphs and mixings.

    Parameters
    ----------
    n_factors
        Number of causal factors and of perturbations: each factor is the target of one perturbation.
    n_genes
        Number of genes, at least `n_factors`.
    n_cells
        Number of cells of each perturbation and of each pair.
    n_control
        Number of control cells. By default twice `n_cells`.
    mechanism
        How causes act: in proportion to their value, or only where they are positive.
    graph
        A chain with weights 1, or a random graph in which every pair of factors is connected with `edge_probability`
        (at least one pair is). The causal order of the factors is random in both.
    edge_probability
        Fraction of connected pairs of a random graph.
    weight_range
        Smallest and largest absolute weight of a random graph. Signs are random.
    mixing
        With `"identity"`, the first genes are the factors and the others are zero; with `"random"`, every gene is a
        standard normal combination of all factors.
    size_sd
        Standard deviation, as a natural logarithm, of the sizes of the effects of the factors on the genes; 0 for
        factors of equal size.
    shift
        Shift of the exogenous variable of the target of a perturbation.
    doubles
        Whether to simulate all pairs of perturbations.
    %(rng)s

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`numpy.ndarray` (dtype `float32`)
        Expression: real values without measurement noise.
    `adata.obs['perturbation']` : :class:`pandas.Series` (dtype `category`)
        `control`, `P0`, ... and `P0+P1`, ...
    `adata.obsm['exogenous']`, `adata.obsm['causal']` : :class:`numpy.ndarray` (dtype `float64`)
        The exogenous variables before the perturbation, and the causal variables after it (cells x factors).
    `adata.uns['truth']` : :class:`dict`
        `graph` (factors x factors, the effect of row on column), `mixing` (factors x genes), `order` (factors from
        cause to effect), `targets` (`perturbation` and the index of its `factor`) and `params`.

    Raises
    ------
    ValueError
        If a number is out of range or an option is unknown.

    Examples
    --------
    >>> from scpi.datasets import causal_screen
    >>> adata = causal_screen(3, n_genes=10, n_cells=20)
    >>> adata.shape
    (160, 10)
    >>> int((adata.uns["truth"]["graph"] != 0).sum())
    2
    """
    n_control = 2 * n_cells if n_control is None else n_control
    check_numbers("at least 1", lambda x: x >= 1, n_factors=n_factors, n_cells=n_cells, n_control=n_control)
    check_numbers("not negative", lambda x: x >= 0, size_sd=size_sd)
    check_numbers("between 0 and 1", lambda x: (x >= 0) & (x <= 1), edge_probability=edge_probability)
    if n_genes < n_factors:
        msg = f"`n_genes` ({n_genes}) must be at least `n_factors` ({n_factors}), or the factors cannot be identified."
        raise ValueError(msg)
    check_choice(mechanism, Mechanism, "mechanism")
    generator = as_generator(rng)
    weights, order = draw_graph(
        n_factors, kind=graph, edge_probability=edge_probability, weight_range=weight_range, rng=generator
    )
    loadings = _draw_mixing(mixing, n_factors, n_genes, generator)
    if size_sd:
        loadings = loadings * np.exp(generator.normal(0.0, size_sd, size=(n_factors, 1)))
    targets = generator.permutation(n_factors)
    names = [f"P{i}" for i in range(n_factors)]

    labels, design = conditions(names, doubles=doubles)
    condition = repeat_conditions(labels, n_cells, n_control)
    exogenous = generator.standard_normal((len(condition), n_factors))
    shifts = np.zeros((len(labels), n_factors))
    shifts[:, targets] = shift * design
    causal = propagate(exogenous + shifts[condition.codes], weights, order, mechanism)

    adata = AnnData(
        (causal @ loadings).astype(np.float32),
        obs=pd.DataFrame({Key.obs.PERTURBATION: condition}, index=[f"cell{i}" for i in range(len(condition))]),
        var=pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)]),
    )
    adata.obsm[Key.obsm.EXOGENOUS] = exogenous
    adata.obsm[Key.obsm.CAUSAL] = causal
    adata.uns[Key.uns.TRUTH] = {
        "graph": weights,
        "mixing": loadings,
        "order": order,
        "targets": {"perturbation": np.array(names, dtype=object), "factor": targets},
        "params": {
            "mechanism": mechanism,
            "graph": graph,
            "edge_probability": edge_probability,
            "weight_range": np.array(weight_range, dtype=float),
            "mixing": mixing,
            "size_sd": size_sd,
            "shift": shift,
        },
    }
    return adata
