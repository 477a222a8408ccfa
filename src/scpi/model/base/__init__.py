"""What a new family of models is built from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.model.base._constants import KEYS as KEYS
    from scpi.model.base._model_base import ModelBase as ModelBase
    from scpi.model.base._screen_model import ScreenModel as ScreenModel
    from scpi.model.base.loading._cell_batches import cell_batches as cell_batches
    from scpi.model.base.loading._cell_splitter import CellSplitter as CellSplitter
    from scpi.model.base.loading._input_transform import InputTransform as InputTransform
    from scpi.model.base.loading._paired_splitter import PairedSplitter as PairedSplitter
    from scpi.model.base.loading._screen_splitter import ScreenSplitter as ScreenSplitter
    from scpi.model.base.prediction._evaluate import EvaluationMixin as EvaluationMixin
    from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin as LatentShiftMixin
    from scpi.model.base.prediction._predict import PredictionMixin as PredictionMixin
    from scpi.model.base.prediction._profile_buffers import ProfileBuffers as ProfileBuffers
    from scpi.model.base.prediction._profiles import Profiles as Profiles
    from scpi.model.base.prediction._profiles import take_profiles as take_profiles
    from scpi.model.base.setup._conditions import ConditionsMixin as ConditionsMixin
    from scpi.model.base.setup._declaration import Field as Field
    from scpi.model.base.setup._fields import ContextField as ContextField
    from scpi.model.base.setup._fields import GeneSetField as GeneSetField
    from scpi.model.base.setup._fields import LabelField as LabelField
    from scpi.model.base.setup._fields import PerturbationField as PerturbationField
    from scpi.model.base.setup._fields import SizeFactorField as SizeFactorField
    from scpi.model.base.training._fused import FusedTrainingPlan as FusedTrainingPlan
    from scpi.model.base.training._presets import Rules as Rules
    from scpi.model.base.training._presets import at_least as at_least
    from scpi.model.base.training._presets import choose_preset as choose_preset
    from scpi.model.base.training._seed import resolve_seed as resolve_seed
    from scpi.model.base.training._seed import seeded as seeded
    from scpi.model.base.training._training import NetworkTrainingMixin as NetworkTrainingMixin

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "KEYS": "_constants",
        "ModelBase": "_model_base",
        "ScreenModel": "_screen_model",
        "cell_batches": "loading._cell_batches",
        "CellSplitter": "loading._cell_splitter",
        "InputTransform": "loading._input_transform",
        "PairedSplitter": "loading._paired_splitter",
        "ScreenSplitter": "loading._screen_splitter",
        "EvaluationMixin": "prediction._evaluate",
        "LatentShiftMixin": "prediction._latent_shift_mixin",
        "PredictionMixin": "prediction._predict",
        "ProfileBuffers": "prediction._profile_buffers",
        "Profiles": "prediction._profiles",
        "take_profiles": "prediction._profiles",
        "ConditionsMixin": "setup._conditions",
        "Field": "setup._declaration",
        "ContextField": "setup._fields",
        "GeneSetField": "setup._fields",
        "LabelField": "setup._fields",
        "PerturbationField": "setup._fields",
        "SizeFactorField": "setup._fields",
        "FusedTrainingPlan": "training._fused",
        "Rules": "training._presets",
        "at_least": "training._presets",
        "choose_preset": "training._presets",
        "resolve_seed": "training._seed",
        "seeded": "training._seed",
        "NetworkTrainingMixin": "training._training",
    },
)
