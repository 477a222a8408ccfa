"""scVIDR: the latent shift of a context, by a regression on its controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scpi._docs import fill
from scpi.model.base.effects._regression import chosen_ridge_weights, least_squares_weights
from scpi.model.base.prediction._latent_shifts import largest_dose, measured_shifts
from scpi.model.base.training._presets import describe_settings
from scpi.model.latent_shift._model import LatentShiftModel
from scpi.model.latent_shift._presets import SCVIDR_PRESETS, SCVIDRPreset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


@describe_settings(SCVIDR_PRESETS)
@fill
class SCVIDR(LatentShiftModel):
    """scVIDR: predict responses by a latent shift that depends on the context and grows with the dose.

    A variational autoencoder embeds all cells. The shifts of the contexts are regressed on the latent means of their
    controls, which predicts the shift of another context. It is added to the latent means of the control cells of that
    context, which are then decoded. After Kana et al. (2023), "Generative modeling of single-cell gene expression for
    dose-dependent chemical perturbations", Patterns 4.

    Parameters
    ----------
    %(setup_adata)s
        The expression must be log-normalised.
    %(registry)s
    %(shift_preset)s
    **preset_kwargs
        Attributes of the preset to change, such as ``n_latent``, ``regression`` or ``dose_response``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, or a context is unknown.

    Examples
    --------
    >>> import scanpy as sc, scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata, target_sum=1e4)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.SCVIDR.setup_anndata(adata)
    >>> model = scpi.model.SCVIDR(adata, n_hidden=32, n_latent=10)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.predict(perturbation=model.perturbations_[0], n_cells=5).n_obs
    5
    """

    _presets: ClassVar[dict[str, SCVIDRPreset]] = SCVIDR_PRESETS

    preset_: SCVIDRPreset

    def _measured_shift(
        self, profiles: Profiles, design: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        factor = 1.0
        if self.preset_.dose_response == "log":
            largest = largest_dose(profiles, design)
            if largest > 0:
                factor = float(np.log1p(design.max()) / np.log1p(largest))
                design = np.where(design > 0, largest, 0.0)
        shifts = measured_shifts(profiles, design, allowed=self._allowed(profiles))
        if shifts is None:
            return None
        if self.preset_.regression == "none":
            return np.asarray(factor * shifts.changes.mean(0))
        weights = (
            chosen_ridge_weights(shifts.controls, shifts.changes, control)
            if self.preset_.regression == "ridge"
            else least_squares_weights(shifts.controls, control)
        )
        return np.asarray(factor * (weights @ shifts.changes))
