from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi.datasets._program_draw import (
    add_batch_factors,
    add_programs,
    check_confounding,
    draw_activities,
    draw_batches,
    draw_cells,
    draw_programs,
    shares_of_total,
)
from scpi.datasets._simulated import check_numbers, numbered, simulated

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def gene_programs(
    n_cells: int = 2000,
    n_genes: int = 1000,
    n_programs: int = 8,
    *,
    n_genes_per_program: int = 50,
    overlap: float = 0.0,
    correlation: float = 0.0,
    probability: float = 0.35,
    activity_shape: float = 2.0,
    strength: float = 1.0,
    signed: bool = False,
    n_batches: int = 1,
    batch_scale: float = 0.3,
    confounding: float | None = None,
    depth: float = 2000.0,
    depth_scale: float = 0.3,
    base_scale: float = 1.0,
    dispersion: float = 0.1,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate counts of cells in which known gene programs are on or off, with different activities.

    The logarithm of the mean of a gene is linear in the activities of the programs, up to the normalisation by the
    total of the cell:

    .. math::

        z_{ck} &\sim \mathrm{Bernoulli}(p) \cdot \mathrm{Gamma}(a,\, 1 / a), \\
        \mu_{cg} &= L_c \, \frac{\exp(b_g + s_{i(c) g} + \sum_k z_{ck} M_{kg})}
                               {\sum_h \exp(b_h + s_{i(c) h} + \sum_k z_{ck} M_{kh})}, \\
        y_{cg} &\sim \mathrm{Poisson}(\mu_{cg} \epsilon_{cg}), \qquad
        \epsilon_{cg} \sim \mathrm{Gamma}(1 / \phi,\, \phi),

    so that an active program has a mean activity of 1, and the variance of a count is :math:`\mu + \phi \mu^2`. If a
    correlation is given, the activities of a cell are coupled by a Gaussian copula, which keeps their marginal
    distributions. The genes of the programs are at random positions. If an overlap is given, the programs form a circle
    and each shares genes with the previous and the next one: a gene is in at most two programs.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes. The mean of a gene in no program depends only on the base, the batch and the depth.
    n_programs
        Number of programs.
    n_genes_per_program
        Number of genes of each program.
    overlap
        Fraction of the genes of a program that it shares with the next one, between 0 and 0.5: twice this fraction of
        its genes are also in another program, with a separate weight in each.
    correlation
        Correlation of the normal variables that determine the activities of any two programs, from 0 to below 1. The
        correlation of the activities themselves is lower.
    probability
        Probability that a program is on in a cell, :math:`p`.
    activity_shape
        Shape of the Gamma distribution of activities that are on, :math:`a`.
    strength
        Mean absolute weight :math:`M_{kg}`: the change of the logarithm of a mean per unit of activity, before
        normalisation by the total. Weights are uniform between half of it and one and a half of it.
    signed
        Whether programs also repress genes: every weight is then negative with probability 1/2.
    n_batches
        Number of batches.
    batch_scale
        Standard deviation of the shifts :math:`s` of the genes in each batch, if there are several.
    confounding
        Probability that a cell is in one of the first half of the batches if the first program is on, and in one of the
        others if it is off. With ``None``, batches have equal probabilities.
    depth
        Median over cells of the expected total count, :math:`L`.
    depth_scale
        Standard deviation of the logarithm of the depth.
    base_scale
        Standard deviation of :math:`b`, the logarithms of the base means.
    dispersion
        Overdispersion :math:`\phi` of the counts; 0 gives Poisson counts.
    rng
        Seed or generator of the random numbers; ``None`` draws fresh entropy. Data sets that differ only in the number
        of cells have the same programs for the same seed.

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['batch']` : :class:`pandas.Series` (dtype `category`)
        `Batch1`, ...
    `adata.obs['depth']`, `adata.var['base_mean']` : :class:`pandas.Series` (dtype `float64`)
        Expected total count of the cell, and the mean of the gene in a cell without active programs, up to a factor.
    `adata.obsm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Cells x programs: activities, exactly 0 where the program is off.
    `adata.varm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x programs: weights, exactly 0 where the gene is not in the program.
    `adata.varm['batch_factor']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x batches: the factor of the gene in the batch, if there are several batches.
    `adata.uns['truth']` : :class:`dict`
        `params`.

    Raises
    ------
    ValueError
        If a number is out of range, there are too few genes for the programs, an overlap is given for fewer than three
        programs, or `confounding` for one batch.

    Examples
    --------
    >>> from scpi.datasets import gene_programs
    >>> adata = gene_programs(100, 60, 3, n_genes_per_program=10)
    >>> adata.shape, (adata.varm["programs"] != 0).sum().tolist()
    ((100, 60), [10, 10, 10])
    """
    sizes = {"n_programs": n_programs, "n_genes_per_program": n_genes_per_program, "n_batches": n_batches}
    check_numbers("at least 1", lambda x: x >= 1, n_cells=n_cells, n_genes=n_genes, **sizes)
    check_numbers("above 0", lambda x: x > 0, activity_shape=activity_shape, strength=strength, depth=depth)
    scales = {"batch_scale": batch_scale, "depth_scale": depth_scale, "base_scale": base_scale}
    check_numbers("at least 0", lambda x: x >= 0, dispersion=dispersion, **scales)
    check_numbers("between 0 and 0.5", lambda x: (x >= 0) & (x <= 0.5), overlap=overlap)
    check_numbers("above 0 and at most 1", lambda x: (x > 0) & (x <= 1), probability=probability)
    check_numbers("at least 0 and below 1", lambda x: (x >= 0) & (x < 1), correlation=correlation)
    check_confounding(confounding, n_batches)
    generator = as_generator(rng)
    # Genes are drawn before cells, so that for a given seed they do not depend on the number of cells
    weights = draw_programs(n_genes, n_programs, n_genes_per_program, overlap=overlap, rng=generator)
    weights *= strength
    if signed:
        weights *= generator.choice([-1.0, 1.0], weights.shape)
    base = generator.normal(0.0, base_scale, n_genes)
    shift = generator.normal(0.0, batch_scale * (n_batches > 1), (n_batches, n_genes))
    batch = generator.integers(n_batches, size=n_cells)
    depths = generator.lognormal(np.log(depth), depth_scale, n_cells)
    activity = draw_activities((n_cells, n_programs), (probability, activity_shape, correlation), generator)
    if confounding is not None:
        batch = draw_batches(activity[:, 0] > 0, n_batches, confounding, generator)

    def mean_of(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        return depths[rows, None] * shares_of_total(base + shift[batch[rows]] + activity[rows] @ weights)

    programs, batches = numbered("Program", n_programs), numbered("Batch", n_batches)
    adata = simulated(
        draw_cells(mean_of, (n_cells, n_genes), dispersion=dispersion, rng=generator),
        {Key.obs.BATCH: pd.Categorical.from_codes(batch, batches), Key.obs.DEPTH: depths},
        {Key.var.BASE_MEAN: np.exp(base)},
    )
    add_programs(adata, activity, weights, programs)
    add_batch_factors(adata, np.exp(shift), batches)
    adata.uns[Key.uns.TRUTH] = {
        "params": result_params(
            n_genes_per_program=n_genes_per_program,
            overlap=overlap,
            correlation=correlation,
            probability=probability,
            activity_shape=activity_shape,
            strength=strength,
            signed=signed,
            batch_scale=batch_scale,
            confounding=confounding,
            depth=depth,
            depth_scale=depth_scale,
            base_scale=base_scale,
            dispersion=dispersion,
        )
    }
    return adata
