"""Interpretation of the factors, the interventions and the graph of a SENAVAE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base import ScreenModel
    from scpi.model.senavae._module import SENAVAEModule

    Host = ScreenModel
else:
    Host = object


class InterpretationMixin(Host):
    """Access to the parameters of a trained SENAVAE."""

    module: SENAVAEModule
    perturbations_: list[str]
    gene_set_names_: list[str]
    n_factors_: int

    def _factor_names(self) -> list[str]:
        return [f"factor_{index}" for index in range(self.n_factors_)]

    @torch.no_grad()
    def get_intervention_assignment(self) -> pd.DataFrame:
        """Return the probability that a perturbation targets a factor, at the temperature of training.

        Returns
        -------
        Table of perturbations x factors, whose rows sum to 1.
        """
        assignment = self.module.intervention.assignment().cpu().numpy()
        return pd.DataFrame(assignment, index=self.perturbations_, columns=self._factor_names())

    @torch.no_grad()
    def get_intervention_targets(self) -> pd.DataFrame:
        """Return the target factor of each perturbation.

        Returns
        -------
        Table with one row per perturbation with training cells (of an untrained model, per perturbation): ``perturbation``,
        ``factor`` (the most probable), ``probability``,
        ``strength`` (shift of the noise at dose 1, in standard deviations of the prior) and ``entropy`` of the
        assignment, as a fraction of its maximum: 0 for a single target, 1 for a uniform assignment.
        ``attrs["n_factors_used"]`` counts the factors that are the target of a perturbation.
        """
        trained = {name for label in self.trained_conditions_ for name in self.labelling.members(label)}
        table = self._all_targets()
        if trained:
            table = table[table["perturbation"].isin(trained)].reset_index(drop=True)
        table.attrs["n_factors_used"] = table["factor"].nunique()
        return table

    def _all_targets(self) -> pd.DataFrame:
        """Target factor of each perturbation, those without training cells included."""
        assignment = self.get_intervention_assignment().to_numpy()
        entropy = -(assignment * np.log(np.clip(assignment, 1e-12, None))).sum(1) / max(np.log(self.n_factors_), 1e-12)
        best = assignment.argmax(1)
        return pd.DataFrame(
            {
                "perturbation": self.perturbations_,
                "factor": np.asarray(self._factor_names())[best],
                "probability": assignment.max(1),
                "strength": self.module.intervention.strength.cpu().numpy(),
                "entropy": np.clip(entropy, 0.0, 1.0),
            }
        )

    @torch.no_grad()
    def get_causal_graph(self, *, threshold: float | None = None, top_n: int | None = None) -> pd.DataFrame:
        """Return the edges of the causal graph, in decreasing order of strength.

        Weights are in units of the prior, in which the noise of every factor has variance 1.

        Parameters
        ----------
        threshold
            Smallest absolute weight to keep.
        top_n
            Number of edges to keep.

        Returns
        -------
        Table with columns ``source``, ``target`` and ``weight``. Empty for a model without a graph.
        """
        graph = self.module.causal.adjacency().cpu().numpy()
        source, target = np.triu_indices(self.n_factors_, k=1)
        names = np.asarray(self._factor_names())
        edges = pd.DataFrame({"source": names[source], "target": names[target], "weight": graph[source, target]})
        if self.module.causal.graph is None:
            edges = edges.iloc[:0]
        edges = edges.reindex(edges["weight"].abs().sort_values(ascending=False, kind="stable").index)
        if threshold is not None:
            edges = edges[edges["weight"].abs() >= threshold]
        return edges.head(len(edges) if top_n is None else top_n).reset_index(drop=True)

    @torch.no_grad()
    def get_factor_loadings(self) -> pd.DataFrame:
        """Return the weight of every gene set in the mean of every factor.

        If the encoder estimates causal variables, these are the weights of the causal variables.

        Returns
        -------
        Table of factors x gene sets, or factors x units for an encoder without gene sets.
        """
        weight = self.module.encoder.heads.weight[: self.n_factors_].cpu().numpy()
        columns = self.gene_set_names_ or [f"unit_{index}" for index in range(weight.shape[1])]
        return pd.DataFrame(weight, index=self._factor_names(), columns=columns)

    def get_factor_pathways(self, *, top_n: int | None = 10) -> pd.DataFrame:
        """Return the gene sets with the largest weights in each factor.

        Parameters
        ----------
        top_n
            Number of gene sets per factor; all if ``None``.

        Returns
        -------
        Table with columns ``factor``, ``set``, ``weight`` and ``rank``, which counts from 1.

        Raises
        ------
        ValueError
            If the encoder has no gene sets.
        """
        if not self.gene_set_names_:
            msg = "The encoder has no gene sets, so its factors have no pathways."
            raise ValueError(msg)
        loadings = self.get_factor_loadings()
        values: NDArray[np.float32] = loadings.to_numpy()
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top_n]
        return pd.DataFrame(
            {
                "factor": np.repeat(loadings.index, order.shape[1]),
                "set": loadings.columns.to_numpy()[order].ravel(),
                "weight": np.take_along_axis(values, order, axis=1).ravel(),
                "rank": np.tile(np.arange(1, order.shape[1] + 1), len(loadings)),
            }
        )
