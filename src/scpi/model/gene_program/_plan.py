"""Training plan of gene programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.training._plan import NetworkPlan

if TYPE_CHECKING:
    from torch import Tensor, nn

    from scpi.model.gene_program._module import GeneProgramModule

_MOMENTUM = 0.9
_RISE = 0.1
# A step of Adam moves each weight alike, and a sum by as many times their number: where there are more, steps are
# shorter, or units fall silent in all cells, for good. Genes are centred and partly cancel; hidden units are positive
# and do not
_FAN_IN, _POSITIVE_FAN_IN = 100, 10


class GeneProgramPlan(NetworkPlan):
    """Minimises the objective, and stops where the preset says so.

    Batches before number ``n_known_batches`` keep their levels, and only the levels of later ones are trained;
    everything is trained if it is ``None``.
    """

    def __init__(
        self,
        module: GeneProgramModule,
        *,
        n_cells: int,
        n_epochs: int,
        n_batches: int,
        n_known_batches: int | None = None,
    ) -> None:
        super().__init__(module, manual=False)
        self.n_cells, self.n_epochs, self.n_batches = n_cells, n_epochs, n_batches
        self._n_known_batches = n_known_batches
        self._best, self._n_bad = math.inf, 0

    def configure_optimizers(self) -> Any:
        """Optimiser, and for Adam a learning rate that rises and falls once."""
        trained = list(self.module.parameters()) if self._n_known_batches is None else [self.module.level]
        if self.preset.optimizer == "sgd":
            return torch.optim.SGD(trained, lr=self.preset.lr, momentum=_MOMENTUM, nesterov=True)
        groups = self._groups(trained)
        optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
        # The rise takes two steps at least, and half of the training at most
        n_steps = max(self.n_epochs * self.n_batches, 4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [group["lr"] for group in groups], total_steps=n_steps, pct_start=max(_RISE, 2 / n_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _groups(self, trained: list[nn.Parameter]) -> list[dict[str, Any]]:
        """Parameters with their learning rates: shorter steps for layers that sum over much."""
        module, lr = self.module, self.preset.lr
        fractions = {
            id(module.first.weight): min(1.0, _FAN_IN / module.first.in_features),
            id(module.to_units.weight): min(1.0, _POSITIVE_FAN_IN / module.to_units.in_features),
        }
        found = [(parameter, fractions.get(id(parameter), 1.0)) for parameter in trained]
        return [
            {"params": [parameter for parameter, own in found if own == fraction], "lr": lr * fraction}
            for fraction in dict.fromkeys(own for _, own in found)
        ]

    @property
    def warm(self) -> float:
        """Fraction that the weights of the priors and of orthogonality have reached."""
        rise = self.preset.warmup * self.n_epochs
        return 1.0 if rise == 0 else min(1.0, (self.current_epoch + 1) / rise)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Objective of a batch."""
        losses = self.module.losses(batch, n_cells=self.n_cells)
        loss = sum(value if name == "reconstruction" else self.warm * value for name, value in losses.items())
        assert isinstance(loss, torch.Tensor)
        self._metrics.add({"objective": loss, **losses})
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Reconstruction of cells that are not trained on."""
        loss = self.module.losses(batch, n_cells=self.n_cells)["reconstruction"]
        self._log_validation(loss, len(batch[KEYS.INPUT]))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave the levels of known batches and of other covariates as they are, where new batches are fitted."""
        if self._n_known_batches is not None and self.module.level.grad is not None:
            self.module.level.grad[: self._n_known_batches] = 0.0
            self.module.level.grad[self.module.n_batch :] = 0.0

    def on_validation_epoch_end(self) -> None:
        """Stop where the cells that are not trained on have not gained for long."""
        loss = self.trainer.callback_metrics.get("reconstruction_validation")
        if self.preset.check_every is None or self.trainer.sanity_checking or loss is None:
            return
        self._n_bad = 0 if self._best - float(loss) >= self.preset.least_gain else self._n_bad + 1
        self._best = min(self._best, float(loss))
        if self._n_bad >= self.preset.patience:
            self.trainer.should_stop = True
