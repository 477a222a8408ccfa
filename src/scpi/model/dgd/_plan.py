"""Training plan of decoder, representations and mixture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from scpi.model.base._constants import KEYS
from scpi.model.base.training._fused import fused
from scpi.model.base.training._plan import NetworkPlan
from scpi.model.dgd._representations import fit_representations
from scpi.model.dgd._search import find_mixture

if TYPE_CHECKING:
    from lightning.pytorch.core.optimizer import LightningOptimizer
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.dgd._module import DGDModule

_RISE = 0.1
_FIRST_STEPS, _MORE_STEPS = 40, 10


class DGDPlan(NetworkPlan):
    """Minimises the objective by three optimisers, and finds the number of components where it is to be found.

    ``cells`` are the training cells. Before epoch ``search_epoch`` the mixture is fixed; it is then fitted to their
    representations, with ``n_components``, or as many as it needs if that is ``None``. With ``search_epoch=None``, it is
    trained from the first epoch on.
    """

    def __init__(
        self,
        module: DGDModule,
        *,
        cells: NDArray[Any],
        n_epochs: int,
        n_batches: int,
        search_epoch: int | None,
        n_components: int | None,
        seed: int,
    ) -> None:
        super().__init__(module)
        self._cells, self._n_steps, self._search_epoch = torch.from_numpy(cells), n_epochs * n_batches, search_epoch
        self._n_components, self._seed, self._n_done, self._is_fitted = n_components, seed, 0, set[int]()

    def configure_optimizers(self) -> Any:
        """Optimisers of the decoder, of the representations, of which only rows with a gradient move, and of the mixture."""
        module, preset = self.module, self.preset
        apart = {id(parameter) for part in (module.representations, module.mixture) for parameter in part.parameters()}
        decoder = [parameter for parameter in module.parameters() if id(parameter) not in apart]
        mixture = [parameter for parameter in module.mixture.parameters() if parameter.requires_grad]
        return [
            fused(
                torch.optim.Adam, decoder, lr=preset.lr, betas=preset.decoder_betas, weight_decay=preset.weight_decay
            ),
            torch.optim.SparseAdam(
                module.representations.parameters(), lr=preset.representation_lr, betas=preset.betas
            ),
            fused(
                torch.optim.Adam, mixture, lr=preset.mixture_lr, betas=preset.betas, weight_decay=preset.weight_decay
            ),
        ]

    def on_train_epoch_start(self) -> None:
        """Fit the mixture to the representations of the training cells, which one component has shaped so far."""
        if self._search_epoch is None or self.current_epoch != self._search_epoch:
            return
        z = self.module.representations.weight.detach()[self._cells.to(self.module.device)]
        found = find_mixture(z.cpu().numpy(), self._n_components, most=self.preset.most_components, seed=self._seed)
        self.module.mixture.put(*(torch.from_numpy(part).to(z) for part in found))
        # The state of Adam refers to one component
        self._optimizers()[2].state.clear()

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step of decoder and mixture, and of the representations of the batch if they do not wait for the epoch's end."""
        decoder, representations, mixture = self._optimizers()
        self._anneal(decoder, representations, mixture)
        moved = [decoder]
        if self.preset.update == "batch":
            moved.append(representations)
        if self._search_epoch is None or self.current_epoch >= self._search_epoch:
            moved.append(mixture)
        losses = self.module.losses(batch, n_cells=len(self._cells))
        loss = torch.stack(list(losses.values())).sum()
        # The sum over the cells, to which the published learning rates and weight decay refer
        self._descend(loss * len(batch[KEYS.X]), moved)
        self._metrics.add({"objective": loss, **losses})
        self._n_done += 1

    def _anneal(self, decoder: LightningOptimizer, *others: LightningOptimizer) -> None:
        """Learning rates fall along a cosine; that of the decoder rises before."""
        if not self.preset.anneal:
            return
        done = min(self._n_done / max(self._n_steps, 1), 1.0)
        rise = min(done / _RISE, 1.0)
        for optimizer in (decoder, *others):
            for group in optimizer.param_groups:
                initial = group.setdefault("initial_lr", group["lr"])
                fall = 0.5 * (1.0 + math.cos(math.pi * done))
                group["lr"] = initial * fall * (rise if optimizer is decoder else 1.0)

    def on_train_epoch_end(self) -> None:
        """Log the losses, and move the representations where an epoch is a step of theirs."""
        super().on_train_epoch_end()
        if self.preset.update == "epoch":
            representations = self._optimizers()[1]
            representations.step()
            representations.zero_grad()

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Loss of one half of the counts of cells, whose representations are fitted to the other half."""
        # Tensors of inference mode have no gradients
        with torch.inference_mode(False), torch.enable_grad():
            batch = {key: value.clone() for key, value in batch.items()}
            module, rows = self.module, batch[KEYS.INDEX].reshape(-1)
            half, rest = thinned(batch, seed=self._seed + 7919 * batch_idx)
            is_first = batch_idx not in self._is_fitted
            fit = fit_representations(
                module,
                half,
                start=None if is_first else module.representations.weight.detach()[rows],
                n_steps=_FIRST_STEPS if is_first else _MORE_STEPS,
            )
        self._is_fitted.add(batch_idx)
        with torch.no_grad():
            module.representations.weight[rows] = fit.z
            loss = module.cell_loss(rest, fit.z, module.code(rest)).mean()
        self._log_validation(loss, len(rows))


def thinned(tensors: dict[str, Tensor], *, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Two halves of the counts of cells: each count goes to either with the same probability."""
    counts = tensors[KEYS.X]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.binomial(counts.cpu(), torch.full(counts.shape, 0.5), generator=generator).to(counts)
    halves = []
    for half in (drawn, counts - drawn):
        own = tensors | {KEYS.X: half}
        if KEYS.SIZE_FACTOR in tensors:
            own[KEYS.SIZE_FACTOR] = tensors[KEYS.SIZE_FACTOR] / 2.0
        halves.append(own)
    return halves[0], halves[1]
