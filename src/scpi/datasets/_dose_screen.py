from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi.datasets._labels import CONTROL
from scpi.datasets._simulated import check_numbers, simulated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

_DOSES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_DISPERSION = 2.0
# Standard deviations of the log level of a gene, and of its difference between contexts; of the log depth of a cell
_LEVEL, _OWN_LEVEL, _DEPTH = 1.3, 0.5, 0.4


@fill
def dose_screen(
    doses: Sequence[float] = _DOSES,
    *,
    n_contexts: int = 4,
    n_cells: int = 50,
    n_genes: int = 500,
    responsive: float = 0.2,
    effect_size: float = 1.0,
    context_fraction: float = 0.3,
    depth: float = 1500.0,
    rng: int | np.random.Generator | None = 0,
) -> AnnData:
    r"""Simulate counts of a drug at several doses in several cell types.

    The log fold change of gene `g` in cell type `t` at dose `d` follows a Hill curve, whose middle and slope are those of the gene:

    .. math:: l_{tdg} = e \left(\sqrt{1 - \rho}\, w_g + \sqrt{\rho}\, v_{tg}\right) \frac{d^{h_g}}{d^{h_g} + m_g^{h_g}},

    with `e` the `effect_size`, :math:`\rho` the `context_fraction`, and :math:`w_g`, :math:`v_{tg}` standard normal in the genes that respond
    and 0 in all others. Middles are log-uniform over the range of the doses, and slopes uniform from 0.7 to 2. Genes have a level of
    their own in each cell type. Counts are negative binomial.

    Parameters
    ----------
    doses
        Doses, above 0.
    n_contexts
        Number of cell types.
    n_cells
        Number of cells of each dose in each cell type; of the control there are twice as many.
    n_genes
        Number of genes.
    responsive
        Fraction of the genes that respond.
    effect_size
        Standard deviation of the log fold changes of these at a large dose.
    context_fraction
        Fraction of the variance of log fold changes that is particular to a cell type.
    depth
        Median number of counts of a cell.
    %(rng)s

    Returns
    -------
    Cells x genes, counts as CSR. `adata.obs` has `perturbation` (`"control"` or `"drug"`), `dose` (0 for the control) and `cell_type`;
    `adata.uns['truth']` has the log fold changes, cell types x doses x genes (`lfc`), and the `doses`.

    Raises
    ------
    ValueError
        If a number is out of its range, or doses are the same.

    Examples
    --------
    >>> from scpi.datasets import dose_screen
    >>> adata = dose_screen([1.0, 10.0], n_contexts=2, n_cells=10, n_genes=50)
    >>> adata.shape
    (80, 50)
    """
    check_numbers("at least 1", lambda value: value >= 1, n_contexts=n_contexts, n_cells=n_cells, n_genes=n_genes)
    check_numbers("above 0", lambda value: value > 0, doses=doses, depth=depth)
    check_numbers("at least 0", lambda value: value >= 0, effect_size=effect_size)
    check_numbers(
        "between 0 and 1",
        lambda value: (value >= 0) & (value <= 1),
        responsive=responsive,
        context_fraction=context_fraction,
    )
    levels = np.asarray(doses, dtype=np.float64)
    if len(np.unique(levels)) != len(levels) or not len(levels):
        msg = f"`doses` must be one or more different numbers, but are {list(doses)!r}."
        raise ValueError(msg)
    generator = as_generator(rng)
    contexts = [f"type {number + 1}" for number in range(n_contexts)]
    base = generator.normal(0.0, _LEVEL, n_genes)
    own = base + generator.normal(0.0, _OWN_LEVEL, (n_contexts, n_genes))
    responds = generator.random(n_genes) < responsive
    shared, special = generator.normal(size=n_genes), generator.normal(size=(n_contexts, n_genes))
    size = effect_size * responds * (np.sqrt(1 - context_fraction) * shared + np.sqrt(context_fraction) * special)
    middle = np.exp(generator.uniform(np.log(levels.min()), np.log(levels.max()), n_genes))
    slope = generator.uniform(0.7, 2.0, n_genes)
    curve = 1 / (1 + (middle / levels[:, None]) ** slope)
    lfc = size[:, None, :] * curve
    blocks, labels, amounts, types = [], [], [], []
    for place, context in enumerate(contexts):
        for dose, change, n in [
            (0.0, np.zeros(n_genes), 2 * n_cells),
            *((d, lfc[place, i], n_cells) for i, d in enumerate(levels)),
        ]:
            rate = np.exp(own[place] + change)
            total = generator.lognormal(np.log(depth), _DEPTH, n)[:, None]
            mean = total * rate / np.exp(own[place]).sum()
            noisy = mean * generator.gamma(_DISPERSION, 1 / _DISPERSION, mean.shape)
            blocks.append(sparse.csr_matrix(generator.poisson(noisy), dtype=np.float32))
            labels += ["drug" if dose else CONTROL] * n
            amounts += [float(dose)] * n
            types += [context] * n
    obs = {Key.obs.PERTURBATION: labels, Key.obs.DOSE: amounts, "cell_type": types}
    adata = simulated(sparse.vstack(blocks, format="csr"), obs, {})
    for name in (Key.obs.PERTURBATION, "cell_type"):
        adata.obs[name] = adata.obs[name].astype("category")
    adata.uns[Key.uns.TRUTH] = {"lfc": lfc, "doses": levels}
    return adata
