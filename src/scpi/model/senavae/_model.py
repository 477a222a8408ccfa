"""The SENA-discrepancy-VAE as a model of scvi-tools."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from scpi._docs import fill
from scpi._screen._checks import check_expression
from scpi.attribution import AttributionTarget
from scpi.model.base._constants import KEYS
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.loading._dataset import blocks
from scpi.model.base.loading._sampling import controls_alongside
from scpi.model.base.losses._mmd import bandwidth_from_cells
from scpi.model.base.losses._schedules import anneal_end
from scpi.model.base.screen_generation._mixin import ScreenGenerationMixin
from scpi.model.base.targets._latent import LatentMixin
from scpi.model.base.training._presets import at_least, choose_preset, describe_settings
from scpi.model.base.training._training import NetworkTrainingMixin
from scpi.model.perturbation_gp._described import DescribedMixin
from scpi.model.perturbation_gp._fields import FEATURES_FIELD
from scpi.model.senavae._generation import NoisyCellsMixin
from scpi.model.senavae._initial import initialise_interventions, initialise_linear
from scpi.model.senavae._interpretation import InterpretationMixin
from scpi.model.senavae._module import SENAVAEModule
from scpi.model.senavae._prediction import EffectsMixin
from scpi.model.senavae._presets import PRESETS, RULES
from scpi.model.senavae._structure import StructureMixin
from scpi.model.senavae._training_plan import SENAVAETrainingPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.senavae._presets import Encoder, Likelihood
    from scpi.model.senavae._scm import Mechanism
    from scpi.model.senavae._settings import Settings

_SAMPLE = 4000
# Least standard deviation of a gene, relative to the pooled one of all genes and cells
_LEAST_SCALE = 0.1


@describe_settings(PRESETS)
@fill
class SENAVAE(
    DescribedMixin,
    NoisyCellsMixin,
    ScreenGenerationMixin,
    EffectsMixin,
    StructureMixin,
    InterpretationMixin,
    NetworkTrainingMixin,
    LatentMixin,
    ScreenModel,
):
    """SENA-discrepancy-VAE: learn causal factors from gene sets, and predict unseen combinations of perturbations.

    A variational autoencoder encodes control cells through a layer of gene sets into exogenous noise. A perturbation
    shifts the noise of a target factor, which is learned. A structural causal model propagates the shift to downstream
    factors, and the distribution of decoded cells is compared with that of measured perturbed cells. After Zhang et al.
    (2023), "Identifiability guarantees for causal disentanglement from soft interventions" (discrepancy-VAE), and de la
    Fuente Cedeño et al. (2025), "Interpretable causal representation learning for biological data in the pathway
    space" (SENA).

    If features describe the perturbations (:func:`scpi.tl.perturbation_features`), perturbations without training cells
    are predicted as mixtures of the trained ones (:meth:`get_stand_ins`).

    With ``likelihood="nb"``, the model generates cells of unmeasured combinations (:meth:`generate`).

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    preset
        ``"scpi"`` (default), or the published settings ``"sena"`` and ``"zhang"`` (the discrepancy-VAE, with a plain
        encoder). Arguments that are ``None`` are taken from the preset.
    n_factors
        Number of causal factors. If ``None``, one per perturbation, as published. The preset ``"scpi"`` instead chooses
        the number at the start of :meth:`train`, at most 128 (``max_factors``): perturbations share a factor if that
        predicts their effects in the other half of the training cells equally well. ``choose_factors=False`` uses one
        per perturbation, up to ``max_factors``. The cost of the graph grows with the square of the number of factors.
    encoder
        ``"gene_sets"``, ``"mlp"`` (a hidden layer instead of the gene sets) or ``"linear"`` (no first layer).
    leak
        Weight of genes outside a gene set: 0 for a hard mask, up to 1 for an ordinary layer.
    mechanism
        Structural causal model: ``"linear"``, ``"relu"`` or ``"none"``.
    likelihood
        ``"normal"`` for expression on a log scale, or ``"nb"`` for counts.
    n_hidden
        Units of the hidden layers; 0 for a linear decoder.
    %(model_seed)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``bandwidth`` or ``graph_penalty``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, there are no gene sets for the encoder, or values are not counts with
        ``likelihood="nb"``.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_cells=20, rng=0)
    >>> scpi.model.SENAVAE.setup_anndata(adata)
    >>> model = scpi.model.SENAVAE(adata, likelihood="nb")
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> predicted = model.predict(perturbation=model.perturbations_[0], n_cells=5)
    >>> predicted.n_obs
    5
    """

    _fields = (*ScreenModel._fields, FEATURES_FIELD)
    _module_cls = SENAVAEModule
    _training_plan_cls = SENAVAETrainingPlan

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "sena", "zhang"] = "scpi",
        n_factors: int | None = None,
        encoder: Encoder | None = None,
        leak: float = 0.0,
        mechanism: Mechanism = "linear",
        likelihood: Likelihood = "normal",
        n_hidden: int | None = None,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        given = {"encoder": encoder, "n_hidden": n_hidden}
        changes = {key: value for key, value in given.items() if value is not None}
        self.preset_ = choose_preset(type(self), PRESETS, preset, changes | preset_kwargs, RULES)
        self._check_arguments(likelihood, n_factors)
        most = len(self.perturbations_)
        if self.preset_.max_factors is not None:
            most = min(most, self.preset_.max_factors)
        self.n_factors_ = most if n_factors is None else n_factors
        # Until the first training cells are known
        self._factors_open = n_factors is None and self.preset_.choose_factors
        self.gene_set_names_: list[str] = self._gene_sets()["names"] if self.preset_.encoder == "gene_sets" else []
        self._options: dict[str, Any] = {"mechanism": mechanism, "likelihood": likelihood, "leak": leak}
        self._build_module(preset, seed)
        self.init_params_ = self._get_init_params(locals())

    def _build_module(self, preset: str, seed: int | None) -> None:
        """Build the network with ``n_factors_`` factors."""
        self._build(
            lambda: self._module_cls(
                self._n_genes,
                len(self.perturbations_),
                self.n_factors_,
                preset=self.preset_,
                membership=self._membership(self._n_genes),
                n_batch=self._statistic(KEYS.BATCH, f"n_{KEYS.BATCH}"),
                **self._options,
            ),
            seed=seed,
            preset=preset,
            n_factors=self.n_factors_,
            **self._options,
            of_preset=("encoder",),
        )

    def _choose_factors(self, splitter: CellSplitter) -> None:
        """Choose the number of factors from the training cells, unless it was given or chosen before."""
        if not self._factors_open or self.is_trained_:
            return
        self._factors_open = False
        control = splitter.sample_training_cells(_SAMPLE, np.random.default_rng(splitter.seed))[0]
        self._scale_counts(control)
        n_factors = self._n_factors_of(splitter)
        given = self.init_params_["non_kwargs"]
        given["n_factors"] = n_factors
        if n_factors != self.n_factors_:
            self.n_factors_ = n_factors
            self._build_module(given["preset"], self.seed_)

    def _scale_counts(self, control: NDArray[np.int64]) -> None:
        """Set the depth to which counts are normalised: that of typical control cells."""
        if self.module.likelihood == "nb":
            depth = torch.from_numpy(self._expression(self.adata, control)).sum(1)
            self.module.size_scale.fill_(float(depth.median().clamp(min=1.0)))

    @property
    def _reads_counts(self) -> bool:  # type: ignore[override]
        return self.module.likelihood == "nb"

    def _check_arguments(self, likelihood: str, n_factors: int | None) -> None:
        """Refuse invalid arguments, and data that do not match them."""
        if likelihood not in ("normal", "nb"):
            msg = f"`likelihood` must be 'normal' or 'nb', got {likelihood!r}."
            raise ValueError(msg)
        if n_factors is not None:
            at_least(n_factors, 1, "n_factors")
        if self.preset_.encoder == "gene_sets" and not self._gene_sets()["names"]:
            msg = (
                "The encoder needs gene sets, but the data was set up without. Call "
                "`scpi.tl.gene_sets(adata, 'sets.gmt')` before `setup_anndata`, or use `encoder='mlp'`."
            )
            raise ValueError(msg)
        if self.preset_.least_squares and not self.preset_.abduct:
            msg = "`least_squares=True` needs `abduct=True`: effects are added to cells, not to decoded expression."
            raise ValueError(msg)
        if self.adata is not None:
            x, layer = self._field(self.adata, KEYS.X), self.registry["setup_args"].get("layer")
            if likelihood == "nb":
                check_expression(x, counts=True, what="the registered expression")
            elif layer is None:
                check_expression(x, signed=True, unlike_counts=True)

    def _gene_sets(self) -> dict[str, Any]:
        return self.registry["field_registries"].get(KEYS.GENE_SETS, {}).get("state_registry") or {"names": []}

    def _membership(self, n_genes: int) -> Tensor | None:
        """Membership as a sparse boolean tensor, genes x sets."""
        if self.preset_.encoder != "gene_sets":
            return None
        state = self._gene_sets()
        index = torch.from_numpy(np.stack([state["genes"], state["sets"]]))
        return torch.sparse_coo_tensor(
            index, torch.ones(index.shape[1]), (n_genes, len(state["names"])), check_invariants=True
        ).coalesce()

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        n_cells: int | None = None,
        n_conditions: int | None = None,
        restore_best: bool = True,
        early_stopping: bool = False,
        early_stopping_patience: int = 20,
        datasplitter_kwargs: dict[str, Any] | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model.

        Parameters
        ----------
        max_epochs
            Number of epochs; that of the preset if ``None``. The loss weights rise over the first half.
        %(devices)s
        %(validation_size)s
        %(held_out)s
        n_cells
            Maximum number of cells of each condition in a batch; that of the preset if ``None``.
        n_conditions
            Number of conditions in a batch; that of the preset if ``None``.
        restore_best
            Whether to restore the epoch with the lowest discrepancy and KL divergence of the validation cells, at their
            final weights. Only epochs after the rise of the weights count.
        %(early_stopping)s
            Epochs before the end of the rise of the weights do not count.
        %(early_stopping_patience)s
        %(datasplitter_kwargs)s
        %(plan_kwargs)s
        %(train_seed)s
        %(trainer_kwargs)s

        Raises
        ------
        %(held_out_ValueError)s
        """
        preset = self.preset_
        max_epochs = preset.max_epochs if max_epochs is None else max_epochs
        splitter = self._split(
            partial(controls_alongside, n_cells=n_cells or preset.n_cells, n_parts=n_conditions or preset.n_conditions),
            train_size=train_size,
            validation_size=validation_size,
            held_out=held_out,
            seed=seed,
            datasplitter_kwargs=datasplitter_kwargs,
        )
        self._choose_factors(splitter)
        plan = {
            "preset": preset,
            "n_epochs": max_epochs,
            "ordering_cells": self._start(splitter),
            "ordering_epochs": self._ordering_epochs(max_epochs),
        }
        self._keep_effects(splitter)
        if preset.gradient_clip_algorithm is not None:
            trainer_kwargs = {
                "gradient_clip_val": preset.gradient_clip,
                "gradient_clip_algorithm": preset.gradient_clip_algorithm,
            } | trainer_kwargs
        self._fit(
            max_epochs,
            splitter,
            plan_kwargs=plan | (plan_kwargs or {}),
            monitor="objective_validation",
            anneal_end=anneal_end(
                n_epochs=max_epochs, start_epochs=(preset.mmd_start, preset.kl_start, preset.temperature_start)
            ),
            restore_best=restore_best,
            early_stopping=early_stopping,
            early_stopping_patience=early_stopping_patience,
            accelerator=accelerator,
            devices=devices,
            **trainer_kwargs,
        )
        self._keep_described()

    def _ordering_epochs(self, max_epochs: int) -> tuple[int, ...]:
        """Epochs at which factors are put into causal order: none for the published presets or without a graph."""
        if not self.preset_.data_init or self.module.causal.graph is None:
            return ()
        # A linear model starts from correct effects; a network has to learn them first
        return (0,) if self._is_linear() else (max(1, max_epochs // 4), max(2, max_epochs // 2))

    def _is_linear(self) -> bool:
        return self.preset_.encoder == "linear" and self.preset_.n_hidden == 0 and self.module.likelihood == "normal"

    @torch.no_grad()
    def _start(self, splitter: CellSplitter) -> tuple[Tensor, Tensor | None] | None:
        """Initialise from the training data before the first epoch; return control cells for the ordering."""
        rng = np.random.default_rng(splitter.seed)
        control, perturbed = splitter.sample_training_cells(_SAMPLE, rng)
        x = self._transformed(control)
        both = torch.cat([x, self._transformed(perturbed)])
        if self.preset_.bandwidth is None:
            self.module.bandwidth.fill_(bandwidth_from_cells(both))
        else:
            self.module.bandwidth.fill_(self.preset_.bandwidth)
        if not self.preset_.data_init or self.is_trained_:
            return None
        if self.module.likelihood == "nb":
            self._scale_counts(control)
            x = self._transformed(control)
            profile = torch.from_numpy(self._expression(self.adata, control)).sum(0) + 0.5
            self.module.decoder.output_bias.copy_(torch.log(profile / profile.sum()))
        elif not self.preset_.positive_output:
            self.module.decoder.output_bias.copy_(x.mean(0))
            # Genes without counts in these controls may have counts in other cells
            least = _LEAST_SCALE * both.var(0, correction=0).mean().sqrt().clamp(min=1e-2)
            self.module.least_log_scale.copy_(torch.log(least))
            self.module.log_scale.copy_(torch.log(x.std(0, correction=0).clamp(min=least)))
        if self.gene_set_names_:
            self.module.encoder.standardise(x)
        directions = initialise_interventions(self.module, *self._mean_changes(splitter, x))
        if self._is_linear():
            initialise_linear(self.module, x, directions)
        batch = self._field(self.adata, KEYS.BATCH)[control] if self._has_field(KEYS.BATCH) else None
        return x, None if batch is None else torch.from_numpy(np.asarray(batch, dtype=np.int64).reshape(-1, 1))

    def _mean_changes(self, splitter: CellSplitter, control: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the mean change under each single perturbation at dose 1, and its precision in cells.

        Both are zero for perturbations that occur only in combinations.
        """
        centre = control.double().mean(0).numpy()
        changes, precision = np.zeros((len(self.perturbations_), len(centre))), np.zeros(len(self.perturbations_))
        cells_of = [splitter.training_cells_of(name)[:_SAMPLE] for name in self.perturbations_]
        totals = self._dose_weighted_sums(cells_of, splitter)
        for index, cells in enumerate(cells_of):
            doses = splitter.doses_of(cells)
            if (doses != 0).any():
                # Least-squares line through the control, at dose 1; a plain mean if all doses are 1
                squares = np.square(doses).sum()
                changes[index] = (totals[index] - doses.sum() * centre) / squares
                precision[index] = 1 / (1 / squares + (doses.sum() / squares) ** 2 / len(control))
        return changes, precision

    def _dose_weighted_sums(self, cells_of: Sequence[NDArray[np.int64]], splitter: CellSplitter) -> NDArray[np.float64]:
        """Dose-weighted sum of the transformed cells of each perturbation, (n_perturbations, n_genes)."""
        totals = np.zeros((len(cells_of), self._n_genes))
        group = np.repeat(np.arange(len(cells_of)), [len(cells) for cells in cells_of])
        cells = np.concatenate(cells_of)
        # Read in the order of the data, once for all perturbations
        for part in blocks(np.argsort(cells, kind="stable")):
            weights = sparse.csr_matrix(
                (splitter.doses_of(cells[part]), (group[part], np.arange(len(part)))), shape=(len(cells_of), len(part))
            )
            totals += weights @ self._transformed(cells[part]).double().numpy()
        return totals

    def _transformed(self, indices: NDArray[np.int64]) -> Tensor:
        """Transformed expression of some cells, the input of the encoder, on the CPU."""
        x = torch.from_numpy(self._expression(self.adata, indices))
        if not self._has_field(KEYS.SIZE_FACTOR):
            return self.module.transform(x)
        size = np.asarray(self._field(self.adata, KEYS.SIZE_FACTOR), dtype=np.float32)[indices]
        return self.module.transform(x, torch.from_numpy(size))

    @fill
    @torch.inference_mode()
    def get_latent_representation(
        self,
        adata: AnnData | MuData | None = None,
        *,
        kind: Literal["exogenous", "causal", "mean"] = "mean",
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Return the factors of cells.

        Parameters
        ----------
        %(cells_adata)s
        kind
            ``"mean"`` is the posterior mean of the exogenous noise, ``"exogenous"`` a sample from its posterior, and
            ``"causal"`` the causal variables at the mean, without an intervention.
        %(indices)s
        %(batch_size)s
        seed
            Seed of the sample.

        Returns
        -------
        Array of shape (n_cells, n_factors).
        """
        if kind not in ("exogenous", "causal", "mean"):
            msg = f"`kind` must be 'exogenous', 'causal' or 'mean', got {kind!r}."
            raise ValueError(msg)
        # The stream of the generator does not depend on the batch size
        generator = np.random.default_rng(seed)
        self._check_if_trained(warn=False)
        out = []
        for x in self._inputs(self._validate_anndata(adata), indices, batch_size=batch_size):
            mean, variance = self.module.encode(x)
            if kind == "exogenous":
                noise = torch.from_numpy(generator.standard_normal(mean.shape, dtype=np.float32))
                mean = mean + variance.sqrt() * noise.to(mean)
            out.append((self.module.causal(mean) if kind == "causal" else mean).cpu().numpy())
        return np.concatenate(out)

    def _encode(self, x: Tensor) -> Tensor:
        return self.module.encode(x)[0]

    def _read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        return self.module.transform(x, size_factor)

    @fill
    @torch.inference_mode()
    def get_pathway_activity(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        rectified: bool = False,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Return the activity of every gene set, the output of the first layer of the encoder.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        rectified
            Whether to return the input of the next layer: activities standardised by control cells, after a LeakyReLU.
        %(batch_size)s

        Returns
        -------
        Table of cells x sets, float32.

        Raises
        ------
        ValueError
            If the encoder has no gene sets.
        """
        if not self.gene_set_names_:
            msg = f"The encoder is {self.preset_.encoder!r}: it has no gene sets, hence no pathway activity."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        cells, encoder = self._chosen(adata, indices), self.module.encoder
        activity = encoder.rectified if rectified else encoder.activity
        out = [activity(x).cpu().numpy() for x in self._inputs(adata, cells, batch_size=batch_size)]
        names = self._modality(adata).obs_names[cells]
        return pd.DataFrame(np.concatenate(out), index=names, columns=self.gene_set_names_)

    def attribution_target(
        self, kind: Literal["latent", "factor", "causal", "pathway", "change"], *, perturbation: str | None = None
    ) -> AttributionTarget:
        """Return a differentiable function of the expression, for attributions.

        Parameters
        ----------
        kind
            ``"factor"`` (exogenous noise; ``"latent"`` is a synonym, as in other models), ``"causal"`` (causal
            variables), ``"pathway"`` (activities of gene sets) or ``"change"`` (predicted change of expression under
            ``perturbation``).
        perturbation
            Label, for ``"change"``.

        Returns
        -------
        The function, the transform from registered expression to its input, and the names of its outputs.

        Raises
        ------
        ValueError
            If the kind does not exist, or the perturbation is missing or unknown.
        """
        module = self.module.eval()
        factors = self._factor_names()
        if kind == "pathway":
            if not self.gene_set_names_:
                msg = f"The encoder is {self.preset_.encoder!r}: it has no gene sets."
                raise ValueError(msg)
            return AttributionTarget(module.encoder.activity, module.transform, self.gene_set_names_, kind=kind)
        if kind in ("latent", "factor"):
            return AttributionTarget(self._encode, module.transform, factors, kind=kind)
        if kind == "causal":
            return AttributionTarget(lambda x: module.causal(self._encode(x)), module.transform, factors, kind=kind)
        if kind != "change" or perturbation is None:
            msg = f"`kind` must be 'latent', 'factor', 'causal', 'pathway', or 'change' with a `perturbation`, got {kind!r}."
            raise ValueError(msg)
        if module.decoder.n_batch:
            msg = "The predicted change of a model with batches depends on the batch; it has no attribution target."
            raise NotImplementedError(msg)
        design = torch.from_numpy(self.encode_perturbations([perturbation])).to(module.device)

        def change(x: Tensor) -> Tensor:
            z = module.encode(x)[0]
            shifted = z + module.intervention(design)
            before, after = (module.decoder(module.causal(value)) for value in (z, shifted))
            return after - before

        return AttributionTarget(change, module.transform, self.var_names_, kind=kind)
