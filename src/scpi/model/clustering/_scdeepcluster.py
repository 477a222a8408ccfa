"""Deep embedded clustering of a denoising autoencoder."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.base.training._presets import describe_settings
from scpi.model.clustering._autoencoder_model import AutoencoderModel
from scpi.model.clustering._autoencoder_module import SCDeepClusterModule
from scpi.model.clustering._presets import SCDEEPCLUSTER


@describe_settings(SCDEEPCLUSTER)
@fill
class SCDeepCluster(AutoencoderModel):
    """scDeepCluster: deep embedded clustering with an autoencoder of counts.

    A denoising autoencoder with a zero-inflated negative binomial likelihood learns an embedding. Then its k-means
    centroids and the network are trained jointly: soft assignments by Student's t kernel approach a sharpened target
    distribution, until almost no cell changes its cluster. After Tian et al. (2019), "Clustering single-cell RNA-seq
    data with a model-based deep learning approach" (scDeepCluster), and Xie et al. (2016), "Unsupervised deep embedding
    for clustering analysis".

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    %(clustering_preset)s
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
