"""Networks that learn an embedding of cells with clusters in it."""

from scpi.model.clustering._contrastive_sc import ContrastiveSC
from scpi.model.clustering._scdeepcluster import SCDeepCluster
from scpi.model.clustering._sczidesk import SCZIDesk

__all__ = ["ContrastiveSC", "SCDeepCluster", "SCZIDesk"]
