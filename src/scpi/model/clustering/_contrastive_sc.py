"""Contrastive clustering."""

from __future__ import annotations

from scpi._docs import fill
from scpi.model.base.training._presets import describe_settings
from scpi.model.clustering._contrastive_module import ContrastiveModule
from scpi.model.clustering._model import ClusteringModel
from scpi.model.clustering._presets import CONTRASTIVE


@describe_settings(CONTRASTIVE)
@fill
class ContrastiveSC(ClusteringModel):
    """Contrastive clustering: an embedding in which two views of a cell are close, and views of different cells apart.

    Each view masks most genes of a cell at random, so that the views share the state of the cell, but not the noise of
    single genes. Clusters come from k-means on the embedding, on the unit sphere. After Ciortan and Defrance (2021),
    "Contrastive self-supervised clustering of scRNA-seq data". With labels of the cells (``labels_key`` of
    :meth:`setup_anndata`), cells with the same label count as views of each other, as in the supervised contrastive
    loss of Khosla et al. (2020).

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    %(clustering_preset)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``temperature``, ``dropout``, ``noise`` or ``augmentation``.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, de_prob=0.3, rng=0)
    >>> scpi.model.ContrastiveSC.setup_anndata(adata)
    >>> model = scpi.model.ContrastiveSC(adata, n_clusters=2)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.get_latent_representation().shape
    (60, 16)
    """

    _presets = CONTRASTIVE
    _module_cls = ContrastiveModule
