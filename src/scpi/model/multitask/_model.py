"""The multi-task autoencoder as users see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
import torch

from scpi._docs import fill
from scpi._screen._checks import check_expression
from scpi._screen._expression import log_normalised
from scpi.attribution import DecoderTarget
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.counts._change import changed_counts, expected_counts
from scpi.model.base.effects._regression import chosen_ridge_weights
from scpi.model.base.explanation._decoded import DecodedExplanation
from scpi.model.base.explanation._path import Path
from scpi.model.base.loading._samplers import PairSampler, StoredPairSampler
from scpi.model.base.loading._sampling import matched_pairs
from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin
from scpi.model.base.prediction._latent_shifts import measured_shifts
from scpi.model.base.prediction._predict import terms_of
from scpi.model.base.prediction._profiles import mean_of
from scpi.model.base.screen_generation._mixin import ScreenGenerationMixin
from scpi.model.base.targets._change import ChangeTargetMixin
from scpi.model.base.training._presets import choose_preset, describe_settings
from scpi.model.base.training._training import PresetTrainingMixin
from scpi.model.multitask._coder import ConditionCoder
from scpi.model.multitask._generation import DecodedCellsMixin
from scpi.model.multitask._kriging import Noise, take_noise
from scpi.model.multitask._matching import match_tasks, training_depth_per_size
from scpi.model.multitask._module import MultiTaskModule
from scpi.model.multitask._plan import MultiTaskPlan
from scpi.model.multitask._presets import PRESETS, RULES, TARGETS
from scpi.model.multitask._transfer import combine, measured_change
from scpi.model.perturbation_gp._described import DescribedMixin
from scpi.model.perturbation_gp._fields import FEATURES_FIELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy import sparse
    from torch import Tensor

    from scpi.model.base.counts._mixin import Start
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.prediction._profiles import Profiles
    from scpi.model.base.training._training import Schedule
    from scpi.model.multitask._plan import Phase
    from scpi.model.multitask._presets import Preset
    from scpi.model.multitask._settings import Settings
    from scpi.model.multitask._transfer import Transfer


@describe_settings(PRESETS)
@fill
class MultiTaskAE(
    DescribedMixin,
    DecodedCellsMixin,
    ScreenGenerationMixin,
    LatentShiftMixin,
    ChangeTargetMixin,
    PresetTrainingMixin,
    ScreenModel,
):
    """One autoencoder for all perturbations, doses and contexts, whose decoder depends on the condition.

    Perturbation and dose scale and shift the hidden units of the decoder. The response that is specific to a context
    (cell type, donor, species) is predicted from its controls: the shift of the latent units under a perturbation is
    regressed on the latent means of the controls of the training contexts. By default, a third of the predicted change
    comes from the network. Two thirds come from the training contexts, by such a regression on mean expression: a third
    by differences, a third by fold changes. With fewer than three training contexts, changes are shrunk according to
    their noise, together with those at other doses.

    The presets that begin with ``"published"`` are the multi-task autoencoders of thodkatz/thesis (2025): plain,
    adversarial, variational, and trained by optimal transport. They use neither shifts nor changes of other contexts.
    Their defects are corrected.

    If features describe the perturbations (:func:`scpi.tl.perturbation_features`), perturbations without training cells
    are predicted as mixtures of the trained ones (:meth:`get_stand_ins`).

    With a likelihood of counts, the model generates cells of unmeasured combinations of condition and context
    (:meth:`generate`).

    Parameters
    ----------
    %(setup_adata)s
        Log-normalised, or counts with ``likelihood="nb"``.
    %(registry)s
    preset
        ``"scpi"``, or a published preset: ``"published"``, ``"published-adversarial"``, ``"published-gaussian"``,
        ``"published-ot"``, ``"published-self+ot"``, ``"published-vae"``, ``"published-vae-ot"`` or
        ``"published-vae-self+ot"``.
    restrict_to
        Contexts whose shifts and changes are used; all if ``None``. Can be changed at any time (:attr:`restrict_to`).
    %(model_seed)s
    **preset_kwargs
        Attributes of the preset to change, such as ``n_latent``, ``conditioning``, ``coding`` or ``likelihood``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range or conflicts with another, or the expression is not on the scale of the
        likelihood.

    Examples
    --------
    >>> import scanpy as sc, scpi
    >>> adata = scpi.datasets.plant_screen(n_cells=20, rng=0)
    >>> sc.pp.normalize_total(adata, target_sum=1e4)
    >>> sc.pp.log1p(adata)
    >>> scpi.model.MultiTaskAE.setup_anndata(adata)
    >>> model = scpi.model.MultiTaskAE(adata, n_hidden=(32,), n_latent=10)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> model.predict(perturbation=model.perturbations_[0], n_cells=5).n_obs
    5
    """

    _fields = (*ScreenModel._fields, FEATURES_FIELD)
    _module_cls = MultiTaskModule
    _training_plan_cls = MultiTaskPlan
    _match = staticmethod(match_tasks)

    module: MultiTaskModule
    preset_: Preset

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: str = "scpi",
        restrict_to: str | Sequence[str] | None = None,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(type(self), PRESETS, preset, preset_kwargs, RULES)
        _check(self.preset_)
        self._reads_logs = not self._reads_counts
        if adata is not None:
            check_expression(
                self._field(self.adata, KEYS.X),
                counts=self._reads_counts,
                logs=self._reads_logs,
                what="the registered expression",
            )
        self.restrict_to = restrict_to
        # Training conditions, whose codes are combined for other conditions
        self.trained_levels_: list[bool] | None = None
        coder = self._coder()
        self._build(
            lambda: self._module_cls(self._n_genes, coder.n_codes, len(coder.levels), preset=self.preset_),
            seed=seed,
            preset=preset,
            of_preset=("n_latent", "conditioning", "likelihood"),
        )
        self.init_params_ = self._get_init_params(locals())

    @property
    def _reads_counts(self) -> bool:  # type: ignore[override]
        return self.preset_.likelihood == "nb"

    def _coder(self) -> ConditionCoder:
        trained = None if self.trained_levels_ is None else np.asarray(self.trained_levels_)
        return ConditionCoder(self.preset_.coding, self._designs(), self.perturbations_, trained=trained)

    def _train_on(self, schedule: Schedule) -> None:
        preset, has_adversary = self.preset_, self.preset_.adversary is not None
        match = partial(self._match, each=preset.pair_each, counts=self._reads_counts)
        splitters = [
            schedule.split(partial(matched_pairs, match=partial(match, target=target), batch_size=schedule.batch_size))
            for target in TARGETS[preset.target]
        ]
        for splitter in splitters:
            phases = self._phases(schedule.epochs(splitter.n_batches))
            self._prepare(splitter)
            schedule.fit(
                sum(phases.values()),
                splitter,
                plan_kwargs={"phases": phases, "lr": schedule.lr} | schedule.plan_kwargs,
                monitor="reconstruction_validation",
                restore_best=schedule.restore_best and not has_adversary,
                early_stopping=schedule.early_stopping and not has_adversary,
                early_stopping_patience=schedule.patience,
            )
        self._keep_profiles()
        self._keep_expression()
        self._keep_described()

    def _part(self, weights: NDArray[np.float64], dose: float) -> NDArray[np.float64]:
        # The network reads doses linearly in the logarithm
        return np.expm1(weights * np.log1p(dose))

    def _phases(self, max_epochs: int) -> dict[Phase, int]:
        """Epochs of each phase for one target; those of an adversary change in proportion."""
        phases: dict[Phase, int] = {"reconstruct": max_epochs}
        if self.preset_.adversary is not None:
            factor = max_epochs / self.preset_.max_epochs
            phases["discriminate"] = round(factor * self.preset_.discriminator_epochs)
            phases["adversarial"] = max(1, round(factor * self.preset_.adversary_epochs))
        return phases

    def _prepare(self, splitter: CellSplitter) -> None:
        """Set codes of the training conditions, and initialise an untrained network to output a mean cell."""
        assert isinstance(splitter.train_sampler, PairSampler | StoredPairSampler)
        trained = splitter.occurs(splitter.train_sampler.pairs.target)
        self.trained_levels_ = trained.tolist()
        codes = np.full(tuple(self.module.codes.shape), np.nan, dtype=np.float32)
        codes[trained] = self._coder()(splitter.design[trained])
        self.module.codes.copy_(torch.from_numpy(codes))
        if self.is_trained_:
            return
        self.module.depth_per_size.fill_(training_depth_per_size(splitter) if self._reads_counts else 1.0)
        mean = mean_of(self._field(self.adata, KEYS.X), splitter.train_idx)
        if self._reads_counts:
            mean /= mean.sum()
        self.module.start_from(torch.from_numpy(mean.astype(np.float32)).to(self.module.device))

    def _keep_expression(self) -> None:
        """Store the mean log-normalised expression of the training cells.

        This holds for counts as well: a few deep cells would dominate means and fold changes of counts.
        """
        cells, logs = np.asarray(self.train_indices), self._logs(self.adata)
        profiles = self._profiles_of(logs, cells, cells)
        noise = take_noise(self._spread_of(logs, cells, cells, profiles))
        self.module.kept_expression.put(profiles._asdict() | noise._asdict())
        self.module.kept_expression.to(self.module.device)

    def _logs(self, adata: AnnData | MuData, cells: NDArray[np.int64] | None = None) -> Any:
        """Log-normalised expression of some cells, or of all, as sparse as it is registered."""
        x = self._field(adata, KEYS.X)
        x = x if cells is None else x[cells]
        if not self._reads_counts:
            return x
        if not self._has_field(KEYS.SIZE_FACTOR):
            return log_normalised(x)
        size = np.asarray(self._field(adata, KEYS.SIZE_FACTOR), dtype=np.float64).ravel()
        return log_normalised(x, (size if cells is None else size[cells]) * float(self.module.depth_per_size))

    def _read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        return self.module.read(x, size_factor)

    def _measured_shift(
        self, profiles: Profiles, design: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        if self.preset_.shift == "none":
            return np.zeros(len(control))
        shifts = measured_shifts(profiles, design, allowed=self._allowed(profiles))
        if shifts is None:
            return None
        return np.asarray(chosen_ridge_weights(shifts.controls, shifts.changes, control) @ shifts.changes)

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        if self._reads_counts:
            return expected_counts(*self._count_change(asked))
        predicted = np.empty((len(asked.cells), self._n_genes), dtype=np.float32)
        for one in self._decoded(asked):
            predicted[one.rows] = self._changed_expression(one)
        return predicted

    def _draw_counts(self, asked: Counterfactual, start: Start, theta: NDArray[np.float64]) -> sparse.csr_matrix:
        if not self._reads_counts:
            return super()._draw_counts(asked, start, theta)
        return changed_counts(*self._count_change(asked), rng=asked.rng)

    @torch.inference_mode()
    def _decoded(self, asked: Counterfactual) -> Iterator[_Decoded]:
        """Control cells batch by batch, decoded before and after the change."""
        contexts = self._context_codes(asked.adata)[asked.cells]
        for context in np.unique(contexts):
            own = np.flatnonzero(contexts == context)
            effect, start = self._effect_of(asked.adata, asked.members, int(context)), 0
            for tensors in self._batches(asked.adata, asked.cells[own]):
                x, size = tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR)
                rows, start = own[start : start + len(x)], start + len(x)
                before, after = effect.decode(self.module, self.module.encode(tensors[KEYS.INPUT]))
                yield _Decoded(rows, x, self.module.depth(x, size), before, after, effect)

    @torch.inference_mode()
    def _effect_of(self, adata: AnnData | MuData, members: NDArray[np.float32], context: int) -> Effect:
        terms = terms_of(members).astype(np.float64)
        code = torch.from_numpy(self._coder()(terms).sum(axis=0, keepdims=True)).to(self.module.device)
        latent, expressed = self.module.kept.profiles(), self.module.kept_expression.profiles()
        z_control = self._latent_control(adata, latent, context)
        of_terms = np.sum([self._shift(latent, doses, z_control) for doses in terms], axis=0)
        shift = torch.from_numpy(of_terms.astype(np.float32)).to(self.module.device)
        effect = Effect(code, shift, None)
        if self.preset_.transfer == 0:
            return effect
        z = torch.from_numpy(z_control.astype(np.float32)[None]).to(self.module.device)
        before, after = effect.decode(self.module, z)
        control = self._control_mean(adata, expressed.control, context, partial(self._logs, adata))
        network = (after - before)[0].cpu().numpy().astype(np.float64)
        return effect._replace(transfer=self._transfer(expressed, terms, control, network))

    def _transfer(
        self, profiles: Profiles, terms: NDArray[np.float64], control: NDArray[np.float64], network: NDArray[np.float64]
    ) -> Transfer:
        """Change transferred from other contexts, to be averaged with the change of the network."""
        noise = Noise(*(self.module.kept_expression.array(name) for name in Noise._fields))
        measured = partial(measured_change, profiles, control=control, noise=noise, allowed=self._allowed(profiles))
        both = np.sum([self._composed(doses, measured, np.zeros((2, self._n_genes))) for doses in terms], axis=0)
        return combine(both, control, network, ratios=self._reads_counts)

    def _changed_expression(self, cells: _Decoded) -> NDArray[np.float32]:
        """Log-normalised expression of cells after the change."""
        if not self.preset_.residual:
            return np.asarray(cells.after.cpu().numpy())
        return np.asarray(cells.x.cpu().numpy() + self._change(cells.before, cells.after, cells.effect.transfer))

    def _count_change(self, asked: Counterfactual) -> tuple[NDArray[np.float32], ...]:
        """Counts of cells, log factors of their change, decoded counts, and inverse overdispersion."""
        log_theta = self.module.log_theta
        assert log_theta is not None
        counts, change, mean = np.empty((3, len(asked.cells), self._n_genes), dtype=np.float32)
        for one in self._decoded(asked):
            counts[one.rows] = one.x.cpu().numpy()
            change[one.rows] = self._change(one.before, one.after, one.effect.transfer)
            mean[one.rows] = (one.depth * one.before.exp()).cpu().numpy()
        return counts, change, mean, log_theta.detach().exp().cpu().numpy()

    def _change(self, before: Tensor, after: Tensor, transfer: Transfer | None) -> NDArray[np.float32]:
        """Change of log-normalised expression, or the logarithm of the ratio of counts, of each cell."""
        change = (after - before).cpu().numpy()
        if transfer is None:
            return np.asarray(change)
        weight = self.preset_.transfer
        return np.asarray((1.0 - weight) * transfer.gain * change + weight * transfer.change, np.float32)

    def _explained(self, asked: Counterfactual) -> DecodedExplanation:
        change = self._changes_of_means(asked.adata, [asked.cells], [self._predict_cells(asked)])[0]
        contexts, place = np.unique(self._context_codes(asked.adata)[asked.cells], return_inverse=True)
        effects = [self._effect_of(asked.adata, asked.members, int(context)) for context in contexts]
        (tensors,) = self._batches(asked.adata, asked.cells, batch_size=len(asked.cells))
        weight = self.preset_.transfer
        shift, code = (
            torch.stack([getattr(one, name).reshape(-1) for one in effects])[place] for name in ("shift", "code")
        )
        # Counts change by a factor, which is not additive: explain the whole decoded expression
        gain = [
            1.0 if one.transfer is None or self._reads_counts else (1.0 - weight) * one.transfer.gain for one in effects
        ]
        scale = torch.tensor(gain, dtype=shift.dtype, device=shift.device)[place][:, None]
        transferred = [one.transfer.change for one in effects if one.transfer is not None and not self._reads_counts]
        depth = self.module.depth(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR)) if self._reads_counts else None

        def path(module: MultiTaskModule, rng: np.random.Generator | None) -> Path:
            with torch.no_grad():
                z = module.eval().encode(tensors[KEYS.INPUT])
            n = z.shape[1]
            moved = shift if rng is None else shift[:, torch.from_numpy(rng.permutation(n))]

            def decode(read: Tensor, cells: Tensor) -> Tensor:
                decoded = module.decode(read[:, :n], read[:, n:])
                return decoded if depth is None else depth[cells] * decoded.exp()

            start, end = torch.cat([z, torch.zeros_like(code)], 1), torch.cat([z + moved, code], 1)
            return Path(decode, start, end, scale)

        beyond = {"training contexts": weight * np.stack(transferred)[place].mean(axis=0)} if transferred else None
        return DecodedExplanation("units", self._units(), self.module, path, change, beyond=beyond)

    def _decoded_change(self, shift: Tensor, perturbation: str, dose: float | None) -> Callable[[Tensor], Tensor]:
        module, code = self.module, self._code(perturbation, dose)

        def change(x: Tensor) -> Tensor:
            z = module.encode(x)
            codes = code.expand(len(z), -1)
            return module.decode(z + shift, codes) - module.decode(z, torch.zeros_like(codes))

        return change

    def decoder_target(self, *, perturbation: str | None = None, dose: float | None = None) -> DecoderTarget:
        """Return a differentiable function from latent units to the decoded expression, for effects of units.

        Parameters
        ----------
        perturbation, dose
            Condition to decode; the control if ``None``.

        Returns
        -------
        The function, whose values are log1p-transformed (for counts, logarithms of fractions), and the names of the
        units.
        """
        self._check_if_trained(warn=False)
        module = self.module.eval()
        code = self._code(self.control_ if perturbation is None else perturbation, dose)
        return DecoderTarget(lambda z: module.decode(z, code.expand(len(z), -1)), self._units())

    def _code(self, perturbation: str, dose: float | None) -> Tensor:
        """Code of a condition, (1, n_codes)."""
        design = self.encode_perturbations([perturbation], None if dose is None else [dose])
        return torch.from_numpy(self._coder()(design)).to(self.module.device)


class Effect(NamedTuple):
    """Effect of a condition on cells of a context."""

    code: Tensor
    """Code of the condition, (1, n_codes)."""
    shift: Tensor
    """Shift of the latent units, (n_latent,)."""
    transfer: Transfer | None
    """Change transferred from other contexts; `None` if not used."""

    def decode(self, module: MultiTaskModule, z: Tensor) -> tuple[Tensor, Tensor]:
        """Cells with these latent units, before and after the change."""
        code = self.code.expand(len(z), -1)
        return module.decode(z, torch.zeros_like(code)), module.decode(z + self.shift, code)


class _Decoded(NamedTuple):
    """Decoded control cells: logarithms of expression, or of fractions of the counts."""

    rows: NDArray[np.int64]
    """Their positions among the predicted cells."""
    x: Tensor
    depth: Tensor
    before: Tensor
    after: Tensor
    effect: Effect
    """Effect of their condition in their context."""


def _check(preset: Preset) -> None:
    """Refuse settings that conflict."""
    if preset.adversary is not None and preset.target != "self":
        msg = "An adversary compares treated cells with controls, which only `target='self'` reads."
        raise ValueError(msg)
    if preset.transfer > 0 and not preset.residual:
        msg = "`transfer` above 0 needs `residual=True`: a decoded cell cannot use the change of other contexts."
        raise ValueError(msg)
