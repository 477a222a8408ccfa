"""Training and predictions of models that shift the latent space of a variational autoencoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import numpy as np

from scpi._screen._matrix import stack_rows
from scpi.attribution import DecoderTarget
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin
from scpi.model.base.targets._change import ChangeTargetMixin
from scpi.model.base.training._presets import choose_preset
from scpi.model.base.training._training import PresetTrainingMixin
from scpi.model.latent_shift._analysis import ShiftAnalysisMixin
from scpi.model.latent_shift._module import ShiftVAE
from scpi.model.latent_shift._presets import RULES, ShiftPreset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.training._training import Schedule
    from scpi.model.latent_shift._settings import Settings


class LatentShiftModel(ShiftAnalysisMixin, LatentShiftMixin, ChangeTargetMixin, PresetTrainingMixin, ScreenModel):
    """Base class of the public models that shift the latent units of a variational autoencoder."""

    _module_cls = ShiftVAE
    _reads_logs = True
    _presets: ClassVar[Mapping[str, ShiftPreset]]

    module: ShiftVAE
    preset_: ShiftPreset

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "published"] = "scpi",
        restrict_to: str | Sequence[str] | None = None,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(type(self), self._presets, preset, preset_kwargs, RULES)
        self.restrict_to = restrict_to
        self._build(
            lambda: self._module_cls(self._n_genes, preset=self.preset_),
            seed=seed,
            preset=preset,
            of_preset=("n_latent", "n_hidden", "residual"),
        )
        self.init_params_ = self._get_init_params(locals())

    def _train_on(self, schedule: Schedule) -> None:
        splitter = schedule.split(partial(single_cells, batch_size=schedule.batch_size))
        schedule.fit(
            schedule.epochs(splitter.n_batches),
            splitter,
            plan_kwargs={"lr": schedule.lr, "eps": self.preset_.eps} | schedule.plan_kwargs,
            # The weighted objective: with an unweighted divergence, training would stop while reconstruction improves
            monitor="elbo_validation",
            restore_best=schedule.restore_best,
            early_stopping=schedule.early_stopping,
            early_stopping_patience=schedule.patience,
        )
        self._keep_profiles()

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        shifts = self._shifts(asked.adata, asked.cells, np.tile(asked.design, (len(asked.cells), 1)))
        return stack_rows(self._moved(asked.adata, asked.cells, shifts), len(asked.cells))

    def _decoded_change(self, shift: Tensor, perturbation: str, dose: float | None) -> Callable[[Tensor], Tensor]:
        module = self.module

        def change(x: Tensor) -> Tensor:
            z = module.encode(x)
            return module.decode(z + shift) - module.decode(z)

        return change

    def decoder_target(self) -> DecoderTarget:
        """Return a differentiable function from latent units to the expression, for effects of units.

        Returns
        -------
        The function, whose values are on the log1p scale of the registered expression, and the names of the units.
        """
        self._check_if_trained(warn=False)
        return DecoderTarget(self.module.eval().decode, self._units())
