"""Simple predictions that every model has to beat."""

from scpi.model.baselines._additive import Additive
from scpi.model.baselines._linear import Linear
from scpi.model.baselines._linear_dose import LinearDose
from scpi.model.baselines._log_ratio_delta import LogRatioDelta
from scpi.model.baselines._log_ratio_linear import LogRatioLinear
from scpi.model.baselines._mean_delta import MeanDelta
from scpi.model.baselines._nearest_delta import NearestDelta
from scpi.model.baselines._no_change import NoChange
from scpi.model.baselines._pca_shift import PCAShift
from scpi.model.baselines._ridge_delta import RidgeDelta
from scpi.model.baselines._train_mean import TrainMean
from scpi.model.baselines._weighted_delta import WeightedDelta

__all__ = [
    "Additive",
    "Linear",
    "LinearDose",
    "LogRatioDelta",
    "LogRatioLinear",
    "MeanDelta",
    "NearestDelta",
    "NoChange",
    "PCAShift",
    "RidgeDelta",
    "TrainMean",
    "WeightedDelta",
]
