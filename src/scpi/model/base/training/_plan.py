"""Shared parts of the training plans: steps of optimisers, phases, and the metrics of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import lightning.pytorch as pl

from scpi.model.base.training._epoch_metrics import EpochMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lightning.pytorch.core.optimizer import LightningOptimizer
    from torch import Tensor

P = TypeVar("P", bound=str)


class NetworkPlan(pl.LightningModule):
    """Trains a module, which has its settings as ``preset``, and logs the means of its losses once per epoch.

    Subclasses implement ``training_step``, and add its losses to ``_metrics``. With ``manual``, it steps the optimisers
    itself, such as several of them.
    """

    def __init__(self, module: Any, *, manual: bool = True) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.module, self.preset = module, module.preset
        self._metrics = EpochMetrics()

    def _optimizers(self) -> list[LightningOptimizer]:
        """The optimisers, as a list."""
        found = self.optimizers()
        return found if isinstance(found, list) else [found]

    def _descend(self, objective: Tensor, optimizers: Sequence[Any]) -> None:
        """One gradient step of the given optimisers on an objective."""
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(objective)
        for optimizer in optimizers:
            optimizer.step()

    def _log_validation(self, loss: Tensor, n_cells: int, name: str = "reconstruction", **kwargs: Any) -> None:
        """Log a loss of validation cells."""
        self.log(self._metric(name, "validation"), loss, on_epoch=True, batch_size=n_cells, **kwargs)

    def _metric(self, loss: str, cells: str) -> str:
        """Name under which a loss of the ``"train"`` or ``"validation"`` cells is logged."""
        return f"{loss}_{cells}"

    def on_train_epoch_end(self) -> None:
        """Log the mean losses of the epoch."""
        self.log_dict({self._metric(name, "train"): value for name, value in self._metrics.take().items()})


class Phases(Generic[P]):
    """Phases of a training run with their maximum numbers of epochs, in order; those without epochs are skipped."""

    def __init__(self, n_epochs: Mapping[P, int]) -> None:
        self._left = [(name, n) for name, n in n_epochs.items() if n > 0]
        self.name, self._n_epochs = self._left.pop(0)
        self.began = 0

    def is_over(self, epoch: int) -> bool:
        """Whether this is the last epoch of the phase."""
        return epoch + 1 - self.began >= self._n_epochs

    def advance(self, epoch: int) -> bool:
        """Begin the next phase after an epoch; ``False`` if there is none."""
        if not self._left:
            return False
        self.name, self._n_epochs = self._left.pop(0)
        self.began = epoch + 1
        return True
