"""Networks that learn an embedding of cells with clusters in it."""

from scpi.model.clustering._contrastive_sc import ContrastiveSC
from scpi.model.clustering._model import ClusteringModel
from scpi.model.clustering._scdeepcluster import SCDeepCluster
from scpi.model.clustering._sczidesk import SCZIDesk

__all__ = ["ClusteringModel", "ContrastiveSC", "SCDeepCluster", "SCZIDesk"]
