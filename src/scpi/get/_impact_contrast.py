from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.get._gene_set_impact import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

_TABLES = (
    "difference",
    "ci_low",
    "ci_high",
    "zscore",
    "pval",
    "pval_adj",
    "t",
    "pval_groups",
    "pval_groups_adj",
    "pval_both",
    "pval_both_adj",
    "pval_permuted",
)


@fill
def impact_contrast(
    data: AnnData | MuData,
    *,
    units: str | Sequence[str] | None = None,
    pval_cutoff: float | None = None,
    top_n: int | None = None,
    key: str = Key.uns.IMPACT_CONTRAST,
    mod: str | None = None,
) -> pd.DataFrame:
    """List the differences in the impact of gene sets between two groups of cells.

    Parameters
    ----------
    %(data)s
    units
        Unit or units to return, in this order; all if `None`.
    pval_cutoff
        Maximum adjusted p-value of the differences, of both tests together: against other sets and between the groups.
    top_n
        Maximum number of sets per unit, the best first.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.impact_contrast`.
    %(mod)s

    Returns
    -------
    One row per unit and set, with the columns `unit`, `set`, `size`, `difference` (target minus reference), `ci_low`,
    `ci_high`, `zscore`, `pval`, `pval_adj`, `t`, `pval_groups`, `pval_groups_adj`, `pval_both`, `pval_both_adj`,
    `pval_permuted` (with donors only) and `rank` (by absolute z-score within the unit, from 1), sorted by unit and
    rank.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such unit.

    Examples
    --------
    >>> import scvi
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(200, 100, 2, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.obs["state"] = (adata.obsm["programs"].iloc[:, 0] > 0).map({True: "on", False: "off"})
    >>> adata.obs["donor"] = list("abcd") * 50
    >>> scvi.model.LinearSCVI.setup_anndata(adata)
    >>> model = scvi.model.LinearSCVI(adata, n_latent=2)
    >>> model.train(1, accelerator="cpu", enable_progress_bar=False)
    >>> scpi.tl.impact_contrast(adata, model, "state", target="on", reference="off", donor_key="donor")
    >>> scpi.get.impact_contrast(adata, top_n=1)["unit"].tolist()
    ['latent_0', 'latent_1']
    """
    stored = read_result(resolve_modality(data, mod), key, tool=Key.uns.IMPACT_CONTRAST, part="difference")
    present = [name for name in _TABLES if name in stored]
    return tidy(stored, present, units=units, pval="pval_both_adj", pval_cutoff=pval_cutoff, top_n=top_n)
