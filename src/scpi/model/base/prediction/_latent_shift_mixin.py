"""Shifts of latent units between controls and perturbed cells."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._screen._composition import compose
from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel
    from scpi.model.base.prediction._profiles import Profiles
    from scpi.model.base.targets._change import ChangeTargetMixin

    class Host(ChangeTargetMixin, ScreenModel):
        """Class that the mixin extends."""

else:
    Host = object


class LatentShiftMixin(Host):
    """Predictions by shifts of the latent units of an autoencoder.

    Subclasses set ``restrict_to`` and make a module with ``encode`` and ``kept``
    (:class:`~scpi.model.base.prediction._profile_buffers.ProfileBuffers`) in ``__init__``, call ``_keep_profiles``
    after training, and return the shift of a measured condition from ``_measured_shift``. The shift of an unmeasured
    combination is the sum of the shifts of its members.
    """

    @property
    def restrict_to(self) -> list[str] | None:
        """Contexts from which shifts are computed; all if ``None``."""
        return self.restrict_to_

    @restrict_to.setter
    def restrict_to(self, contexts: str | Sequence[str] | None) -> None:
        if contexts is None:
            self.restrict_to_: list[str] | None = None
            return
        if not self.has_contexts:
            msg = "`restrict_to` was given, but `setup_anndata` was called without `context_key`."
            raise ValueError(msg)
        wanted = [str(name) for name in as_list(contexts)]
        unknown = sorted(set(wanted) - set(self._known_contexts()))
        if unknown or not wanted:
            msg = f"`restrict_to` must name contexts of the data ({listed(self._known_contexts())}), got {wanted}."
            raise ValueError(msg)
        self.restrict_to_ = wanted

    def _keep_profiles(self) -> None:
        """Keep the latent means of the training cells."""
        cells = np.asarray(self.train_indices)
        z = self.get_latent_representation(indices=cells)
        profiles = self._profiles_of(z, np.arange(len(cells)), cells)
        self.module.kept.put(profiles._asdict() | {"latent_least": z.min(0), "latent_most": z.max(0)})
        self.module.kept.to(self.module.device)

    @abstractmethod
    def _measured_shift(
        self, profiles: Profiles, design: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Shift under doses ``design``, for a context with latent mean ``control``; ``None`` without training cells."""

    def _shift(
        self, profiles: Profiles, doses: NDArray[np.floating[Any]], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Shift under any doses: the sum over the members if these were not measured together."""
        measured = partial(self._measured_shift, profiles, control=control)
        return self._composed(doses, measured, np.zeros(len(control)))

    def _composed(
        self,
        doses: NDArray[np.floating[Any]],
        measured: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
        of_control: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Result of ``measured`` under doses, or its sum over the members if these were not measured together."""
        where = "" if self.restrict_to is None else f" of the contexts {self.restrict_to}"
        found = compose(doses, measured, names=self.perturbations_, where=where)
        return of_control if found is None else found

    def _allowed(self, profiles: Profiles) -> NDArray[np.bool_]:
        """Whether each context may contribute shifts."""
        if self.restrict_to is None:
            return np.ones(len(profiles.control), dtype=bool)
        return np.isin(self._known_contexts(), self.restrict_to)

    def get_shift(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str,
        context: str | None = None,
        dose: float | None = None,
    ) -> NDArray[np.float64]:
        """Return the shift of the latent units under a perturbation.

        Parameters
        ----------
        adata
            Data with control cells of the context; the training data if ``None``.
        perturbation
            A label: a perturbation or a combination.
        context
            Context of the shift. If ``None``, an average context, whose controls are the mean over contexts.
        dose
            Dose of the perturbations; 1 if ``None``.

        Returns
        -------
        Array of shape (n_latent,).

        Raises
        ------
        ValueError
            If the perturbation or the context is unknown, or no shift can be computed.
        """
        self._check_if_trained(warn=False)
        profiles = self.module.kept.profiles()
        design = self.encode_perturbations([perturbation], None if dose is None else [dose])[0]
        if context is None:
            return self._shift(profiles, design, profiles.balanced_control())
        adata = self._validate_anndata(adata)
        self._check_context(adata, context)
        code = int(np.flatnonzero(self._contexts(adata).astype(str) == str(context))[0])
        return self._shift(profiles, design, self._latent_control(adata, profiles, code))

    def _latent_control(self, adata: AnnData | MuData, profiles: Profiles, code: int) -> NDArray[np.float64]:
        """Latent mean of the controls of a context."""
        return self._control_mean(
            adata, profiles.control, code, lambda cells: self.get_latent_representation(adata, indices=cells)
        )

    def _latent_controls(self, adata: AnnData | MuData, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Latent mean of the controls in the context of each cell, (n_cells, n_latent)."""
        profiles = self.module.kept.profiles()
        codes, place = np.unique(self._context_codes(adata)[indices], return_inverse=True)
        return np.stack([self._latent_control(adata, profiles, int(code)) for code in codes])[place]

    def _shifts(
        self, adata: AnnData | MuData, indices: NDArray[np.int64], designs: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Shift of each cell under its own doses, (n_cells, n_latent)."""
        profiles = self.module.kept.profiles()
        codes = self._context_codes(adata)[indices]
        rows, place = np.unique(np.column_stack([codes, designs]), axis=0, return_inverse=True)
        centres = {code: self._latent_control(adata, profiles, int(code)) for code in np.unique(codes)}
        shifts = [self._shift(profiles, row[1:], centres[int(row[0])]) for row in rows]
        return np.stack(shifts)[place.reshape(-1)]

    @abstractmethod
    def _decoded_change(self, shift: Tensor, perturbation: str, dose: float | None) -> Callable[[Tensor], Tensor]:
        """Function from expression to the change of the decoded cell under a shift and a condition."""

    def _change_of(self, perturbation: str, *, context: str | None, dose: float | None) -> Callable[[Tensor], Tensor]:
        shift = self.get_shift(perturbation=perturbation, context=context, dose=dose)
        moved = torch.from_numpy(shift.astype(np.float32)).to(self.module.device)
        return self._decoded_change(moved, perturbation, dose)
