"""scGen: the mean latent shift over contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from scpi._docs import fill
from scpi.model.base.prediction._latent_shifts import measured_shifts
from scpi.model.base.training._presets import describe_settings
from scpi.model.latent_shift._model import LatentShiftModel
from scpi.model.latent_shift._presets import SCGEN_PRESETS, SCGENPreset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


@describe_settings(SCGEN_PRESETS)
@fill
class SCGEN(LatentShiftModel):
    """scGen: predict responses by the mean latent shift of other contexts.

    A variational autoencoder embeds all cells. The shift of a perturbation is the difference between the latent means
    of perturbed and control cells, averaged over contexts with equal weights. It is added to the latent means of
    control cells, which are then decoded. After Lotfollahi, Wolf and Theis (2019), "scGen predicts single-cell
    perturbation responses", Nature Methods 16.

    Parameters
    ----------
    %(setup_adata)s
        The expression must be log-normalised.
    %(registry)s
    %(shift_preset)s
    **preset_kwargs
        Attributes of the preset to change, such as ``n_latent``, ``controls`` or ``residual``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, or a context is unknown.

    Examples
    --------
    >>> import scanpy as sc, scpi
    >>> adata = scpi.datasets.plant_screen(n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata, target_sum=1e4)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.SCGEN.setup_anndata(adata)
    >>> model = scpi.model.SCGEN(adata, n_hidden=32, n_latent=10)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.predict(perturbation=model.perturbations_[0], n_cells=5).n_obs
    5
    """

    _presets: ClassVar[dict[str, SCGENPreset]] = SCGEN_PRESETS

    preset_: SCGENPreset

    def _measured_shift(
        self, profiles: Profiles, design: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        allowed = self._allowed(profiles)
        shifts = measured_shifts(profiles, design, allowed=allowed)
        if shifts is None:
            return None
        shift: NDArray[np.float64] = shifts.changes.mean(0)
        if self.preset_.controls == "all":
            shift = shift + shifts.controls.mean(0) - profiles.balanced_control(allowed)
        return shift
