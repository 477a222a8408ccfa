"""scPreGAN as a model of scvi-tools, for several conditions."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import torch

from scpi._docs import fill
from scpi._screen._expression import read_facts
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.targets._change import ChangeTargetMixin
from scpi.model.base.training._presets import choose_preset, describe_settings
from scpi.model.base.training._training import PresetTrainingMixin
from scpi.model.scpregan._module import SCPREGANModule
from scpi.model.scpregan._plan import SCPREGANPlan
from scpi.model.scpregan._presets import PRESETS, RULES
from scpi.model.scpregan._sampling import both_domains

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.training._training import Schedule
    from scpi.model.scpregan._settings import Settings


@describe_settings(PRESETS)
@fill
class SCPREGAN(ChangeTargetMixin, PresetTrainingMixin, ScreenModel):
    """scPreGAN: adversarial transfer between control and treated cells.

    A shared encoder maps cells to latent units, and a generator for each domain (control and treated) maps these to
    expression. A cell is predicted by the generator of the other domain. Discriminators distinguish measured from
    generated cells, and contexts from each other, as in an AC-GAN. After Wei et al. (2022), "scPreGAN, a deep
    generative model for predicting the response of single-cell expression to perturbation", which has one condition.
    With several, the networks of the treated domain read the doses of the perturbations.

    An epoch uses every cell of the larger domain about once, twice ``batch_size`` cells per step. The number of epochs
    follows from the number of steps of the preset (``n_steps``). The validation loss is the reconstruction loss, which
    does not measure the transfer. By default, training therefore neither stops early nor restores the best epoch.

    Parameters
    ----------
    %(setup_adata)s
        The expression must be log-normalised and non-negative. Contexts are the classes of the discriminators; without
        a ``context_key`` there are none.
    %(registry)s
    preset
        ``"published"``: the settings of the publication.
    %(model_seed)s
    **preset_kwargs
        Attributes of the preset to change, such as ``n_steps``, ``residual`` or ``adversarial_weight``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, or expression is negative.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.SCPREGAN.setup_anndata(adata)
    >>> model = scpi.model.SCPREGAN(adata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> model.predict(perturbation=model.perturbations_[0], n_cells=5).n_obs
    5
    """

    _module_cls = SCPREGANModule
    _training_plan_cls = SCPREGANPlan
    _reads_logs = True
    _least_batch = 1

    module: SCPREGANModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["published"] = "published",
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(type(self), PRESETS, preset, preset_kwargs, RULES)
        self._check_expression()
        design = self._designs()
        n_conditions = len(np.unique(design[design.any(1)], axis=0))
        self._build(
            lambda: self._module_cls(
                self._n_genes,
                len(self.perturbations_),
                n_contexts=self._statistic(KEYS.CONTEXT, f"n_{KEYS.CONTEXT}"),
                several=n_conditions != 1,
                preset=self.preset_,
            ),
            seed=seed,
            preset=preset,
            conditions=n_conditions,
            of_preset=("n_latent", "output"),
        )
        self.init_params_ = self._get_init_params(locals())

    def _check_expression(self) -> None:
        """Refuse negative values, which generators cannot output."""
        if self.adata is None:
            return
        x = self._field(self.adata, KEYS.X)
        lowest = read_facts(x).lowest if x.shape[0] else 0.0
        if lowest < 0:
            msg = (
                f"The registered expression has negative values, down to {lowest:.4g}, which generators cannot "
                "produce. Register log-normalised values that are neither scaled nor centred."
            )
            raise ValueError(msg)

    def _epochs(self, n_batches: int) -> int:
        return math.ceil(self.preset_.n_steps / n_batches)

    def _train_on(self, schedule: Schedule) -> None:
        splitter = schedule.split(partial(both_domains, batch_size=schedule.batch_size))
        self._take_doses(splitter)
        n_epochs = schedule.epochs(splitter.n_batches)
        schedule.fit(
            n_epochs,
            splitter,
            plan_kwargs={"n_steps": n_epochs * splitter.n_batches, "lr": schedule.lr} | schedule.plan_kwargs,
            monitor="reconstruction_validation",
            restore_best=schedule.restore_best,
            early_stopping=schedule.early_stopping,
            early_stopping_patience=schedule.patience,
        )

    def _take_doses(self, splitter: CellSplitter) -> None:
        """Store the largest training dose of each perturbation."""
        design = splitter.design[splitter.conditions_of(splitter.train_idx)]
        largest = design[np.abs(design).argmax(axis=0), np.arange(design.shape[1])]
        self.module.reference_dose.copy_(torch.from_numpy(largest))

    @torch.inference_mode()
    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        """Predict cells from control cells with the generators, which are deterministic."""
        target = self._target(asked.design)
        predicted = [self.module.predict(x, target.expand(len(x), -1)) for x in self._inputs(asked.adata, asked.cells)]
        return np.concatenate([x.cpu().numpy() for x in predicted])

    def _target(self, design: NDArray[np.float32]) -> Tensor:
        """Scaled doses of a condition, (1, n_perturbations); its perturbations must have been trained on."""
        known = self.module.reference_dose.cpu().numpy() != 0
        names = np.array(self.perturbations_)
        unknown = names[(design != 0) & ~known].tolist()
        if unknown:
            msg = f"No training cell has {unknown}, alone or in a combination: their effect is unknown."
            raise ValueError(msg)
        if not self.module.several and design.any() and not (design[known] != 0).all():
            label = (self.delimiter_ or "").join(names[known])
            msg = f"All treated cells have {label!r}: the effect of each of its perturbations alone is unknown."
            raise ValueError(msg)
        return self.module.scaled(torch.from_numpy(design[None]).to(self.module.device))

    def _change_of(self, perturbation: str, *, context: str | None, dose: float | None) -> Callable[[Tensor], Tensor]:
        module = self.module
        target = self._target(self.encode_perturbations([perturbation], None if dose is None else [dose])[0])

        def change(x: Tensor) -> Tensor:
            z, scaled = module.encoder(x), target.expand(len(x), -1)
            found: Tensor = module.generators(z, scaled) - module.generators(z, torch.zeros_like(scaled))
            return found

        return change
