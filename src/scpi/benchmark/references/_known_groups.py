from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi._keys import Key
from scpi._slots import find_column
from scpi.benchmark.references._reference import Reference

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from numpy.typing import NDArray


class KnownGroups(Reference):
    """The known groups as clusters, an upper bound for rankings of genes by clusters.

    Parameters
    ----------
    adata
        Cells x genes, after ``setup_anndata``.
    n_clusters
        Number of groups.
    group_key
        Column of ``adata.obs`` with the groups.
    """

    def __init__(self, adata: AnnData, *, n_clusters: int, group_key: str = Key.obs.GROUP) -> None:
        super().__init__(adata)
        self.n_clusters, self.group_key = n_clusters, group_key

    def train(self, **trainer_kwargs: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        **trainer_kwargs
            Arguments of networks; ignored.
        """

    def predict(self) -> NDArray[np.str_]:
        """Return the groups.

        Returns
        -------
        Group of each cell.
        """
        return find_column(self.adata, self.group_key).astype(str).to_numpy()
