"""The multi-task autoencoder as users see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi.model.base._cell_batches import cell_batches
from scpi.model.base._checks import LOG_ADVICE, check_expression
from scpi.model.base._constants import KEYS
from scpi.model.base._presets import at_least, choose_preset
from scpi.model.base._seed import resolve_seed, seeded
from scpi.model.base._training import NetworkModel
from scpi.model.multitask._coder import ConditionCoder
from scpi.model.multitask._module import MultiTaskModule
from scpi.model.multitask._pair_splitter import PairSplitter
from scpi.model.multitask._plan import MultiTaskPlan
from scpi.model.multitask._presets import PRESETS, RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.multitask._plan import Phase
    from scpi.model.multitask._presets import Preset


class MultiTaskAE(NetworkModel):
    """One autoencoder for all perturbations and doses, whose decoder is told the condition.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`: log-normalised, or counts for ``likelihood="nb"``.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    preset
        Name of the settings.
    seed
        Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
    **changes
        Attributes of the preset to change.

    Raises
    ------
    TypeError
        If the preset has no such attribute.
    ValueError
        If a value is out of its range, or the expression is not on the scale that the likelihood needs.
    """

    _module_cls = MultiTaskModule
    _data_splitter_cls = PairSplitter
    _training_plan_cls = MultiTaskPlan

    module: MultiTaskModule
    preset_: Preset

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: str = "scpi",
        seed: int | None = None,
        **changes: Any,
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(PRESETS, preset, changes, RULES)
        if self.preset_.adversary is not None and self.preset_.target != "self":
            msg = "An adversary compares treated cells with controls, which only `target='self'` reads."
            raise ValueError(msg)
        self.seed_ = resolve_seed(seed)
        if adata is not None:
            where = "the registered expression"
            check_expression(
                self._field(self.adata, KEYS.X), counts=self._reads_counts, logs=self._reads_logs, what=where
            )
        self.trained_levels_: NDArray[np.bool_] | None = None
        n_genes = self.registry["field_registries"][KEYS.X]["summary_stats"]["n_vars"]
        with seeded(self.seed_):
            self.module = self._module_cls(n_genes, self._coder().n_codes, preset=self.preset_)
        self._model_summary_string = f"MultiTaskAE with preset: {preset}, n_latent: {self.preset_.n_latent}"
        self.init_params_ = self._get_init_params(locals())

    @property
    def _reads_counts(self) -> bool:  # type: ignore[override]
        return self.preset_.likelihood == "nb"

    @property
    def _reads_logs(self) -> bool:  # type: ignore[override]
        return self.preset_.likelihood == "normal"

    def _coder(self) -> ConditionCoder:
        state = self._perturbation_state()
        design = self.encode_perturbations(list(state["conditions"]), list(state["doses"]))
        return ConditionCoder(self.preset_.coding, design, self.perturbations_, trained=self.trained_levels_)

    def train(
        self,
        max_epochs: int | None = None,
        *,
        lr: float | None = None,
        batch_size: int | None = None,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        restore_best: bool = True,
        early_stopping: bool = False,
        early_stopping_patience: int = 25,
        datasplitter_kwargs: dict[str, Any] | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        preset = self.preset_
        max_epochs = at_least(preset.max_epochs if max_epochs is None else max_epochs, 1, "max_epochs")
        splitter_kwargs = {
            "counts": self._reads_counts,
            "batch_size": at_least(preset.batch_size if batch_size is None else batch_size, 2, "batch_size"),
            "train_size": train_size,
            "validation_size": validation_size,
            "held_out": held_out,
            "seed": self.seed_ if seed is None else seed,
        } | (datasplitter_kwargs or {})
        phases: dict[Phase, int] = {"reconstruct": max_epochs}
        if preset.adversary is not None:
            share = max_epochs / preset.max_epochs
            phases["discriminate"] = max(1, round(share * preset.discriminator_epochs))
            phases["mislead"] = max(1, round(share * preset.adversary_epochs))
        trained = self._data_splitter_cls(self.adata_manager, codes=np.zeros((0, 0), np.float32), **splitter_kwargs)
        there = np.zeros(len(trained.design), dtype=bool)
        there[trained.conditions_of(trained.train_idx)] = True
        self.trained_levels_ = there
        codes = np.full((len(there), self._coder().n_codes), np.nan, dtype=np.float32)
        codes[there] = self._coder()(trained.design[there])
        for target in preset.target.split("+"):
            self._fit(
                max_epochs=sum(phases.values()),
                splitter_kwargs=splitter_kwargs | {"codes": codes, "target": target},
                plan_kwargs={"phases": phases, "lr": preset.lr if lr is None else lr} | (plan_kwargs or {}),
                anneal_end=0,
                monitor="reconstruction_validation",
                restore_best=restore_best and preset.adversary is None,
                early_stopping=early_stopping,
                early_stopping_patience=early_stopping_patience,
                accelerator=accelerator,
                devices=devices,
                callbacks=trainer_kwargs.pop("callbacks", []),
                trainer_kwargs=trainer_kwargs,
            )

    @torch.inference_mode()
    def _predict_cells(
        self,
        adata: AnnData | MuData,
        indices: NDArray[np.int64],
        design: NDArray[np.float32],
        *,
        sample: bool,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        self.module.eval()
        code = torch.from_numpy(self._coder()(design[None])).to(self.module.device)
        out = []
        for tensors in cell_batches(self, adata, indices, batch_size=None, device=self.module.device):
            out.append(self._decoded(tensors[KEYS.X], code).cpu().numpy())
        return np.concatenate(out).astype(np.float32)

    def _decoded(self, x: Tensor, code: Tensor) -> Tensor:
        z = self.module.encode(x)
        told = code.expand(len(x), -1)
        decoded = self.module.decode(z, told)
        if self.preset_.residual:
            return x + decoded - self.module.decode(z, torch.zeros_like(told))
        return decoded
