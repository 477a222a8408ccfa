"""Comparisons of models, baselines and methods on the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi._scoring._metrics import list_metrics as list_metrics
    from scpi.benchmark import splits as splits
    from scpi.benchmark._accuracy_boxplots import accuracy_boxplots as accuracy_boxplots
    from scpi.benchmark._compare import compare_predictions as compare_predictions
    from scpi.benchmark._evaluate import evaluate as evaluate
    from scpi.benchmark._model_spec import ModelSpec as ModelSpec
    from scpi.benchmark._noise_ceiling import noise_ceiling as noise_ceiling
    from scpi.benchmark._summarise import summarise as summarise

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "ModelSpec": "_model_spec",
        "accuracy_boxplots": "_accuracy_boxplots",
        "compare_predictions": "_compare",
        "evaluate": "_evaluate",
        "list_metrics": "._scoring._metrics",
        "noise_ceiling": "_noise_ceiling",
        "summarise": "_summarise",
    },
    submodules=("splits",),
)
