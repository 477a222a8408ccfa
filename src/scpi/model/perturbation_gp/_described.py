"""Prediction of unmeasured perturbations from features, for models of measured perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._screen._conditions import member_doses
from scpi.model.base._constants import NO_BETTER
from scpi.model.base.effects._regression import member_effects
from scpi.model.base.effects._shrinkage import effect_errors
from scpi.model.base.prediction._profile_buffers import ArrayBuffers
from scpi.model.perturbation_gp._effects import TrainingEffects
from scpi.model.perturbation_gp._fields import FEATURES, read_state
from scpi.model.perturbation_gp._process import gaussian_process
from scpi.model.perturbation_gp._stand_ins import known_scores, mixture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import nn

    from scpi._screen._conditions import Dose
    from scpi.model.base._screen_model import ScreenModel

    class Host(ScreenModel):
        """Class that the mixin extends."""

        module: Any

        def _logs(self, adata: AnnData | MuData, cells: NDArray[np.int64] | None = None) -> Any:
            """Log-normalised expression."""

else:
    Host = object


def described_buffers() -> nn.Module:
    """Buffers for the parameters that the mixin learns."""
    return ArrayBuffers(("known", "known_scores", "scores", "has_features", "calibration"))


class DescribedMixin(Host):
    """Predict perturbations without training cells as mixtures of trained ones.

    A Gaussian process on the features predicts the effect of the perturbation, as in
    :class:`~scpi.model.PerturbationGP`. The model then predicts the mixture of trained perturbations with this effect.
    """

    def _feature_state(self) -> dict[str, Any]:
        """Registered features; ``names`` is empty if there are none."""
        field = self.registry["field_registries"].get(FEATURES)
        return {"names": []} if field is None else field["state_registry"]

    def _keep_described(self) -> None:
        """Learn from the training cells how effects depend on the features, if there are any."""
        state = self._feature_state()
        if not len(state["names"]):
            return
        table = read_state(state)
        cells, x = np.asarray(self.train_indices), self._logs(self.adata)
        profiles = self._profiles_of(x, cells, cells)
        single = profiles.design[(profiles.design != 0).sum(axis=1) == 1]
        known = np.flatnonzero(single.any(axis=0))
        spread = self._spread_of(x, cells, cells, profiles)
        flat = np.ones_like(profiles.treated), np.ones_like(profiles.control)
        trained = [self.perturbations_[place] for place in known]
        names = [*trained, *table.names]
        data = TrainingEffects(
            sources=table.of(names).sources,
            known=np.arange(len(known)),
            effects=member_effects(profiles.design, profiles.changes, profiles.n_cells)[known],
            errors=effect_errors(profiles, spread, slope=flat)[known],
            gene=pd.Index(self.var_names_).get_indexer(pd.Index(names)),
            control=profiles.balanced_control(),
        )
        found = gaussian_process(data)
        self.module.described.put(
            {
                "known": known.astype(np.int64),
                "known_scores": known_scores(data, found),
                "scores": found.scores[len(known) :],
                "has_features": data.has_features()[len(known) :].astype(np.float32),
                "calibration": np.array([found.calibration]),
            }
        )
        self.module.described.to(self.module.device)

    def _is_described(self) -> bool:
        return len(self.module.described.get_buffer("known")) > 0

    def _place(self, name: str) -> int | None:
        """Row of the features of a perturbation; ``None`` where it has none."""
        names = list(self._feature_state()["names"])
        return names.index(name) if name in names else None

    def _was_trained(self, name: str) -> bool:
        return any(name in self.labelling.members(label) for label in self.trained_conditions_)

    def _stands_in(self, name: str) -> bool:
        """Whether a mixture is predicted for a single perturbation."""
        if not self._is_described() or self._was_trained(name):
            return False
        return name in self.perturbations_ or self._place(name) is not None

    def get_stand_ins(self, perturbation: str) -> pd.Series:
        """Return the weights of the trained perturbations whose mixture substitutes for an untrained one.

        Parameters
        ----------
        perturbation
            A single perturbation with features, with or without cells in the data.

        Returns
        -------
        Weights by name of the trained perturbations, in decreasing order. Weights are equal, which gives the mean, if
        the perturbation has no features or the features do not predict the trained perturbations.

        Raises
        ------
        ValueError
            If the model was trained on the perturbation, or the perturbation has neither cells nor features.
        """
        self._check_if_trained(warn=False)
        if not self._stands_in(perturbation):
            msg = (
                f"{perturbation!r} is not predicted from other perturbations: the model was trained on it, or has neither cells nor "
                "features of it (`scpi.tl.perturbation_features`)."
            )
            raise ValueError(msg)
        weights = self._weights_of(perturbation)
        names = [self.perturbations_[place] for place in self.module.described.get_buffer("known").tolist()]
        found = pd.Series(weights, index=names, name=perturbation)
        return found[found > 0].sort_values(ascending=False)

    def _weights_of(self, name: str) -> NDArray[np.float64]:
        kept, place = self.module.described, self._place(name)
        scores = kept.array("known_scores")
        wanted = np.zeros(scores.shape[1]) if place is None else kept.array("scores")[place]
        return mixture(scores, wanted)

    def _members_of(self, label: str, dose: Dose | None) -> NDArray[np.float32]:
        names = self.labelling.members(label)
        if not any(self._stands_in(name) for name in names):
            return super()._members_of(label, dose)
        return np.stack([self._member(name, of) for name, of in zip(names, member_doses(names, dose), strict=True)])

    def _member(self, name: str, dose: float) -> NDArray[np.float32]:
        if not self._stands_in(name):
            return np.asarray(self.encode_perturbations([name], [dose])[0])
        row = np.zeros(len(self.perturbations_), dtype=np.float32)
        row[self.module.described.get_buffer("known").cpu().numpy()] = self._part(self._weights_of(name), dose)
        return row

    def _part(self, weights: NDArray[np.float64], dose: float) -> NDArray[np.float64]:
        """Doses at which effects are the given fractions of the effects at ``dose``."""
        return weights * dose

    def _status(self, label: str, contexts: Sequence[str] = ()) -> str:
        status = super()._status(label, contexts)
        names: Sequence[str] = [name for name in self.labelling.members(label) if self._stands_in(name)]
        if status in ("control", "trained") or not names:
            return status
        if not self.module.described.array("calibration")[0]:
            return NO_BETTER
        return "unseen" if all(self._has_features(name) for name in names) else "no features"

    def _has_features(self, name: str) -> bool:
        place = self._place(name)
        return place is not None and bool(self.module.described.array("has_features")[place])

    def _has_mean(self, label: str) -> bool:
        return self._stands_in(label) and not self._has_features(label)
