from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi.datasets._simulated import check_numbers, numbered, simulated
from scpi.datasets._splat_draw import (
    draw_counts,
    draw_factors,
    drop_counts,
    log2_against_others,
    of_groups,
    probabilities,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

# Number of values that are drawn at once
_BLOCK = 1 << 20


@fill
def splat(
    n_cells: int = 500,
    *,
    n_genes: int = 2500,
    group_prob: Sequence[float] = (0.5, 0.5),
    de_prob: float | Sequence[float] = 0.1,
    de_down_prob: float | Sequence[float] = 0.5,
    de_fac_loc: float | Sequence[float] = 0.1,
    de_fac_scale: float | Sequence[float] = 0.4,
    mean_shape: float = 0.6,
    mean_rate: float = 0.3,
    lib_loc: float = 11.0,
    lib_scale: float = 0.2,
    out_prob: float = 0.05,
    out_fac_loc: float = 4.0,
    out_fac_scale: float = 0.5,
    bcv_common: float = 0.1,
    bcv_df: float = 60.0,
    dropout_mid: float | None = None,
    dropout_shape: float = -1.0,
    batch_prob: Sequence[float] = (1.0,),
    batch_fac_loc: float = 0.1,
    batch_fac_scale: float = 0.1,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate counts of groups of cells with the Splat model, with known differentially expressed genes.

    Base means are Gamma distributed, and some of them are outliers. In each group, the means of a fraction of the genes
    are multiplied by log-normal factors. The means of a cell are scaled to its log-normal library size, varied by a
    biological coefficient of variation that decreases with the mean, and passed to a Poisson distribution:

    .. math::

        \lambda_{ig} &= L_i \frac{m_g f_{k(i) g}}{\sum_h m_h f_{k(i) h}}, \qquad
        B_{ig} = \left(\beta + \lambda_{ig}^{-1/2}\right) \sqrt{\nu / \chi^2_\nu}, \\
        \mu_{ig} &\sim \mathrm{Gamma}\left(B_{ig}^{-2},\; \lambda_{ig} B_{ig}^2\right), \qquad
        y_{ig} \sim \mathrm{Poisson}(\mu_{ig}),

    with one :math:`\chi^2` variable per gene. With dropout, a count is lost with probability :math:`1 / (1 + \exp(-s
    (\log \mu_{ig} - x_0)))` (Zappia et al., Genome Biol. 18, 2017). The random numbers are those of NumPy, so the
    counts differ from those of the R package with the same seed.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes.
    group_prob
        Probability of each group; the group of each cell is drawn from these.
    de_prob
        Fraction of the genes that differ from the base in a group; one value, or one per group.
    de_down_prob
        Fraction of these genes that are below the base.
    de_fac_loc, de_fac_scale
        Location and scale of the log-normal factors of these genes.
    mean_shape, mean_rate
        Shape and rate of the Gamma distribution of the base means.
    lib_loc, lib_scale
        Location and scale of the log-normal library sizes.
    out_prob
        Fraction of the genes whose base mean is an outlier.
    out_fac_loc, out_fac_scale
        Location and scale of the log-normal factors by which outliers exceed the median.
    bcv_common
        Biological coefficient of variation of highly expressed genes, :math:`\beta`.
    bcv_df
        Degrees of freedom of its variation between genes, :math:`\nu`.
    dropout_mid
        Logarithm of the mean at which half of the counts are lost, :math:`x_0`; no dropout if `None`.
    dropout_shape
        Slope of the dropout, :math:`s`; negative for less dropout at higher means.
    batch_prob
        Probability of each batch.
    batch_fac_loc, batch_fac_scale
        Location and scale of the log-normal factors of all genes in each batch, if there are several.
    %(rng)s

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['group']`, `adata.obs['batch']` : :class:`pandas.Series` (dtype `category`)
        `Group1`, ... and `Batch1`, ...
    `adata.var['base_mean']`, `adata.var['is_outlier']` : :class:`pandas.Series`
        Mean of the gene before groups, batches and depth, and whether it is an outlier.
    `adata.varm['de_factor']`, `adata.varm['log2fc_rest']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x groups: the factor of the gene in the group, which is 1 if it does not differ from the base, and the
        log2 ratio of this factor to the mean factor of the other groups, weighted by their probabilities, which is
        exactly zero if all are equal, and NaN with one group.
    `adata.varm['batch_factor']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x batches: the factor of the gene in the batch, if there are several batches.
    `adata.uns['truth']` : :class:`dict`
        `dropout_rate` (fraction of the positive counts that were lost) and `params`.

    Raises
    ------
    ValueError
        If a number is out of range, or the number of values differs from the number of groups.

    Examples
    --------
    >>> from scpi.datasets import splat
    >>> adata = splat(100, n_genes=200, de_prob=0.2)
    >>> adata.shape, sorted(adata.obs["group"].unique())
    ((100, 200), ['Group1', 'Group2'])
    """
    groups, batches = probabilities(group_prob, "group_prob"), probabilities(batch_prob, "batch_prob")
    per_group = {
        "de_prob": of_groups(de_prob, len(groups), "de_prob"),
        "de_down_prob": of_groups(de_down_prob, len(groups), "de_down_prob"),
        "de_fac_loc": of_groups(de_fac_loc, len(groups), "de_fac_loc"),
        "de_fac_scale": of_groups(de_fac_scale, len(groups), "de_fac_scale"),
    }
    check_numbers("at least 1", lambda x: x >= 1, n_cells=n_cells, n_genes=n_genes)
    check_numbers("above 0", lambda x: x > 0, mean_shape=mean_shape, mean_rate=mean_rate, bcv_df=bcv_df)
    scales = {"lib_scale": lib_scale, "out_fac_scale": out_fac_scale, "batch_fac_scale": batch_fac_scale}
    check_numbers("at least 0", lambda x: x >= 0, bcv_common=bcv_common, de_fac_scale=de_fac_scale, **scales)
    shares = {"de_prob": de_prob, "de_down_prob": de_down_prob, "out_prob": out_prob}
    check_numbers("between 0 and 1", lambda x: (x >= 0) & (x <= 1), **shares)
    locations = {"lib_loc": lib_loc, "out_fac_loc": out_fac_loc, "batch_fac_loc": batch_fac_loc}
    dropout = {"dropout_mid": 0.0 if dropout_mid is None else dropout_mid, "dropout_shape": dropout_shape}
    check_numbers("finite", np.isfinite, de_fac_loc=de_fac_loc, **locations, **dropout)
    generator = as_generator(rng)
    # Genes are drawn before cells, so that for a given seed they do not depend on the number of cells
    base = generator.gamma(mean_shape, 1.0 / mean_rate, n_genes)
    outlier = draw_factors(n_genes, (out_prob, 0.0, out_fac_loc, out_fac_scale), generator)
    base = np.where(outlier != 1.0, np.median(base) * outlier, base)
    factor = np.stack([draw_factors(n_genes, values, generator) for values in zip(*per_group.values(), strict=True)])
    batch_values = float(len(batches) > 1), 0.5, batch_fac_loc, batch_fac_scale
    of_batch = np.stack([draw_factors(n_genes, batch_values, generator) for _ in batches])
    spread = np.sqrt(bcv_df / generator.chisquare(bcv_df, n_genes))
    library = generator.lognormal(lib_loc, lib_scale, n_cells)
    group, batch = (generator.choice(len(p), n_cells, p=p) for p in (groups, batches))
    share = base * of_batch[:, None, :] * factor
    share = share / share.sum(axis=-1, keepdims=True)

    blocks, n_positive = [], 0
    for rows in np.array_split(np.arange(n_cells), -(-n_cells * n_genes // _BLOCK)):
        expected = library[rows, None] * share[batch[rows], group[rows]]
        mean, counts = draw_counts(expected, bcv_common, spread, generator)
        n_positive += int(np.count_nonzero(counts))
        if dropout_mid is not None:
            drop_counts(counts, mean, dropout_mid, dropout_shape, generator)
        blocks.append(sparse.csr_matrix(counts, dtype=np.float32))
    matrix = sparse.vstack(blocks, format="csr")

    names, batch_names = numbered("Group", len(groups)), numbered("Batch", len(batches))
    adata = simulated(
        matrix,
        {
            Key.obs.GROUP: pd.Categorical.from_codes(group, names),
            Key.obs.BATCH: pd.Categorical.from_codes(batch, batch_names),
        },
        {Key.var.BASE_MEAN: base, "is_outlier": outlier != 1.0},
    )
    log2fc = log2_against_others(factor, groups)
    adata.varm[Key.varm.DE_FACTOR] = pd.DataFrame(factor.T, index=adata.var_names, columns=names)
    adata.varm[Key.varm.LOG2FC_REST] = pd.DataFrame(log2fc.T, index=adata.var_names, columns=names)
    if len(batches) > 1:
        adata.varm[Key.varm.BATCH_FACTOR] = pd.DataFrame(of_batch.T, index=adata.var_names, columns=batch_names)
    adata.uns[Key.uns.TRUTH] = {
        "dropout_rate": (n_positive - matrix.nnz) / max(n_positive, 1),
        "params": result_params(
            group_prob=groups,
            **per_group,
            mean_shape=mean_shape,
            mean_rate=mean_rate,
            lib_loc=lib_loc,
            lib_scale=lib_scale,
            out_prob=out_prob,
            out_fac_loc=out_fac_loc,
            out_fac_scale=out_fac_scale,
            bcv_common=bcv_common,
            bcv_df=bcv_df,
            dropout_mid=dropout_mid,
            dropout_shape=dropout_shape,
            batch_prob=batches,
            batch_fac_loc=batch_fac_loc,
            batch_fac_scale=batch_fac_scale,
        ),
    }
    return adata
