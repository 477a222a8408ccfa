"""Models that learn from single-cell data and predict it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.model.baselines import Additive as Additive
    from scpi.model.baselines import Linear as Linear
    from scpi.model.baselines import LinearDose as LinearDose
    from scpi.model.baselines import LogRatioDelta as LogRatioDelta
    from scpi.model.baselines import MeanDelta as MeanDelta
    from scpi.model.baselines import NearestDelta as NearestDelta
    from scpi.model.baselines import NoChange as NoChange
    from scpi.model.baselines import PCAShift as PCAShift
    from scpi.model.baselines import RidgeDelta as RidgeDelta
    from scpi.model.baselines import TrainMean as TrainMean
    from scpi.model.baselines import WeightedDelta as WeightedDelta
    from scpi.model.clustering import ContrastiveSC as ContrastiveSC
    from scpi.model.clustering import SCDeepCluster as SCDeepCluster
    from scpi.model.clustering import SCZIDesk as SCZIDesk
    from scpi.model.gene_program import GeneProgramAE as GeneProgramAE
    from scpi.model.latent_shift import SCGEN as SCGEN
    from scpi.model.latent_shift import SCVIDR as SCVIDR
    from scpi.model.multitask import MultiTaskAE as MultiTaskAE
    from scpi.model.scbutterfly import SCButterfly as SCButterfly
    from scpi.model.scpregan import SCPREGAN as SCPREGAN
    from scpi.model.senavae import SENAVAE as SENAVAE

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Additive": "baselines",
        "ContrastiveSC": "clustering",
        "GeneProgramAE": "gene_program",
        "Linear": "baselines",
        "MeanDelta": "baselines",
        "LinearDose": "baselines",
        "MultiTaskAE": "multitask",
        "LogRatioDelta": "baselines",
        "NearestDelta": "baselines",
        "PCAShift": "baselines",
        "RidgeDelta": "baselines",
        "WeightedDelta": "baselines",
        "NoChange": "baselines",
        "SCButterfly": "scbutterfly",
        "SCDeepCluster": "clustering",
        "SCGEN": "latent_shift",
        "SCVIDR": "latent_shift",
        "SCPREGAN": "scpregan",
        "SCZIDesk": "clustering",
        "SENAVAE": "senavae",
        "TrainMean": "baselines",
    },
)
