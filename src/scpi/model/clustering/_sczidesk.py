"""scziDesk: soft k-means and self-training of a denoising autoencoder."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.base.training._presets import describe_settings
from scpi.model.clustering._autoencoder_model import AutoencoderModel
from scpi.model.clustering._autoencoder_module import SCZIDeskModule
from scpi.model.clustering._presets import SCZIDESK


@describe_settings(SCZIDESK)
@fill
class SCZIDesk(AutoencoderModel):
    """scziDesk: weighted soft k-means in the embedding of an autoencoder, with self-training of cell similarities.

    A denoising autoencoder with a zero-inflated negative binomial likelihood and a penalty on dropouts learns an
    embedding. Then its k-means centroids and the network are trained jointly: cells move closer to nearby centroids,
    and similar cells closer to each other. After Chen et al. (2020), "Deep soft K-means clustering with self-training
    for single-cell RNA sequence data" (scziDesk).

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    %(clustering_preset)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``noise``, ``likelihood`` or ``ridge``.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, de_prob=0.3, rng=0)
    >>> scpi.model.SCZIDesk.setup_anndata(adata)
    >>> model = scpi.model.SCZIDesk(adata, n_clusters=2)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.get_latent_representation().shape
    (60, 16)
    """

    _presets = SCZIDESK
    _module_cls = SCZIDeskModule
