"""Predictions of a SENAVAE: least-squares effects, and what the network has beyond their sum."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from scpi._screen._expression import DEPTH, log_normalised, row_sums
from scpi._screen._matrix import stack_rows
from scpi.model.base._constants import KEYS
from scpi.model.base.counts._change import changed_counts, expected_counts
from scpi.model.base.effects._fold_changes import from_log_level, log_level, log_ratio, log_slope
from scpi.model.base.effects._regression import member_effects
from scpi.model.base.effects._shrinkage import effect_errors, shrink
from scpi.model.base.explanation._decoded import DecodedExplanation
from scpi.model.base.explanation._path import Path
from scpi.model.base.loading._cell_batches import cell_batches
from scpi.model.base.training._seed import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy import sparse
    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel
    from scpi.model.base.counts._mixin import Start
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.senavae._module import SENAVAEModule
    from scpi.model.senavae._presets import Preset

    Parts = list[tuple[float, Tensor]]

    class Host(ScreenModel):
        """Class that the mixin extends."""

        module: SENAVAEModule
        preset_: Preset

else:
    Host = object

_BATCH = 4000
# Decoded counts below it have no ratio
_LEAST_COUNT = 1e-8


class _Decoded(NamedTuple):
    """Some of the control cells and what they change by."""

    before: NDArray[np.float32]
    """Cells that the change is added to, or decoded counts that it multiplies."""
    change: NDArray[np.float32]
    """Difference, or logarithm of the ratio of counts."""


class EffectsMixin(Host):
    """Cells under a perturbation: an additive start from the data, and the decoded change beyond it.

    With ``least_squares`` of the preset, the change of the mean is that of one effect per perturbation, fitted to all
    training conditions and, with ``shrink``, shrunk by its noise. For expression on a log scale, effects are those on
    the logarithm of the mean, which add up where fold changes multiply. So they are for counts, of log-normalised
    means: few cells with many counts decide on a mean of counts. The network adds what it decodes for a combination
    less what it decodes for each member alone, times ``interaction`` of the preset. Otherwise, the change is the
    decoded one.
    """

    def _keep_effects(self, splitter: CellSplitter) -> None:
        """Keep effects of perturbations, and the means of the controls of each context, of the training cells."""
        preset, chosen = self.preset_, self.preset_.least_squares
        if chosen is None:
            chosen = preset.abduct and self.module.causal.mechanism != "relu"
        if not chosen:
            return
        cells, x = splitter.train_idx, self._logs(self.adata)
        profiles = self._profiles_of(x, cells, cells)
        level, slope = (log_level, log_slope) if self._have_levels else (np.asarray, np.ones_like)
        before, after = profiles.controls, profiles.treated
        effects = member_effects(profiles.design, level(after) - level(before)[profiles.context], profiles.n_cells)
        if preset.shrink:
            spread = self._spread_of(x, cells, cells, profiles)
            errors = effect_errors(profiles, spread, slope=(slope(after), slope(before)))
            effects = shrink(effects, errors)
        self.module.kept.put({"effects": effects, "control": profiles.control})
        self.module.kept.to(self.module.device)

    @property
    def _adds_effects(self) -> bool:
        return len(self.module.kept.get_buffer("effects")) > 0

    @property
    def _have_levels(self) -> bool:
        return self._reads_counts or self.scale_ == "logs"

    def _logs(self, adata: AnnData | MuData, cells: NDArray[np.int64] | None = None) -> Any:
        """Registered expression of some cells, or of all, as sparse as it is; counts as the encoder reads them."""
        x = self._field(adata, KEYS.X) if cells is None else self._rows(adata, cells)
        if not self._reads_counts:
            return x
        if self._has_field(KEYS.SIZE_FACTOR):
            size = np.asarray(self._field(adata, KEYS.SIZE_FACTOR), dtype=np.float64).ravel()
            size = size if cells is None else size[cells]
        else:
            size = row_sums(x)
        return log_normalised(x, size * DEPTH / float(self.module.size_scale))

    def _effect(self, adata: AnnData | MuData, design: NDArray[np.float32], context: int) -> NDArray[np.float64]:
        """Additive change of the cells of a context; of counts, the logarithm of their ratio."""
        if not self._adds_effects or not design.any():
            return np.zeros(self._n_genes)
        effect = np.asarray(design @ self.module.kept.array("effects"))
        if not self._have_levels:
            return effect
        control = self._control_mean(adata, self.module.kept.array("control"), context, partial(self._logs, adata))
        before = log_level(control)
        after = from_log_level(before + effect)
        if not self._reads_counts:
            return after - from_log_level(before)
        return log_ratio(np.expm1(control), np.expm1(after))

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        if self._reads_counts:
            return expected_counts(*self._count_change(asked))
        return stack_rows((one.before + one.change for one in self._decoded(asked)), len(asked.cells))

    def _draw_counts(self, asked: Counterfactual, start: Start, theta: NDArray[np.float64]) -> sparse.csr_matrix:
        if not self._reads_counts:
            return super()._draw_counts(asked, start, theta)
        return changed_counts(*self._count_change(asked), rng=asked.rng)

    def _count_change(self, asked: Counterfactual) -> tuple[NDArray[np.float32], ...]:
        """Counts of cells, the logarithms of what they change by, the decoded counts, and the inverse overdispersion."""
        before, change = map(np.concatenate, zip(*self._decoded(asked), strict=True))
        theta = self.module.log_scale.detach().exp().cpu().numpy()
        return self._expression(asked.adata, asked.cells), change, before, theta

    def _parts(self, members: NDArray[np.float32]) -> Parts:
        """Conditions whose decoded changes are added or subtracted, (1, n_perturbations) each, of one with these members."""
        weight, design = self.preset_.interaction, members.sum(axis=0)
        if not self._adds_effects:
            parts = [(1.0, design)]
        elif len(members) < 2 or weight == 0:
            parts = []
        else:
            parts = [(weight, design), *((-weight, member) for member in members)]
        return [(sign, torch.from_numpy(row[None]).to(self.module.device)) for sign, row in parts]

    def _decoded_change(self, inputs: dict[str, Any], before: Tensor, parts: Parts) -> Tensor:
        """Change of decoded cells under several conditions together; for counts, the log ratio."""
        change = torch.zeros_like(before)
        for sign, row in parts:
            after = self.module.generative(**{**inputs, "design": row})["perturbed"]
            change += sign * (log_counts(after) - log_counts(before) if self._reads_counts else after - before)
        return change

    @torch.inference_mode()
    def _decoded(self, asked: Counterfactual) -> Iterator[_Decoded]:
        """Control cells and their changes, decoded from one draw of their noise each."""
        module, start = self.module.eval(), 0
        parts = self._parts(asked.members)
        contexts = self._context_codes(asked.adata)[asked.cells]
        effects = np.zeros((int(contexts.max()) + 1, self._n_genes), dtype=np.float32)
        for context in np.unique(contexts):
            effects[context] = self._effect(asked.adata, asked.design, int(context))
        if not parts and module.abducts:
            # Cells that nothing is decoded for need not be encoded
            for rows in np.array_split(np.arange(len(asked.cells)), max(1, -(-len(asked.cells) // _BATCH))):
                yield _Decoded(self._expression(asked.adata, asked.cells[rows]), effects[contexts[rows]])
            return
        with seeded(int(asked.rng.integers(2**31))):
            # A loader used to draw a seed of its own here: the same seed gives the noise that it gave then
            torch.empty((), dtype=torch.int64).random_()
            for tensors in cell_batches(self, asked.adata, asked.cells, batch_size=_BATCH, device=module.device):
                inputs = module._get_generative_input(tensors, module.inference(**module._get_inference_input(tensors)))
                before = inputs["cells"]
                if before is None:
                    before = module.generative(**{**inputs, "design": None})["mean"]
                change = self._decoded_change(inputs, before, parts)
                own = contexts[start : start + len(before)]
                start += len(before)
                yield _Decoded(before.cpu().numpy(), change.cpu().numpy() + effects[own])

    def _explained(self, asked: Counterfactual) -> DecodedExplanation:
        change = self._changes_of_means(asked.adata, [asked.cells], [self._predict_cells(asked)])[0]
        design = torch.from_numpy(asked.design[None]).to(self.module.device)
        (tensors,) = cell_batches(
            self, asked.adata, asked.cells, batch_size=len(asked.cells), device=self.module.device
        )

        def path(module: SENAVAEModule, rng: np.random.Generator | None) -> Path:
            with torch.no_grad():
                z = module.eval().encode(module.transform(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR)))[0]
                start, end = module.causal(z), module.causal(z + module.intervention(design))
            read = module._get_generative_input(tensors, {"z": z})
            depth, batch = read["depth"], read["batch"]

            def decode(u: Tensor, cells: Tensor) -> Tensor:
                depth_of, batch_of = (None if one is None else one[cells] for one in (depth, batch))
                return module.decode(u, depth_of, batch_of)

            return Path(decode, start, end, torch.ones(len(z), 1, device=z.device))

        return DecodedExplanation("factors", self._factor_names(), self.module, path, change)


def log_counts(counts: torch.Tensor) -> torch.Tensor:
    """Logarithms of decoded counts, of which the smallest have no ratio."""
    return counts.clamp(min=_LEAST_COUNT).log()
