"""Number of factors of a SENAVAE, and stability of the edges between them."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi.model.base.training._presets import at_least
from scpi.model.senavae._grouping import MOST_MERGED, choose_n_groups, largest
from scpi.model.senavae._split_means import folds, group_cells, halves, split_means
from scpi.model.senavae._stability import HalfGraphs, default_n_edges, edge_frequencies, effect_weights, leads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.senavae._interpretation import InterpretationMixin
    from scpi.model.senavae._module import SENAVAEModule
    from scpi.model.senavae._presets import Preset
    from scpi.model.senavae._split_means import Groups

    class Host(InterpretationMixin, ScreenModel):
        """Class that the mixin extends."""

        module: SENAVAEModule
        preset_: Preset
        _transformed: Callable[[NDArray[np.int64]], Tensor]

else:
    Host = object

# Folds and repeats of the cross-validation for up to so many perturbations: its time grows with their square
_FOLDS = ((100, 5, 4), (500, 5, 1), (np.inf, 3, 1))
_CONTROLS = 4000
# Numbers that are held at once: 256 MB
_MOST_VALUES = 2**26


class StructureMixin(Host):
    """Number of factors, and stability of the graph, from random halves of the training cells."""

    def _groups(self, cells: NDArray[np.int64], *, at_least: int = 2) -> Groups:
        design, codes = self._conditions(self.adata)
        return group_cells(
            cells,
            context=self._context_codes(self.adata)[cells],
            condition=codes[cells],
            is_control=self._labels(self.adata)[cells] == self.control_,
            design=design,
            at_least=at_least,
        )

    def _effects_in_parts(
        self, groups: Groups, weights: NDArray[np.float64], split: Callable[[int], NDArray[np.bool_]]
    ) -> NDArray[np.float32]:
        """Weighted sums of the means of groups inside and outside of splits of their cells.

        ``weights`` are effects x groups; returns splits x 2 x effects x genes.
        """
        inside = [split(len(cells)) for cells in groups.cells]
        n_splits, n_genes = len(inside[0]), len(self.var_names_)
        effects = np.zeros((n_splits, 2, len(weights), n_genes), dtype=np.float32)
        at_once = max(1, _MOST_VALUES // (4 * n_splits * n_genes))
        for start in range(0, len(inside), at_once):
            some = slice(start, start + at_once)
            means = split_means(lambda own: self._transformed(own).numpy(), groups.cells[some], inside[some])
            effects += weights[:, some] @ means
        return effects

    def _changes_in_halves(
        self, groups: Groups, weights: NDArray[np.float64], n_pairs: int, rng: np.random.Generator
    ) -> Iterator[NDArray[np.float32]]:
        """Changes under perturbations in both halves of the cells, for several random halves; as many as memory takes."""
        at_once = max(1, _MOST_VALUES // (2 * len(weights) * len(self.var_names_)))
        for start in range(0, n_pairs, at_once):
            n_splits = min(at_once, n_pairs - start)
            yield from chain.from_iterable(
                self._effects_in_parts(groups, weights, partial(halves, n_splits=n_splits, rng=rng))
            )

    def _n_factors_of(self, splitter: CellSplitter) -> int:
        """Number of factors that predicts the effects of perturbations in held-out cells best."""
        n_folds, n_repeats = next(plan for most, *plan in _FOLDS if len(self.perturbations_) <= most)
        groups = self._groups(splitter.train_idx, at_least=n_folds)
        weights = effect_weights(groups.design, groups.size, groups.control_of(), groups.is_control)
        measured = np.flatnonzero(weights.any(1))
        if len(measured) < 2:
            return self.n_factors_
        rng = np.random.default_rng(splitter.seed)
        effects = self._effects_in_parts(groups, weights, lambda n: folds(n, n_folds, n_repeats, rng))
        variance = (np.square(weights[measured]) / groups.size).sum(1)
        effects = effects[:, :, measured] / np.sqrt(variance)[:, None]
        return choose_n_groups(effects[:, :, largest(effects.mean((0, 1)), MOST_MERGED)], most=self.n_factors_)

    @torch.inference_mode()
    def get_edge_stability(
        self, *, n_draws: int = 100, n_edges: int | None = None, size_sd: float = 0.6, seed: int = 0
    ) -> pd.DataFrame:
        """Compute how often each edge of the causal graph is recovered from random halves of the training cells.

        The effects of the perturbations on the genes are re-estimated from random halves of the cells of each
        condition. They determine the factors, their units and the graph, as at the start of training. An edge is
        recovered if it is among the strongest edges between the factors of the same two perturbations (the strongest of
        each factor), with the same direction and sign. This is the stability selection of Meinshausen & Bühlmann (2010,
        J. R. Stat. Soc. B 72:417), in complementary pairs. It also tests the assumption on which the causal order
        rests: that direct effects of factors on the genes have similar magnitude.

        Parameters
        ----------
        n_draws
            Number of halves; an even number.
        n_edges
            Number of strongest edges that count as found in a half. If ``None``, two per factor, but at most half of
            the pairs of factors.
        size_sd
            Standard deviation of the log (natural) magnitude of the direct effects; 0 assumes equal magnitudes.
        seed
            Seed of the halves and the magnitudes.

        Returns
        -------
        Table with the columns ``source``, ``target``, ``weight`` and ``stability`` (fraction of the draws), in
        decreasing order of strength. Empty for a model without a graph.

        Raises
        ------
        ValueError
            If a number is out of range, or the model was loaded without its cells.
        """
        at_least(n_draws, 2, "n_draws")
        if n_edges is not None:
            at_least(n_edges, 1, "n_edges")
        if not size_sd >= 0:
            msg = f"`size_sd` must not be negative, but is {size_sd}."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(None)
        edges = self.get_causal_graph()
        if not len(edges):
            return edges.assign(stability=np.zeros(0))
        groups, rng = self._groups(self._training_cells(adata)), np.random.default_rng(seed)
        if not groups.cells:
            return edges.assign(stability=0.0)
        weights = effect_weights(groups.design, groups.size, groups.control_of(), groups.is_control)
        measured = np.flatnonzero(weights.any(1))
        weights = weights[measured]
        controls = np.concatenate([own for own, chosen in zip(groups.cells, groups.is_control, strict=True) if chosen])
        targets = self._all_targets().iloc[measured]
        number = {f"factor_{index}": index for index in range(self.n_factors_)}
        graphs = HalfGraphs(
            leads(targets["factor"].map(number).to_numpy(), targets["strength"].to_numpy(), self.n_factors_),
            precision=1 / (np.square(weights) / groups.size).sum(1),
            controls=None
            if self.module.causal.mechanism == "relu"
            else self._transformed(rng.permutation(controls)[:_CONTROLS]).numpy(),
            n_edges=n_edges or default_n_edges(self.n_factors_),
        )
        n_pairs = (n_draws + 1) // 2
        positive, negative = edge_frequencies(
            graphs, self._changes_in_halves(groups, weights, n_pairs, rng), size_sd=size_sd, rng=rng
        )
        source, target = edges["source"].map(number).to_numpy(), edges["target"].map(number).to_numpy()
        found = np.where(edges["weight"] > 0, positive[source, target], negative[source, target])
        return edges.assign(stability=found)
