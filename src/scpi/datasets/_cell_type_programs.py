from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi.datasets._program_draw import (
    add_batch_factors,
    add_programs,
    check_confounding,
    draw_batches,
    draw_cells,
    draw_usages,
    shares_of_total,
)
from scpi.datasets._simulated import check_numbers, numbered, simulated

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

_RESPONSE = "Response"
_CONDITIONS = ["control", "stimulated"]


@fill
def cell_type_programs(
    n_cells: int = 2000,
    n_genes: int = 1000,
    n_types: int = 5,
    *,
    n_activities: int = 4,
    n_genes_per_program: int = 50,
    strength: float = 2.0,
    usage: float = 0.25,
    usage_scale: float = 0.7,
    correlation: float = 0.5,
    type_scale: float = 0.5,
    stimulated: float = 0.5,
    n_batches: int = 1,
    batch_scale: float = 0.3,
    confounding: float | None = None,
    depth: float = 2000.0,
    depth_scale: float = 0.6,
    base_scale: float = 1.0,
    dispersion: float = 0.1,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate counts of cell types under a stimulus, whose expression is a mixture of known gene programs.

    Each type has an identity program that only its cells use. One program is the response to a stimulus in cells of all
    types, and only stimulated cells use it. All cells use the remaining programs, the activities, to correlated
    degrees. Usages are logistic normal, and the mean of a gene is the mixture of its expression in the programs:

    .. math::

        u_{ck} &= \frac{a_{ck} \exp(\eta_{ck})}{\sum_l a_{cl} \exp(\eta_{cl})}, \qquad
        \eta_{ck} = \log(r) + m_{t(c) k} + \sigma \epsilon_{ck}, \qquad
        p_{kg} = \frac{\exp(b_g + M_{kg})}{\sum_h \exp(b_h + M_{kh})}, \\
        \mu_{cg} &= L_c \, \frac{\exp(s_{i(c) g}) \sum_k u_{ck} p_{kg}}{\sum_h \exp(s_{i(c) h}) \sum_k u_{ck} p_{kh}},
        \qquad y_{cg} \sim \mathrm{Poisson}(\mu_{cg} \gamma_{cg}), \qquad
        \gamma_{cg} \sim \mathrm{Gamma}(1 / \phi,\, \phi),

    with :math:`a_{ck} = 1` for the programs that a cell uses, otherwise 0, and :math:`\eta = 0` for identity programs.
    Programs add up here, whereas in :func:`gene_programs` they multiply; most of them are active in every cell of a type.

    Parameters
    ----------
    n_cells, n_genes
        Numbers of cells and of genes.
    n_types
        Number of cell types, which have equal probabilities.
    n_activities
        Number of programs that all cells use.
    n_genes_per_program
        Number of genes whose expression is higher in a program. They are at random positions, and are drawn for each
        program separately, so that programs share genes by chance.
    strength
        Mean of the weights :math:`M_{kg}` of these genes, which are uniform between half of it and one and a half of it.
    usage
        Median usage :math:`r` of the response or of an activity, relative to that of the identity program of the cell.
    usage_scale
        Standard deviation :math:`\sigma` of the logarithms of these usages within a type.
    correlation
        Correlation of :math:`\epsilon` between any two activities, from 0 to below 1.
    type_scale
        Standard deviation of the shifts :math:`m` of the logarithms of usages between types.
    stimulated
        Probability that a cell is stimulated.
    n_batches
        Number of batches.
    batch_scale
        Standard deviation of the shifts :math:`s` of the genes in each batch, if there are several.
    confounding
        Probability that a stimulated cell is in one of the first half of the batches and another cell in one of the
        others: 0.5 for batches that are balanced, 0.9 if one cell of ten is not where the others of its condition are.
        With ``None``, batches have equal probabilities.
    depth
        Median over cells of the expected total count, :math:`L`.
    depth_scale
        Standard deviation of the logarithm of the depth.
    base_scale
        Standard deviation of :math:`b`, the logarithms of the base means.
    dispersion
        Overdispersion :math:`\phi` of the counts; 0 gives Poisson counts.
    %(rng)s
        Data sets that differ only in the number of cells have the same programs for the same seed.

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['cell_type']`, `adata.obs['perturbation']`, `adata.obs['batch']` : :class:`pandas.Series` (dtype `category`)
        `Type1`, ...; `control` and `stimulated`; `Batch1`, ...
    `adata.obs['depth']`, `adata.var['base_mean']` : :class:`pandas.Series` (dtype `float64`)
        Expected total count of the cell, and the mean of the gene in a cell without programs, up to a factor.
    `adata.obsm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Cells x programs (`Type1`, ..., `Response`, `Activity1`, ...): usages, which sum to 1 in every cell.
    `adata.varm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x programs: weights, exactly 0 where the gene is not in the program.
    `adata.varm['batch_factor']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x batches: the factor of the gene in the batch, if there are several batches.
    `adata.uns['truth']` : :class:`dict`
        `params`.

    Raises
    ------
    ValueError
        If a number is out of range, a program has more genes than there are, or `confounding` is given for one batch.

    Examples
    --------
    >>> from scpi.datasets import cell_type_programs
    >>> adata = cell_type_programs(100, 60, 3, n_activities=2, n_genes_per_program=10)
    >>> list(adata.obsm["programs"])
    ['Type1', 'Type2', 'Type3', 'Response', 'Activity1', 'Activity2']
    """
    sizes = {"n_types": n_types, "n_genes_per_program": n_genes_per_program, "n_batches": n_batches}
    check_numbers("at least 1", lambda x: x >= 1, n_cells=n_cells, n_genes=n_genes, **sizes)
    check_numbers("above 0", lambda x: x > 0, strength=strength, usage=usage, depth=depth)
    scales = {"usage_scale": usage_scale, "type_scale": type_scale, "batch_scale": batch_scale}
    scales |= {"depth_scale": depth_scale, "base_scale": base_scale, "dispersion": dispersion}
    check_numbers("at least 0", lambda x: x >= 0, n_activities=n_activities, **scales)
    check_numbers("between 0 and 1", lambda x: (x >= 0) & (x <= 1), stimulated=stimulated)
    check_numbers("at least 0 and below 1", lambda x: (x >= 0) & (x < 1), correlation=correlation)
    check_numbers(f"at most `n_genes`, {n_genes}", lambda x: x <= n_genes, n_genes_per_program=n_genes_per_program)
    check_confounding(confounding, n_batches)
    generator = as_generator(rng)
    # Genes are drawn before cells, so that for a given seed they do not depend on the number of cells
    names = [*numbered("Type", n_types), _RESPONSE, *numbered("Activity", n_activities)]
    weights = np.zeros((len(names), n_genes))
    for row in weights:
        row[generator.permutation(n_genes)[:n_genes_per_program]] = generator.uniform(0.5, 1.5, n_genes_per_program)
    weights *= strength
    base = generator.normal(0.0, base_scale, n_genes)
    shift = generator.normal(0.0, batch_scale * (n_batches > 1), (n_batches, n_genes))
    location = np.log(usage) + generator.normal(0.0, type_scale, (n_types, 1 + n_activities))
    cell_type = generator.integers(n_types, size=n_cells)
    is_stimulated = generator.random(n_cells) < stimulated
    batch = draw_batches(is_stimulated, n_batches, confounding, generator)
    depths = generator.lognormal(np.log(depth), depth_scale, n_cells)
    usages = draw_usages(cell_type, is_stimulated, location, (usage_scale, correlation), generator)

    spectra, factor = shares_of_total(base + weights), np.exp(shift)

    def mean_of(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        mean = usages[rows] @ spectra * factor[batch[rows]]
        return np.asarray(mean * (depths[rows] / mean.sum(axis=1))[:, None])

    batches = numbered("Batch", n_batches)
    adata = simulated(
        draw_cells(mean_of, (n_cells, n_genes), dispersion=dispersion, rng=generator),
        {
            "cell_type": pd.Categorical.from_codes(cell_type, names[:n_types]),
            Key.obs.PERTURBATION: pd.Categorical.from_codes(is_stimulated.astype(int), _CONDITIONS),
            Key.obs.BATCH: pd.Categorical.from_codes(batch, batches),
            Key.obs.DEPTH: depths,
        },
        {Key.var.BASE_MEAN: np.exp(base)},
    )
    add_programs(adata, usages, weights, names)
    add_batch_factors(adata, factor, batches)
    adata.uns[Key.uns.TRUTH] = {
        "params": result_params(
            n_genes_per_program=n_genes_per_program,
            strength=strength,
            usage=usage,
            usage_scale=usage_scale,
            correlation=correlation,
            type_scale=type_scale,
            stimulated=stimulated,
            batch_scale=batch_scale,
            confounding=confounding,
            depth=depth,
            depth_scale=depth_scale,
            base_scale=base_scale,
            dispersion=dispersion,
        )
    }
    return adata
