from ._factors import Factors as Factors
from ._k_means_clusters import KMeansClusters as KMeansClusters
from ._known_groups import KnownGroups as KnownGroups
