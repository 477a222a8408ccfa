"""scButterfly as a model of scvi-tools, for several conditions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import pandas as pd
import torch

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._checks import as_indices
from scpi._screen._composition import composed_weights, same_members
from scpi._sequence import as_list
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.loading._samplers import PairSampler
from scpi.model.base.prediction._profiles import mean_of
from scpi.model.base.targets._change import ChangeTargetMixin
from scpi.model.base.targets._latent import unit_names
from scpi.model.base.training._presets import at_least, choose_preset, describe_settings
from scpi.model.base.training._training import PresetTrainingMixin
from scpi.model.scbutterfly._matching import matching
from scpi.model.scbutterfly._module import SIDES, SCButterflyModule
from scpi.model.scbutterfly._plan import SCButterflyPlan
from scpi.model.scbutterfly._presets import PRESETS, RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.counts._output import Output
    from scpi.model.base.loading._transport import CellPairs
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.training._training import Schedule
    from scpi.model.scbutterfly._settings import Settings

# Predicted expression below this is 0, as published
_LEAST = 1e-4


@describe_settings(PRESETS)
@fill
class SCButterfly(ChangeTargetMixin, PresetTrainingMixin, ScreenModel):
    """scButterfly: autoencoders of control and of treated cells, with a translator between them.

    Each domain, control and treated, has an encoder and a decoder. A translator maps the embeddings of both domains to
    a shared normal posterior, and from there to the embeddings of either domain. A control cell can thus be decoded as
    a treated cell, and vice versa. The domains are first trained separately, then jointly on pairs of cells: each
    control cell is paired with a treated cell of its context by optimal transport (``pip install POT``). Discriminators
    keep translated embeddings similar to those of the encoders. After Cao et al. (2024), "scButterfly: a versatile
    single-cell cross-modality translation method via dual-aligned variational autoencoders", in its mode for
    perturbations.

    The published model has one condition. With several labels or doses, each condition has its own scale and shift,
    which are removed from the embedding of treated cells and restored before decoding; a single
    condition has none. The latent representation of a cell is its posterior mean in the shared space. Treated cells of
    an untrained condition are encoded without scale and shift.

    ``history`` contains the mean losses of each epoch: ``control_reconstruction_train`` etc. for the first phase,
    ``treated_reconstruction_train`` for the second, and ``reconstruction_train`` for the joint phase.

    Parameters
    ----------
    %(setup_adata)s
        The expression must be log-normalised.
    %(registry)s
    preset
        ``"published"``, or ``"scpi"`` (default). In the latter, decoders end in a linear layer that is initialised with
        the mean of each gene, a prediction is the cell plus the decoded change, and there are fewer epochs.
    %(model_seed)s
    **preset_kwargs
        Attributes of the preset to change, such as ``pairing`` or ``n_latent``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If there is no such preset, or a value is out of its range.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata, target_sum=1e4)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.SCButterfly.setup_anndata(adata)
    >>> model = scpi.model.SCButterfly(adata)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.predict(perturbation=model.perturbations_[0], n_cells=5).n_obs
    5
    """

    _module_cls = SCButterflyModule
    _training_plan_cls = SCButterflyPlan
    _reads_logs = True

    module: SCButterflyModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "published"] = "scpi",
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(type(self), PRESETS, preset, preset_kwargs, RULES)
        conditions = self._perturbation_state()["conditions"]
        self._build(
            lambda: self._module_cls(
                self._n_genes,
                len(conditions),
                preset=self.preset_,
                conditional=sum(label != self.control_ for label in conditions) > 1,
            ),
            seed=seed,
            preset=preset,
            of_preset=("n_latent", "pairing"),
        )
        self.init_params_ = self._get_init_params(locals())

    def _train_on(self, schedule: Schedule) -> None:
        preset = self.preset_
        splitter = schedule.split(matching(preset, schedule.batch_size))
        assert isinstance(splitter.train_sampler, PairSampler)
        pairs = splitter.train_sampler.pairs
        if preset.data_init and not self.is_trained_:
            self._start(pairs)
        n_epochs = schedule.epochs(splitter.n_batches)
        n_own = math.ceil(n_epochs / 2) if preset.pretrain_epochs is None else preset.pretrain_epochs
        plan = {
            "n_epochs": n_epochs,
            "n_own_epochs": n_own,
            "lr": schedule.lr,
            "patience": None if schedule.early_stopping is False else schedule.patience,
            "restore_best": schedule.restore_best,
        }
        # The plan monitors each phase separately
        schedule.fit(n_epochs + 2 * n_own, splitter, plan_kwargs=plan | schedule.plan_kwargs)
        self.module.trained.copy_(torch.from_numpy(splitter.occurs(pairs.target)))

    def _start(self, pairs: CellPairs) -> None:
        """Initialise with the mean expression of the matched cells of each domain."""
        x = self._field(self.adata, KEYS.X)
        means = (mean_of(x, np.unique(cells)).astype(np.float32) for cells in pairs)
        self.module.start_from({side: torch.from_numpy(mean) for side, mean in zip(SIDES, means, strict=True)})

    def _trained_levels(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes of the trained conditions, and the doses of the single perturbations in each."""
        design = self._designs().astype(np.float64)
        codes = np.flatnonzero(self.module.trained.cpu().numpy() & design.any(axis=1))
        return codes, design[codes]

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        if not asked.design.any():
            return self._expression(asked.adata, asked.cells)
        weights = self._weights(asked.design)
        with torch.inference_mode():
            predicted = [self._predicted(x, weights) for x in self._inputs(asked.adata, asked.cells)]
            return np.concatenate([x.cpu().numpy() for x in predicted])

    def _predicted(self, x: Tensor, weights: dict[int, float]) -> Tensor:
        """Predict control cells under a condition by a weighted sum of their changes under trained conditions.

        ``weights`` maps codes of trained conditions to weights. The remainder to 1 is the weight of the cell itself.
        """
        total = torch.zeros_like(x)
        for code, weight in weights.items():
            codes = torch.full((len(x),), code, device=x.device)
            total = total + weight * self.module.translate(x, "control", codes)
        kept = 1.0 - sum(weights.values())
        # For a measured condition, the decoded cell alone
        return _truncated(total if abs(kept) < 1e-9 else total + kept * x)

    def _weights(self, design: NDArray[np.float32]) -> dict[int, float]:
        """Weights of the trained conditions that compose a condition, by their code."""
        codes, levels = self._trained_levels()
        where = " of a context with controls"
        weights = composed_weights(levels, design, names=self.perturbations_, where=where)
        return {int(codes[row]): float(weights[row]) for row in np.flatnonzero(weights)}

    def predict_control(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str | Sequence[str] | None = None,
        context: str | None = None,
        n_cells: int | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        output: Output | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> AnnData:
        """Predict the untreated state of treated cells, by translation from the treated to the control domain.

        Parameters
        ----------
        adata
            Data with treated cells; the training data if ``None``.
        perturbation
            Labels of the cells to start from; all treated cells if ``None``.
        context
            Context of the cells to start from. It need not have been trained on.
        n_cells
            Number of cells to start from, drawn at random without replacement; all if ``None``.
        indices
            Cells to start from; only treated cells are used.
        output
            As in :meth:`predict`.
        rng
            Seed or generator of the draws.

        Returns
        -------
        AnnData of cells x genes with `.obs['perturbation']` and `.obs['source_cell']`, the label and name of the
        treated cell, `.obs['context']` if ``context`` was given, and `.uns['prediction']` as in :meth:`predict`.

        Raises
        ------
        ValueError
            If there is no such cell, or its perturbation was not trained on at any dose.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        self._check_context(adata, context)
        generator = as_generator(rng)
        labels = None if perturbation is None else [self.canonical(label) for label in as_list(perturbation)]
        cells = self._treated_cells(adata, labels, context=context, indices=indices)
        if n_cells is not None and n_cells < len(cells):
            cells = generator.choice(cells, size=at_least(n_cells, 1, "n_cells"), replace=False)
        codes = self._codes_of(adata, cells)
        own = self._labels(adata)[cells]
        if (codes < 0).any():
            missing = sorted(set(own[codes < 0]))
            msg = f"The model was not trained on the condition of {missing} and cannot predict its effect."
            raise ValueError(msg)
        source, expected = self._source(adata, cells, output), self._untreated(adata, cells, codes)
        made = self._drawn_with_means(adata, cells, expected, source, rng=generator)
        obs = pd.DataFrame(
            {
                Key.obs.PERTURBATION: pd.Categorical(own.astype(str)),
                Key.obs.SOURCE_CELL: self._modality(adata).obs_names.to_numpy()[cells].astype(str),
            },
            index=pd.Index([f"{self.control_}_{index}" for index in range(len(cells))]),
        )
        if context is not None:
            obs[Key.obs.CONTEXT] = pd.Categorical([str(context)] * len(obs))
        params = {"perturbation": sorted(set(own.astype(str)))} | ({} if context is None else {"context": context})
        return self._annotated(adata, obs, [made], source, cells=cells, params=params)

    @torch.inference_mode()
    def _untreated(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float32]]:
        """Predict treated cells, with the codes of their conditions, without treatment, block by block."""
        place = 0
        for x in self._inputs(adata, cells):
            code = torch.from_numpy(codes[place : place + len(x)]).to(x.device)
            yield _truncated(self.module.translate(x, "treated", code)).cpu().numpy()
            place += len(x)

    def _treated_cells(
        self,
        adata: AnnData | MuData,
        labels: Sequence[str] | None,
        *,
        context: str | None,
        indices: Sequence[int] | NDArray[np.int64] | None,
    ) -> NDArray[np.int64]:
        """Treated cells of the given labels and context, among ``indices`` if given."""
        cells = as_indices(indices, adata.n_obs)
        own = self._labels(adata)[cells]
        keep = own != self.control_ if labels is None else np.isin(own.astype(str), labels) & (own != self.control_)
        if context is not None:
            keep &= self._in_context(adata, cells, context)
        if not keep.any():
            where = "" if context is None else f" of context {context!r}"
            what = "treated cell" if labels is None else f"cell with a label in {list(labels)}"
            msg = f"There is no {what}{where} to start from."
            raise ValueError(msg)
        return cells[keep]

    def _codes_of(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Trained condition of each cell: its label at the nearest log dose; -1 for none."""
        codes, levels = self._trained_levels()
        design, conditions = self._conditions(adata)
        # Without doses: a cell under a perturbation at dose 0 is one of that perturbation
        members = self.encode_perturbations(self._state_of(adata, KEYS.CONDITION)["conditions"])
        nearest = np.full(len(design), -1, dtype=np.int64)
        for condition, used in enumerate(members):
            same = same_members(levels, used)
            if len(same):
                distance = np.abs(np.log1p(levels[same]) - np.log1p(design[condition])).max(axis=1)
                nearest[condition] = codes[same[np.argmin(distance)]]
        return nearest[conditions[cells]]

    def _latent_means(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], batch_size: int | None
    ) -> NDArray[np.float32]:
        """Posterior mean of each cell in the space shared by controls and treated cells."""
        out = np.empty((len(cells), self.preset_.n_translator), dtype=np.float32)
        is_treated = self._labels(adata)[cells] != self.control_
        codes = np.full(len(cells), -1)
        codes[is_treated] = self._codes_of(adata, cells[is_treated])
        for treated, code in np.unique(np.column_stack([is_treated, codes]), axis=0):
            rows = np.flatnonzero((is_treated == treated) & (codes == code))
            found = []
            for x in self._inputs(adata, cells[rows], batch_size=batch_size):
                given = None if code < 0 else torch.full((len(x),), int(code), device=x.device)
                found.append(self.module.posterior(x, SIDES[treated], given).mean.cpu().numpy())
            out[rows] = np.concatenate(found)
        return out

    def _encode(self, x: Tensor) -> Tensor:
        """Posterior mean of control cells in the shared space."""
        return self.module.posterior(x, "control").mean

    def _units(self) -> list[str]:
        return unit_names(self.preset_.n_translator)

    def _change_of(self, perturbation: str, *, context: str | None, dose: float | None) -> Callable[[Tensor], Tensor]:
        weights = self._weights(self.encode_perturbations([perturbation], None if dose is None else [dose])[0])
        return lambda x: self._predicted(x, weights) - x


def _truncated(x: Tensor) -> Tensor:
    """Set expression below the threshold to 0, as decoders do not output exact zeros."""
    return torch.where(x < _LEAST, torch.zeros_like(x), x)
