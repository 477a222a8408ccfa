"""Simple predictions that every model has to beat."""

from scpi.model.baselines._additive import Additive
from scpi.model.baselines._linear import Linear
from scpi.model.baselines._mean_delta import MeanDelta
from scpi.model.baselines._no_change import NoChange
from scpi.model.baselines._train_mean import TrainMean

__all__ = ["Additive", "Linear", "MeanDelta", "NoChange", "TrainMean"]
