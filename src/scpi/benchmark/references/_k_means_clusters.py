from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi.benchmark.references._reference import Reference

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


class KMeansClusters(Reference):
    """K-means on the leading principal components of Pearson residuals, without a network.

    Parameters
    ----------
    adata
        Cells x genes, after ``setup_anndata``.
    n_clusters
        Number of clusters.
    n_components
        Number of principal components.
    seed
        Seed of the components and of k-means.
    """

    def __init__(self, adata: AnnData, *, n_clusters: int, n_components: int = 10, seed: int | None = 0) -> None:
        super().__init__(adata)
        self.n_clusters, self.n_components, self.seed = n_clusters, n_components, seed
        self._labels = np.zeros(0, dtype=np.str_)

    def train(self, **trainer_kwargs: Any) -> None:
        """Cluster the cells.

        Parameters
        ----------
        **trainer_kwargs
            Arguments of networks; ignored.
        """
        import anndata as ad
        import scanpy as sc
        from scipy import sparse
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA

        cells = ad.AnnData(sparse.csr_matrix(self._counts(), dtype=np.float32))
        sc.pp.filter_genes(cells, min_counts=1)
        sc.experimental.pp.normalize_pearson_residuals(cells)
        components = PCA(self.n_components, random_state=self.seed).fit_transform(np.asarray(cells.X))
        found = KMeans(self.n_clusters, n_init=20, random_state=self.seed).fit_predict(components)
        self._labels = found.astype(str)

    def predict(self) -> NDArray[np.str_]:
        """Return the clusters.

        Returns
        -------
        Cluster of each cell.
        """
        return self._labels
