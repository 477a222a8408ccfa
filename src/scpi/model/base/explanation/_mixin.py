"""The explanation hook: predictions as sums of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._rng import as_generator
from scpi.model.base.prediction._predict import Counterfactual, draw_cells

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData
    from mudata import MuData

    from scpi._explained._explanation import Explanation
    from scpi._screen._conditions import Dose
    from scpi.model.base.prediction._predict import PredictionMixin as Host
else:
    Host = object


class ExplanationMixin(Host):
    """Predictions as sums of parts.

    Models that can decompose their predictions implement ``_explained``.
    """

    def explain(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str,
        context: str | None = None,
        dose: Dose | None = None,
        n_cells: int | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> Explanation:
        """Decompose a predicted change into additive parts.

        :func:`scpi.tl.explain_prediction` writes them as tables, with p-values.

        Parameters
        ----------
        adata
            Data with control cells to start from; the training data if ``None``.
        perturbation
            A label: a perturbation or a combination, as for :meth:`predict`.
        context, dose
            As for :meth:`predict`.
        n_cells
            Number of control cells to start from, drawn at random. If ``None``, all, at most 1,000.
        rng
            Seed or generator of the draws.

        Returns
        -------
        The change of the mean expression, and parts that add up to it.

        Raises
        ------
        TypeError
            If the model cannot decompose its predictions.
        ValueError
            As in :meth:`predict`, or if the perturbation is the control.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        label = self.canonical(perturbation)
        if label == self.control_:
            msg = f"{perturbation!r} is the control: its change is zero, so there is nothing to explain."
            raise ValueError(msg)
        self._check_context(adata, context)
        self._check_dose(dose)
        members = self._members_of(label, dose)
        controls, generator = self._control_cells(adata, context=context, indices=None), as_generator(rng)
        return self._explained(Counterfactual(adata, draw_cells(controls, n_cells, generator), members, generator))

    def _explained(self, asked: Counterfactual) -> Explanation:
        """Predicted change of control cells, as a sum of parts."""
        msg = (
            f"{type(self).__name__} cannot explain its predictions: explain those of a PerturbationGP, a "
            "SENAVAE or a MultiTaskAE."
        )
        raise TypeError(msg)
