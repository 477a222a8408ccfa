"""Attribution targets of models that predict a change."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from scpi.attribution import AttributionTarget
from scpi.model.base.targets._latent import LatentMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


class ChangeTargetMixin(LatentMixin):
    """The attribution hook of models that encode cells and predict the change under a perturbation.

    Subclasses implement ``_change_of``.
    """

    @abstractmethod
    def _change_of(self, perturbation: str, *, context: str | None, dose: float | None) -> Callable[[Tensor], Tensor]:
        """Differentiable function from the input of the network to the change of each gene."""

    def attribution_target(
        self,
        kind: Literal["latent", "change"] = "latent",
        *,
        perturbation: str | None = None,
        context: str | None = None,
        dose: float | None = None,
    ) -> AttributionTarget:
        """Return a differentiable function of the input of the network, for attributions.

        Parameters
        ----------
        kind
            ``"latent"`` (means of the latent units) or ``"change"`` (change of the decoded cell under ``perturbation``:
            of expression, or of log fractions for a likelihood of counts).
        perturbation
            Label of the condition of the change.
        context
            Context whose latent shift is used; an average context if ``None``. Only models with latent shifts use it.
        dose
            Dose of the condition; 1 if ``None``.

        Returns
        -------
        The function, the transform from registered expression to its input (log-normalisation for a likelihood of
        counts, else none), and the names of its outputs.

        Raises
        ------
        ValueError
            If the kind does not exist, or the perturbation is missing, unknown or not trained on.
        """
        self._check_if_trained(warn=False)
        self.module.eval()
        if kind == "latent":
            return AttributionTarget(self._encode, self._read, self._units(), kind=kind)
        if kind != "change" or perturbation is None:
            msg = f"`kind` must be 'latent', or 'change' with a `perturbation`, got {kind!r}."
            raise ValueError(msg)
        change = self._change_of(perturbation, context=context, dose=dose)
        return AttributionTarget(change, self._read, self.var_names_, kind=kind)
