"""Set-up, training, representations, components and expression of the Deep Generative Decoder."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import pandas as pd
import torch
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._keys import Key
from scpi._screen._checks import as_indices
from scpi._slots import check_key_added
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import COUNTS_ADVICE, ModelBase
from scpi.model.base.counts._covariate_code import CovariateCode
from scpi.model.base.generation._mixin import GenerationMixin
from scpi.model.base.loading._cell_batches import cell_batches
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.posterior._differential import DifferentialMixin
from scpi.model.base.posterior._predictive import PredictiveMixin
from scpi.model.base.setup._covariate_fields import NumbersField
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import ContextField, SizeFactorField
from scpi.model.base.training._presets import at_least, choose_preset, describe_settings
from scpi.model.base.training._seed import seeded
from scpi.model.base.training._training import NetworkTrainingMixin
from scpi.model.dgd._expression import DGDExpressionMixin
from scpi.model.dgd._fields import OpenCategoricalsField, PartialLabelField
from scpi.model.dgd._module import DGDModule
from scpi.model.dgd._new_cells import NewCells, Unseen, align_new, found_genes, unseen_categories
from scpi.model.dgd._plan import DGDPlan
from scpi.model.dgd._presets import PRESETS, RULES
from scpi.model.dgd._start import identity_of, project, start_means, widest_axes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.dgd._settings import Settings

    Indices = Sequence[int] | NDArray[np.int64] | None

_MOST_EPOCHS = 400
# Numbers, cells x genes, that are decoded at a time: as many as a fast cache holds
_NUMBERS = 1 << 20
_LEAST_BATCH = 64


@describe_settings(PRESETS)
@fill
class DGD(DifferentialMixin, DGDExpressionMixin, PredictiveMixin, GenerationMixin, NetworkTrainingMixin, ModelBase):
    """Deep Generative Decoder: trainable representations of cells under a Gaussian mixture, and a decoder.

    There is no encoder. Each cell has its own representation, which is fitted together with the decoder and the
    Gaussian mixture prior of the representations (Schuster and Krogh, Bioinformatics 39, btad497, 2023). Counts are
    negative binomial around the decoded mean, with an overdispersion per gene. Components of the mixture are groups of
    cells. There are as many as can be distinguished in held-out representations. Representations of new cells are found
    by optimisation, even if some genes are missing.

    With labels, a cell comes from the components of its label; a cell without a label may come from any component. The
    decoder also reads covariates, so that the representations need not explain them.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    preset
        ``"scpi"`` (default), or the ``"published"`` settings.
    n_latent
        Number of dimensions of the representations; that of the preset if ``None``.
    n_components
        Number of components; chosen during training if ``None``. With labels, see ``n_components_per_label``.
    n_components_per_label
        Number of components of each label.
    %(model_seed)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``activation``, ``covariance`` or ``n_hidden``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, or ``n_components`` is given although labels determine the components.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(100, n_genes=60, de_prob=0.5, rng=0)
    >>> scpi.model.DGD.setup_anndata(adata)
    >>> model = scpi.model.DGD(adata, n_latent=4, n_components=2)
    >>> model.train(max_epochs=3, enable_progress_bar=False)
    >>> model.get_latent_representation().shape
    (100, 4)
    """

    _training_plan_cls = DGDPlan
    _reads_counts = True
    _advice = COUNTS_ADVICE
    _fields = (
        Field(
            argument="labels_key",
            registry_key=KEYS.LABELS,
            make=PartialLabelField,
            options=("unlabeled_category",),
        ),
        Field(argument="batch_key", registry_key=KEYS.BATCH, make=ContextField),
        Field(argument="size_factor_key", registry_key=KEYS.SIZE_FACTOR, make=SizeFactorField),
        Field(argument="categorical_covariate_keys", registry_key=KEYS.CATEGORICAL, make=OpenCategoricalsField),
        Field(argument="continuous_covariate_keys", registry_key=KEYS.CONTINUOUS, make=NumbersField),
    )

    module: DGDModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "published"] = "scpi",
        n_latent: int | None = None,
        n_components: int | None = None,
        n_components_per_label: int = 1,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        changes = preset_kwargs | ({} if n_latent is None else {"n_latent": n_latent})
        self.preset_ = choose_preset(type(self), PRESETS, preset, changes, RULES)
        self.labels_ = self._state_entry(KEYS.LABELS, "labels")
        self._is_supervised = bool(self.labels_) and self.preset_.supervise != "head"
        if n_components is not None and self._is_supervised:
            msg = "With labels, components belong to these: set `n_components_per_label`, or `supervise='head'`."
            raise ValueError(msg)
        self._n_components = None if n_components is None else at_least(n_components, 1, "n_components")
        self._n_each = at_least(n_components_per_label, 1, "n_components_per_label")
        if self._is_supervised:
            self._n_components = len(self.labels_) * self._n_each
        # Drawn from the prior as published, or fitted to the representations during training
        self._is_placed = not self._is_supervised and (self._n_components is None or self.preset_.start == "pca")
        categories = [len(names) for names in self._covariates().categories.values()]
        self._build(
            lambda: DGDModule(
                self._n_genes,
                n_cells=self._statistic(KEYS.X, "n_cells"),
                n_components=1 if self._is_placed else self._n_components or 1,
                covariates=CovariateCode(categories, self._statistic(KEYS.CONTINUOUS, f"n_{KEYS.CONTINUOUS}")),
                n_labels=len(self.labels_),
                preset=self.preset_,
            ),
            seed=seed,
            preset=preset,
            n_components="to be found" if self._n_components is None else self._n_components,
            of_preset=("n_latent",),
        )
        self.components_ = self._component_names()
        self.cells_: str | None = None
        self.init_params_ = self._get_init_params(locals())

    def _state_entry(self, key: str, name: str) -> list[str]:
        """Registered names of a field; none if the field is not registered."""
        state = self.registry["field_registries"].get(key, {}).get("state_registry", {})
        return [str(value) for value in state.get(name, [])]

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        batch_key: str | None = None,
        labels_key: str | None = None,
        unlabeled_category: str | None = None,
        size_factor_key: str | None = None,
        categorical_covariate_keys: str | Sequence[str] | None = None,
        continuous_covariate_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X``
            does not hold counts.
        batch_key
            Column of ``adata.obs`` with the batch of each cell, which the decoder reads.
        labels_key
            Column of ``adata.obs`` with the label of each cell. Each label has its own components. New cells need none.
        unlabeled_category
            Value of that column for cells without a label.
        size_factor_key
            Column of ``adata.obs`` with the depth of each cell; its total count if ``None``.
        categorical_covariate_keys, continuous_covariate_keys
            Columns of ``adata.obs`` with further covariates that the decoder reads.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        TypeError
            If ``adata`` is not an AnnData. For a MuData, use :meth:`setup_mudata`.
        KeyError
            If a layer or a column does not exist.
        ValueError
            If values are not counts, names are repeated, or a value of a column is missing.
        """
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        batch_size: int | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        restore_best: bool = True,
        early_stopping: bool = False,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        datasplitter_kwargs: dict[str, Any] | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train decoder, representations and mixture.

        Validation uses count thinning: representations of validation cells are fitted to half of their counts, and
        scored on the other half. After training, validation and test cells get representations from all their counts.

        Parameters
        ----------
        %(max_epochs)s
        %(train_batch_size)s
        %(validation_size)s
            The fraction of training cells is that of the preset if ``None``.
        restore_best
            Whether to restore decoder, mixture and representations of the epoch with the lowest validation loss.
        early_stopping
            Whether to stop when the validation loss has not fallen for ``patience`` validations of the preset.
        %(devices)s
        %(datasplitter_kwargs)s
        %(plan_kwargs)s
        %(train_seed)s
        %(trainer_kwargs)s
        """
        preset = self.preset_
        batch_size = preset.batch_size if batch_size is None else at_least(batch_size, 1, "batch_size")
        splitter = self._split(
            partial(single_cells, batch_size=batch_size),
            train_size=preset.train_size if train_size is None else train_size,
            validation_size=validation_size,
            seed=seed,
            datasplitter_kwargs=datasplitter_kwargs,
        )
        n_epochs = self._n_epochs(max_epochs, splitter.n_batches)
        search_epoch = int(preset.search_epoch * n_epochs) if self._is_placed and not self.is_trained_ else None
        self._start(splitter)
        plan = {
            "cells": splitter.train_idx,
            "n_epochs": n_epochs,
            "n_batches": splitter.n_batches,
            "search_epoch": search_epoch,
            "n_components": self._n_components,
            "seed": splitter.seed,
        }
        check_every = min(preset.check_every, n_epochs)
        self._fit(
            n_epochs,
            splitter,
            plan_kwargs=plan | (plan_kwargs or {}),
            monitor="reconstruction_validation",
            anneal_end=0 if search_epoch is None else search_epoch + 1,
            restore_best=restore_best,
            early_stopping=early_stopping,
            early_stopping_patience=preset.patience,
            check_every=check_every,
            accelerator=accelerator,
            devices=devices,
            **trainer_kwargs,
        )
        self.module.eval()
        self.components_ = self._component_names()
        self.cells_ = self._identity(self.adata)
        left_out = np.sort(np.concatenate([splitter.val_idx, splitter.test_idx]))
        fitted = self._new(self.adata, left_out).fit()
        with torch.no_grad():
            self.module.representations.weight[torch.from_numpy(left_out)] = fitted.to(self.module.device)

    def _n_epochs(self, max_epochs: int | None, n_batches: int) -> int:
        preset = self.preset_
        if max_epochs is None:
            n = math.ceil(preset.n_steps / n_batches)
            max_epochs = preset.max_epochs or min(max(n, preset.least_epochs), _MOST_EPOCHS)
        return at_least(max_epochs, 1, "max_epochs")

    def _start(self, splitter: CellSplitter) -> None:
        """Initialise from the training cells, once; a trained decoder finds the representations of other cells."""
        if self.is_trained_:
            if self._identity(self.adata) != self.cells_:
                self.module.representations.weight.data = self._new(self.adata, np.arange(self.adata.n_obs)).fit()
            return
        module, preset = self.module.cpu(), self.preset_
        if self._has_field(KEYS.CONTINUOUS):
            values = self._field(self.adata, KEYS.CONTINUOUS)[splitter.train_idx]
            module.covariates.fit(torch.from_numpy(np.asarray(values, dtype=np.float32)))
        totals, depth = torch.zeros(self._n_genes, dtype=torch.float64), 0.0
        for counts, size, _ in splitter.training_cells():
            totals += counts.sum(0, dtype=torch.float64)
            tensors = {KEYS.X: counts} | ({} if size is None else {KEYS.SIZE_FACTOR: size})
            depth += float(module.log_depth(tensors).exp().sum(dtype=torch.float64))
        # Add half a count, so that genes without counts have a logarithm
        module.start((totals + 0.5) / depth)
        if self._is_placed:
            module.mixture.means.data.zero_()
        if preset.start == "zeros":
            return
        with seeded(splitter.seed):
            z = project(splitter, n_latent=preset.n_latent, radius=preset.radius)
        module.representations.weight.data.copy_(z)
        if self._is_supervised:
            labels = np.asarray(splitter.registered(KEYS.LABELS))[splitter.train_idx]
            rows = z.numpy()[splitter.train_idx]
            means = start_means(rows, labels, n_labels=len(self.labels_), n_each=self._n_each, seed=splitter.seed)
            module.mixture.means.data.copy_(torch.from_numpy(means))

    @fill
    def get_latent_representation(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Indices = None,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> NDArray[np.float32]:
        """Return representations of cells: trained ones, or, for new cells, those that best fit the trained decoder.

        New cells start from the best of the component means, followed by gradient steps. Genes may be missing or in
        another order; missing genes do not enter the fit.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        n_steps
            Number of gradient steps for new cells. A message reports how many cells have not converged.
        unseen
            Treatment of a batch, or of a category of a covariate, that was not trained on. ``"average"`` uses the mean
            of the trained ones, ``"fit"`` the mixture of them that fits its cells best, and ``"error"`` raises a
            ValueError.
        %(batch_size)s

        Returns
        -------
        Array of shape (n_cells, n_latent).

        Raises
        ------
        ValueError
            If no gene of the model is in the data, or, with ``unseen="error"``, a category was not trained on.
        """
        return self._represented(adata, indices, n_steps, unseen, batch_size)[2].numpy()

    def _represented(
        self,
        adata: AnnData | MuData | None,
        indices: Indices,
        n_steps: int | None,
        unseen: Unseen,
        batch_size: int | None,
    ) -> tuple[AnnData | MuData, NDArray[np.int64], Tensor, list[Tensor] | None]:
        """Validated data, the requested cells, their representations, and the codes of unseen categories."""
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        cells = as_indices(indices, adata.n_obs)
        return adata, cells, *self._represent(adata, cells, n_steps, unseen, batch_size)

    def _represent(
        self,
        adata: AnnData | MuData,
        cells: NDArray[np.int64],
        n_steps: int | None,
        unseen: Unseen,
        batch_size: int | None,
    ) -> tuple[Tensor, list[Tensor] | None]:
        """Representations of some cells of validated data, and the codes of unseen categories."""
        if self._identity(adata) == self.cells_:
            return self.module.representations.weight.detach().cpu()[torch.from_numpy(cells)], None
        new = self._new(adata, cells, n_steps=n_steps, unseen=unseen, batch_size=batch_size)
        return new.fit(), new.unseen

    def _new(
        self,
        adata: AnnData | MuData,
        cells: NDArray[np.int64],
        *,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> NewCells:
        """Cells whose representations are to be found."""
        known = [int(size) for size in self.module.covariates.sizes]
        return NewCells(
            self.module.eval(),
            partial(self._batches, adata, batch_size=batch_size),
            cells,
            found=found_genes(self._modality(adata)),
            categories=unseen_categories(self._categories_of(adata), known),
            unseen=unseen,
            n_steps=n_steps,
        )

    def _categories_of(self, adata: AnnData | MuData) -> dict[str, list[str]]:
        """Categories of each covariate in validated data, in the order of their codes."""
        found: dict[str, list[str]] = {}
        if self._has_field(KEYS.BATCH):
            state = self._state_of(adata, KEYS.BATCH)
            found[str(state["original_key"])] = [str(name) for name in state["categorical_mapping"]]
        if self._has_field(KEYS.CATEGORICAL):
            categories = self._state_of(adata, KEYS.CATEGORICAL)["categories"]
            found |= {name: list(values) for name, values in categories.items()}
        return found

    def _batches(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], *, batch_size: int | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Registered values of some cells, in batches."""
        yield from cell_batches(self, adata, cells, batch_size=self._batch_size(batch_size), device=self.module.device)

    def _batch_size(self, batch_size: int | None) -> int:
        """Cells that are decoded at a time."""
        return max(_NUMBERS // self._n_genes, _LEAST_BATCH) if batch_size is None else batch_size

    def _identity(self, adata: AnnData | MuData) -> str:
        """Fingerprint that identifies the training cells."""
        return identity_of(self._modality(adata).obs_names, self._field(adata, KEYS.X), *self._covariates_of(adata))

    def _validate_anndata(self, adata: AnnData | MuData | None = None, copy_if_view: bool = True) -> AnnData | MuData:
        if adata is None:
            return super()._validate_anndata(adata, copy_if_view=copy_if_view)
        aligned = align_new(adata, self.var_names_, self.registry)
        validated = super()._validate_anndata(aligned, copy_if_view=copy_if_view)
        if aligned is not adata:
            # Like the copy of a view, only the model uses it
            self._copy = validated
        return validated

    @fill
    @torch.no_grad()
    def get_component_assignments(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Indices = None,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Compute the probability of each component of the mixture for each cell, given its representation.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        n_steps, unseen
            As in :meth:`get_latent_representation`.
        %(batch_size)s

        Returns
        -------
        Table of cells x components (:attr:`components_`). The component of a cell is ``table.idxmax(axis=1)``.
        """
        adata, cells, z, _ = self._represented(adata, indices, n_steps, unseen, batch_size)
        posterior = self.module.mixture.posterior(z.to(self.module.device)).cpu().numpy()
        return pd.DataFrame(posterior, index=self._modality(adata).obs_names[cells], columns=self.components_)

    def _component_names(self) -> list[str]:
        """Names of components: numbers, or labels, with a number if a label has several components."""
        if not self._is_supervised:
            return [str(place) for place in range(self.module.mixture.n_components)]
        n = self._n_each
        return [f"{label}_{place}" if n > 1 else label for label in self.labels_ for place in range(n)]

    @fill
    @torch.no_grad()
    def get_cell_loss(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Indices = None,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> NDArray[np.float32]:
        """Compute the negative log-likelihood of the counts of each cell, over the genes in the data.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        n_steps, unseen
            As in :meth:`get_latent_representation`.
        %(batch_size)s

        Returns
        -------
        Array of shape (n_cells,).
        """
        adata, cells, z, rows_of_unseen = self._represented(adata, indices, n_steps, unseen, batch_size)
        found, losses = found_genes(self._modality(adata)), [np.zeros(0, dtype=np.float32)]
        found = None if found is None else found.to(self.module.device)
        parts = iter(z.split(self._batch_size(batch_size)))
        for tensors in self._batches(adata, cells, batch_size=batch_size) if len(cells) else ():
            own = next(parts).to(self.module.device)
            loss = self.module.cell_loss(tensors, own, self.module.code(tensors, rows_of_unseen), found)
            losses.append(loss.cpu().numpy())
        return np.concatenate(losses)

    @fill
    def write_mixture(
        self,
        adata: AnnData | MuData | None = None,
        *,
        key_added: str | None = None,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> None:
        """Store representations, components and the mixture in the data, for :func:`scpi.pl.latent_mixture`.

        Parameters
        ----------
        %(cells_adata)s
        key_added
            Name of the entries.
        n_steps, unseen
            As in :meth:`get_latent_representation`.
        %(batch_size)s

        Returns
        -------
        Nothing. Sets the following fields:

        `adata.obsm['X_dgd' | 'X_' + key_added]`
            Representations, cells x dimensions.
        `adata.obs['dgd' | key_added]`
            Most probable component of each cell.
        `adata.uns['dgd' | key_added]`
            `names`, `weights`, `means` and `variances` of the components, and `axes`, the two directions of largest
            variance of the representations, dimensions x 2.
        """
        key_added = Key.uns.DGD if key_added is None else key_added
        given = self.adata if adata is None else adata
        check_key_added(key_added)
        self._check_if_trained(warn=False)
        validated = self._validate_anndata(adata)
        cells = np.arange(validated.n_obs)
        z, _ = self._represent(validated, cells, n_steps, unseen, batch_size)
        mixture, target = self.module.mixture, self._modality(given)
        with torch.no_grad():
            component = mixture.posterior(z.to(self.module.device)).argmax(1).cpu().numpy()
            parts = {name: getattr(mixture, name).cpu().numpy() for name in ("means", "variances", "weights")}
        target.obs[key_added] = pd.Categorical.from_codes(component, self.components_)
        target.obsm[f"X_{key_added}"] = z.numpy()
        target.uns[key_added] = {"names": np.array(self.components_, dtype=object), **parts, "axes": widest_axes(z)}

    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        generator = torch.Generator(self.module.device).manual_seed(int(rng.integers(2**31)))
        return self.module.mixture.draw(n, generator)[0].cpu().numpy()
