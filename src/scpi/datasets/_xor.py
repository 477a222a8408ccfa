from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import result_params
from scpi.datasets._program_draw import draw_overdispersed, shares_of_total
from scpi.datasets._simulated import check_numbers, numbered, simulated

if TYPE_CHECKING:
    from anndata import AnnData

# Two modules, each with as many upregulated as downregulated genes
_MODULES, _SIGNS = 2, 2


@fill
def xor(
    n_cells: int = 2000,
    n_genes: int = 500,
    *,
    n_drivers: int = 20,
    n_decoys: int = 60,
    fold: float = 4.0,
    depth: float = 2000.0,
    depth_scale: float = 0.3,
    base_scale: float = 1.0,
    dispersion: float = 0.1,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate two groups of cells that differ in no single gene, but in whether two gene modules agree.

    Two modules of genes are each in one of two states, :math:`a_{ck} \in \{-1, 1\}`. A cell belongs to the group
    `different` if one module is up and the other down, and to `same` otherwise: the exclusive or of the two states.
    Half of the genes of a module increase with its state and half decrease, in pairs with the same base mean
    :math:`\exp(b_g)`, so that the total does not depend on the state:

    .. math::

        \mu_{cg} = L_c \, \frac{\exp(b_g + \sum_k a_{ck} M_{kg})}{\sum_h \exp(b_h + \sum_k a_{ck} M_{kh})}, \qquad
        M_{kg} \in \{-\tfrac{1}{2} \log f,\, 0,\, \tfrac{1}{2} \log f\}.

    The states of every module are drawn with equal probabilities, independently of the other modules. Hence every gene,
    every set of genes of one module and the total have the same distribution in both groups: no test of single genes
    and no linear classifier can find the drivers, but a network with a hidden layer can, and its attributions should.
    Decoys are modules of the same kind that are unrelated to the groups, so that neither variance nor chance
    differences reveal the drivers. Kinalis et al. (BMC Bioinformatics 20, 2019) use the same check: saliency should
    recover genes that such tests miss.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes.
    n_drivers
        Total number of genes of the two modules, a multiple of 4.
    n_decoys
        Total number of genes of the decoy modules, each as large as one of the two.
    fold
        Fold change between the two states of a gene, :math:`f`.
    depth
        Median over cells of the expected total count, :math:`L`.
    depth_scale
        Standard deviation of the logarithm of the depth.
    base_scale
        Standard deviation of :math:`b`, the logarithms of the base means.
    dispersion
        Overdispersion of the counts; 0 gives Poisson counts.
    %(rng)s

    Returns
    -------
    Cells x genes, with the fields:

    `adata.X` : :class:`scipy.sparse.csr_matrix` (dtype `float32`)
        Counts.
    `adata.obs['group']` : :class:`pandas.Series` (dtype `category`)
        `same` or `different`.
    `adata.obs['depth']`, `adata.var['base_mean']` : :class:`pandas.Series` (dtype `float64`)
        Expected total count of the cell, and the geometric mean of the two states of the gene, up to a factor.
    `adata.var['is_driver']` : :class:`pandas.Series` (dtype `bool`)
        Whether the gene is in one of the two modules.
    `adata.obsm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Cells x modules: the states; the first two modules are `A` and `B`, followed by the decoys.
    `adata.varm['programs']` : :class:`pandas.DataFrame` (dtype `float64`)
        Genes x modules: the weights :math:`M`.
    `adata.uns['truth']` : :class:`dict`
        `params`.

    Raises
    ------
    ValueError
        If a number is out of range, or the numbers of genes are not compatible.

    Examples
    --------
    >>> from scpi.datasets import xor
    >>> adata = xor(400)
    >>> adata.shape, int(adata.var["is_driver"].sum()), list(adata.obs["group"].cat.categories)
    ((400, 500), 20, ['same', 'different'])
    """
    check_numbers("at least 1", lambda x: x >= 1, n_cells=n_cells, n_drivers=n_drivers)
    check_numbers("above 0", lambda x: x > 0, depth=depth)
    check_numbers("above 1", lambda x: x > 1, fold=fold)
    scales = {"depth_scale": depth_scale, "base_scale": base_scale, "dispersion": dispersion}
    check_numbers("at least 0", lambda x: x >= 0, n_decoys=n_decoys, **scales)
    n_members = n_drivers // _MODULES
    if n_drivers % (_MODULES * _SIGNS) or n_decoys % n_members:
        msg = (
            f"`n_drivers` must be a multiple of {_MODULES * _SIGNS}, but is {n_drivers}, "
            f"and `n_decoys` a multiple of {n_members}, but is {n_decoys}."
        )
        raise ValueError(msg)
    if n_drivers + n_decoys > n_genes:
        msg = f"The modules need {n_drivers + n_decoys} genes, but `n_genes` is {n_genes}."
        raise ValueError(msg)
    generator = as_generator(rng)
    n_modules = (n_drivers + n_decoys) // n_members
    places = generator.permutation(n_genes)[: n_drivers + n_decoys].reshape(n_modules, _SIGNS, -1)
    base = generator.normal(0.0, base_scale, n_genes)
    base[places[:, 1]] = base[places[:, 0]]
    weights = np.zeros((n_modules, n_genes))
    for row, (up, down) in zip(weights, places, strict=True):
        row[up], row[down] = np.log(fold) / 2, -np.log(fold) / 2
    state = generator.choice([-1.0, 1.0], (n_cells, n_modules))
    mean = shares_of_total(base + state @ weights) * generator.lognormal(np.log(depth), depth_scale, (n_cells, 1))

    modules = ["A", "B", *numbered("Decoy", n_modules - _MODULES)]
    groups = pd.Categorical.from_codes((state[:, 0] != state[:, 1]).astype(int), ["same", "different"])
    adata = simulated(
        draw_overdispersed(mean, dispersion, generator),
        {Key.obs.GROUP: groups, Key.obs.DEPTH: mean.sum(axis=1)},
        {Key.var.BASE_MEAN: np.exp(base), Key.var.IS_DRIVER: np.isin(np.arange(n_genes), places[:_MODULES])},
    )
    adata.obsm[Key.obsm.PROGRAMS] = pd.DataFrame(state, index=adata.obs_names, columns=modules)
    adata.varm[Key.varm.PROGRAMS] = pd.DataFrame(weights.T, index=adata.var_names, columns=modules)
    adata.uns[Key.uns.TRUTH] = {
        "params": result_params(
            n_drivers=n_drivers,
            n_decoys=n_decoys,
            fold=fold,
            depth=depth,
            depth_scale=depth_scale,
            base_scale=base_scale,
            dispersion=dispersion,
        )
    }
    return adata
