"""Generation by models of perturbation screens with a likelihood of counts."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._keys import Key
from scpi._screen._composition import members_alone
from scpi._screen._matrix import sums
from scpi.model.base._constants import KEYS
from scpi.model.base.generation._covariates import Encoded
from scpi.model.base.generation._mixin import GenerationMixin
from scpi.model.base.generation._rates import Rates
from scpi.model.base.generation._sources import Sources, closest, draw_sources, status_of
from scpi.model.base.screen_generation._covariates import ScreenCovariates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._screen_model import ScreenModel
    from scpi.model.base.generation._generation import Decoder
    from scpi.model.base.generation._plan import Groups

    class Host(GenerationMixin, ScreenModel):
        """Class that the mixin extends."""

else:
    Host = GenerationMixin

# Control cells of a context for the comparison of measured and decoded means, and size of decoded blocks
_N_CONTROLS, _BLOCK = 4000, 1 << 23


class ScreenGenerationMixin(Host):
    """Generation by a model that predicts control cells under a perturbation, in a context.

    Covariates are the perturbation, the dose, the context and, if the network reads it, the batch. Like predicted
    cells, generated cells start from training control cells. The latent units of a perturbed cell are those before
    perturbation. If the network does not read the context, cells are moved between contexts by the difference between
    the latent means of the controls.

    Decoded controls are corrected by one factor per gene and context, so that their mean equals the measured mean. Thus
    predicted cells, which start from measured counts, and generated cells have the same means.

    Subclasses implement the effect of a condition in a context (``_effect_of``), the decoded rates under it
    (``_decoded_rates``), the latent units of cells before perturbation (``_posterior``), and their mean in the controls
    of a context (``_control_units``).
    """

    @abstractmethod
    def _effect_of(self, adata: AnnData | MuData, members: NDArray[np.float32], context: int) -> Any:
        """Effect of a condition with these members, (n_members, n_perturbations), on cells of a context."""

    @abstractmethod
    def _decoded_rates(self, z: Tensor, effect: Any, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        """Log rates of decoded control cells, up to their total, and the change by an effect, both cells x genes."""

    @abstractmethod
    def _inverse_overdispersion(self) -> Tensor:
        """Inverse overdispersion of each gene."""

    @abstractmethod
    def _control_units(self, adata: AnnData | MuData, context: int) -> NDArray[np.floating[Any]]:
        """Mean of the latent units of the controls of a context."""

    @property
    def _reads_batch(self) -> bool:
        """Whether the decoder reads the batch."""
        return False

    def _check_options(self, *, output: str, latent: str = "posterior") -> None:
        if not self._reads_counts:
            msg = (
                f"This {type(self).__name__} has no likelihood of counts, from which cells are drawn. Train one on "
                "counts with `likelihood='nb'`, or call `predict`, which predicts cells from measured control cells."
            )
            raise ValueError(msg)
        super()._check_options(output=output, latent=latent)

    def _covariates(self) -> ScreenCovariates:
        registries, setup = self.registry["field_registries"], self.registry["setup_args"]
        categories = {}
        for key in self._keys_of_categories():
            state = registries[key]["state_registry"]
            categories[str(state["original_key"])] = [str(name) for name in state["categorical_mapping"]]
        return ScreenCovariates(
            categories,
            perturbation=setup["perturbation_key"],
            dose=setup.get("dose_key"),
            vocabulary=self.perturbations_,
            labelling=self.labelling,
            check_dose=self._check_dose,
        )

    def _as_generated(
        self, adata: AnnData | MuData, x: Any, obs: pd.DataFrame, output: str, params: dict[str, Any]
    ) -> AnnData:
        made = super()._as_generated(adata, x, obs, output, params)
        made.uns[Key.uns.PREDICTION] |= self._setup_of_labels()
        return made

    def _kind_of_cells(self, covariates: Encoded) -> NDArray[np.int64]:
        return np.column_stack([covariates.codes, covariates.values > 0]).astype(np.int64)

    def _keys_of_categories(self) -> list[str]:
        keys = [KEYS.CONTEXT] if self.has_contexts else []
        return [*keys, KEYS.BATCH] if self._reads_batch else keys

    def _covariates_of(self, adata: AnnData | MuData, cells: NDArray[np.int64] | slice = slice(None)) -> Encoded:
        designs, condition = self._conditions(adata)
        return Encoded(self._codes_of(adata)[cells], designs[condition[cells]])

    def _codes_of(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Codes of the context and the batch of each cell."""
        codes = [np.asarray(self._field(adata, key)).reshape(-1, 1) for key in self._keys_of_categories()]
        return np.concatenate([np.zeros((adata.n_obs, 0)), *codes], axis=1).astype(np.int64)

    def _sources(
        self, adata: AnnData | MuData, groups: Groups, match: Sequence[str] | None, rng: np.random.Generator
    ) -> Sources:
        trained, codes = self._training_cells(adata), self._codes_of(adata)
        controls = self._control_cells(adata, context=None, indices=trained)
        wanted = groups.covariates
        found = draw_sources(
            wanted.codes,
            groups.sizes,
            codes[controls],
            names=list(self._covariates().categories),
            match=match,
            # The network extrapolates better to another batch than to another context
            order=lambda: range(codes.shape[1]),
            rng=rng,
        )
        designs, condition = self._conditions(adata)
        occurring = np.unique(np.column_stack([condition, codes])[trained], axis=0)
        used = designs[occurring[:, 0]] > 0
        status = []
        for doses, own in zip(wanted.values, wanted.codes, strict=True):
            same = np.column_stack([(used == (doses > 0)).all(1), occurring[:, 1:] == own])
            is_known = bool(used[:, doses > 0].any(0).all() and same[:, 1:].any(0).all())
            status.append(status_of(same, is_known=is_known))
        return Sources(controls[found.cells], status)

    def _moved(
        self, adata: AnnData | MuData, z: NDArray[np.float32], cells: NDArray[np.int64], covariates: Encoded
    ) -> NDArray[np.float32]:
        if not self.has_contexts:
            return z
        pairs = np.column_stack([self._context_codes(adata)[cells], covariates.codes[:, 0]])
        z = z.copy()
        for before, after in np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0):
            shift = self._control_units(adata, int(after)) - self._control_units(adata, int(before))
            z[(pairs == [before, after]).all(1)] += shift.astype(np.float32)
        return z

    def _decoder(self, adata: AnnData | MuData) -> Decoder:
        effects: dict[tuple[int, bytes], Any] = {}
        corrections: dict[tuple[int, ...], Tensor] = {}
        theta = self._inverse_overdispersion()

        def decode(z: Tensor, codes: Tensor, values: Tensor) -> Rates:
            logs = z.new_empty((len(z), self._n_genes))
            for rows, doses, code in _strata(codes, values):
                context = self._context_of(code)
                key = context, doses.tobytes()
                if key not in effects:
                    effects[key] = self._effect_of(adata, members_alone(doses), context)
                if code not in corrections:
                    corrections[code] = self._correction(adata, code)
                before, change = self._decoded_rates(z[rows], effects[key], self._batch_of(codes[rows]))
                logs[rows] = torch.log_softmax(before + corrections[code], 1) + change
            return Rates.of_logs(logs, theta)

        return decode

    def _batch_of(self, codes: Tensor) -> Tensor | None:
        return codes[:, -1:] if self._reads_batch else None

    def _context_of(self, code: tuple[int, ...]) -> int:
        return code[0] if self.has_contexts else 0

    def _correction(self, adata: AnnData | MuData, code: tuple[int, ...]) -> Tensor:
        """Log factors, (n_genes,), by which measured controls of a context and batch exceed decoded ones."""
        rng, device = np.random.default_rng(0), self.module.device
        cells = self._training_cells(adata) if adata is self.adata else np.arange(adata.n_obs)
        cells = cells[self._labels(adata)[cells] == self.control_]
        if self.has_contexts:
            cells = cells[self._context_codes(adata)[cells] == code[0]]
        if len(cells):
            cells = cells[closest(self._codes_of(adata)[cells] == np.array(code), lambda: range(len(code)))]
        cells = np.sort(rng.permutation(cells)[:_N_CONTROLS])
        # A pseudocount on both sides: without counts, the decoded mean is kept
        measured = decoded = torch.ones(self._n_genes, dtype=torch.float64, device=device)
        if len(cells):
            none = self._effect_of(adata, np.zeros((0, len(self.perturbations_)), np.float32), self._context_of(code))
            z = torch.from_numpy(self._drawn_latent(adata, cells, rng)).to(device)
            codes = torch.from_numpy(self._codes_of(adata)[cells]).to(device)
            total = torch.from_numpy(self._totals(adata, cells)).to(device)
            for rows in torch.arange(len(cells), device=device).split(max(_BLOCK // self._n_genes, 1)):
                before, _ = self._decoded_rates(z[rows], none, self._batch_of(codes[rows]))
                decoded = decoded + total[rows] @ torch.softmax(before.double(), 1)
            measured = measured + torch.from_numpy(sums(self._rows(adata, cells), axis=0)).to(measured)
        return (measured / decoded).log().float()

    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        if self.has_contexts:
            msg = (
                "The prior of the latent units covers cells of all contexts, but a group has one: use "
                "`latent='posterior'`, which starts from control cells of the context."
            )
            raise ValueError(msg)
        return super()._prior(n, rng)


def _strata(codes: Tensor, values: Tensor) -> Iterator[tuple[Tensor, NDArray[np.float32], tuple[int, ...]]]:
    """Positions of cells with the same doses and codes, with these."""
    doses, condition = torch.unique(values, dim=0, return_inverse=True)
    strata, stratum = torch.unique(torch.cat([condition[:, None], codes], 1), dim=0, return_inverse=True)
    for place, (row, *code) in enumerate(strata.tolist()):
        yield torch.nonzero(stratum == place).ravel(), doses[row].cpu().numpy(), tuple(code)
