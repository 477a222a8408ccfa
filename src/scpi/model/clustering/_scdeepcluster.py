"""Deep embedded clustering of a denoising autoencoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from scpi.model.clustering._autoencoder_model import AutoencoderModel
from scpi.model.clustering._autoencoder_module import SCDeepClusterModule
from scpi.model.clustering._presets import SCDEEPCLUSTER

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from scpi.model.clustering._centroids import FindClusters


class SCDeepCluster(AutoencoderModel):
    """Deep embedded clustering: an autoencoder of counts whose embedding is drawn towards its own clusters.

    A denoising autoencoder with a zero-inflated negative binomial likelihood learns an embedding. Its k-means centroids
    and the network are then trained on, so that soft assignments by Student's t kernel approach a sharpened copy of
    themselves, until hardly a cell changes its cluster. After Tian et al. (2019), "Clustering single-cell RNA-seq data
    with a model-based deep learning approach" (scDeepCluster), and Xie et al. (2016), "Unsupervised deep embedding for
    clustering analysis".

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    preset
        ``"scpi"`` (default), or the ``"published"`` settings.
    n_clusters
        Number of clusters; found on the embedding if ``None``.
    find_clusters
        How it is found: ``"stability"`` by the agreement of two halves of the cells, ``"leiden"`` as the communities of
        a graph of neighbours, which needs the package igraph.
    resolution
        Resolution of Leiden.
    n_latent
        Dimensions of the embedding; those of the preset if ``None``.
    seed
        Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
    **preset_kwargs
        Other attributes of the preset to change, such as ``noise``, ``likelihood`` or ``cluster_weight``.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, de_prob=0.3, rng=0)
    >>> scpi.model.SCDeepCluster.setup_anndata(adata)
    >>> model = scpi.model.SCDeepCluster(adata, n_clusters=2)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.get_latent_representation().shape
    (60, 16)
    """

    _presets = SCDEEPCLUSTER
    _module_cls = SCDeepClusterModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "published"] = "scpi",
        n_clusters: int | None = None,
        find_clusters: FindClusters = "stability",
        resolution: float = 1.0,
        n_latent: int | None = None,
        seed: int | None = None,
        **preset_kwargs: Any,
    ) -> None:
        super().__init__(
            adata,
            registry,
            preset=preset,
            n_clusters=n_clusters,
            find_clusters=find_clusters,
            resolution=resolution,
            n_latent=n_latent,
            seed=seed,
            **preset_kwargs,
        )
        self.init_params_ = self._get_init_params(locals())
