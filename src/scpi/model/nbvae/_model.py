"""The conditional NB-VAE as users see it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np
import pandas as pd
import torch
from scvi.model._utils import get_max_epochs_heuristic
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.attribution import AttributionTarget, DecoderTarget
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import COUNTS_ADVICE, ModelBase
from scpi.model.base.generation._covariates import Covariates
from scpi.model.base.generation._mixin import GenerationMixin
from scpi.model.base.loading._given_batches import GivenBatches
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.posterior._differential import DifferentialMixin
from scpi.model.base.posterior._expression import ExpressionMixin
from scpi.model.base.posterior._minified import MinifiedMixin
from scpi.model.base.posterior._predictive import PredictiveMixin
from scpi.model.base.setup._covariate_fields import CategoricalsField, NumbersField
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import LabelField, SizeFactorField
from scpi.model.base.targets._latent import LatentMixin, unit_names
from scpi.model.base.training._presets import at_least, choose_preset, describe_settings
from scpi.model.base.training._training import NetworkTrainingMixin
from scpi.model.clustering._fields import TrainingLabelField
from scpi.model.nbvae._features import align_features
from scpi.model.nbvae._likelihood import LikelihoodMixin
from scpi.model.nbvae._module import NBVAEModule
from scpi.model.nbvae._presets import PRESETS, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from anndata import AnnData
    from lightning.pytorch import LightningDataModule
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.generation._generation import Decoder
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.nbvae._presets import Preset
    from scpi.model.nbvae._settings import Settings

# Cells whose labels are predicted at a time
_BATCH = 2048


@describe_settings(PRESETS)
@fill
class NBVAE(
    NetworkTrainingMixin,
    LikelihoodMixin,
    DifferentialMixin,
    PredictiveMixin,
    ExpressionMixin,
    MinifiedMixin,
    GenerationMixin,
    LatentMixin,
    ModelBase,
):
    """Conditional variational autoencoder of counts, which generates cells under other covariates.

    Encoder and decoder read the batch and any categorical and continuous covariates, such as the compound. Counts are
    negative binomial. The model generates cells for combinations of covariates that were not measured. If features
    describe the categories of a covariate, it also generates cells of unmeasured categories.

    The preset ``"scvi"`` has the network and the training of SCVI (Lopez et al., Nat. Methods 15, 2018) with
    ``gene_likelihood="nb"`` and ``encode_covariates=True``. The preset ``"op3"`` has those of
    yhsure/kaggle-perturbations (2023): raw counts as the encoder input, 1024 and 256 hidden units, the largest count of
    a cell as its size factor, and a warm-up of 50 epochs before early stopping starts.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    preset
        ``"scpi"``, the network of SCVI with early stopping; ``"scvi"`` or ``"op3"``.
    covariate_features
        Features of the categories of categorical covariates, such as fingerprints of compounds, by name of the
        covariate. There must be one row for each known category, and for each category to generate later. The network
        reads the standardised features instead of a one-hot code of the category.
    weighted_genes
        Genes whose loss is multiplied by ``gene_weight``, such as differentially expressed genes.
    %(model_seed)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``n_latent``, ``encoder_hidden`` or ``kl_warmup``.

    Raises
    ------
    %(preset_TypeError)s
    KeyError
        If features are given for a name that is not a categorical covariate, or a weighted gene is not in the data.
    ValueError
        If a value is out of its range, or a category has no features.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(100, n_genes=50, group_prob=(0.5, 0.5), rng=0)
    >>> scpi.model.NBVAE.setup_anndata(adata, categorical_covariate_keys=["group"])
    >>> model = scpi.model.NBVAE(adata)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> import pandas as pd
    >>> model.generate(pd.DataFrame({"group": ["Group1"], "n_cells": [20]})).shape
    (20, 50)
    """

    _reads_counts = True
    _advice = COUNTS_ADVICE
    _fields = (
        Field(argument="batch_key", registry_key=KEYS.BATCH, make=LabelField),
        Field(argument="labels_key", registry_key=KEYS.LABELS, make=TrainingLabelField),
        Field(argument="size_factor_key", registry_key=KEYS.SIZE_FACTOR, make=SizeFactorField),
        Field(argument="categorical_covariate_keys", registry_key=KEYS.CATEGORICAL, make=CategoricalsField),
        Field(argument="continuous_covariate_keys", registry_key=KEYS.CONTINUOUS, make=NumbersField),
    )

    module: NBVAEModule
    preset_: Preset

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "scvi", "op3"] = "scpi",
        covariate_features: Mapping[str, pd.DataFrame] | None = None,
        weighted_genes: str | Sequence[str] = (),
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        self.preset_ = choose_preset(type(self), PRESETS, preset, preset_kwargs, RULES)
        known = super()._covariates()
        described = align_features(covariate_features or {}, known.categories)
        # Categories with features but without cells come after those of the cells
        self.categories_: dict[str, list[str]] = {
            name: described[name].categories if name in described else list(own)
            for name, own in known.categories.items()
        }
        places = list(known.categories)
        weights = self._gene_weights(as_list(weighted_genes))
        self._build(
            lambda: NBVAEModule(
                self._n_genes,
                n_categories=[len(names) for names in self.categories_.values()],
                n_continuous=len(known.continuous),
                features={places.index(name): torch.from_numpy(one.values) for name, one in described.items()},
                n_labels=self._statistic(KEYS.LABELS, f"n_{KEYS.LABELS}"),
                sized=self._has_field(KEYS.SIZE_FACTOR),
                gene_weights=weights,
                preset=self.preset_,
            ),
            seed=seed,
            preset=preset,
            covariates=known.names,
            of_preset=("n_latent", "scale"),
        )
        self.init_params_ = self._get_init_params(locals())

    def _gene_weights(self, genes: Sequence[str]) -> Tensor | None:
        """Factor of the loss of each gene."""
        if not len(genes):
            return None
        weights = torch.ones(self._n_genes)
        if self.adata is not None:
            found = pd.Index(self.var_names_).get_indexer(pd.Index(genes))
            if (found < 0).any():
                msg = f"`weighted_genes` names {listed(np.asarray(genes)[found < 0])}, which the data does not have."
                raise KeyError(msg)
            weights[found] = self.preset_.gene_weight
        return weights

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        batch_key: str | None = None,
        labels_key: str | None = None,
        size_factor_key: str | None = None,
        categorical_covariate_keys: Sequence[str] | str | None = None,
        continuous_covariate_keys: Sequence[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X``
            does not hold counts.
        %(param_batch_key)s
        labels_key
            Column of ``adata.obs`` with labels that a task head learns to predict from the latent units.
        size_factor_key
            Column of ``adata.obs`` with the size factor of each cell. If ``None``, its total count, or, in the preset
            ``"op3"``, its largest count.
        categorical_covariate_keys
            Columns of ``adata.obs`` with categorical covariates, such as cell type and compound.
        continuous_covariate_keys
            Columns of ``adata.obs`` with numbers, such as the logarithm of a dose. They are not rescaled.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        TypeError
            If ``adata`` is not an AnnData. For a MuData, use :meth:`setup_mudata`.
        KeyError
            If a layer or a column does not exist.
        ValueError
            If values are not counts, names are repeated, or a cell has no value of a covariate.
        """
        categorical_covariate_keys = as_list(categorical_covariate_keys or ()) or None
        continuous_covariate_keys = as_list(continuous_covariate_keys or ()) or None
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        lr: float | None = None,
        batch_size: int | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        restore_best: bool | None = None,
        early_stopping: bool | None = None,
        early_stopping_patience: int | None = None,
        datasplitter_kwargs: dict[str, Any] | None = None,
        datamodule: LightningDataModule | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model. Arguments that are ``None`` are taken from the preset (``preset_``).

        Parameters
        ----------
        %(max_epochs)s
        lr
            Learning rate.
        %(train_batch_size)s
        %(validation_size)s
        %(restore_best)s
        %(early_stopping)s
        %(early_stopping_patience)s
            Epochs of the warm-up (``kl_warmup``) do not count.
        %(datasplitter_kwargs)s
        datamodule
            Data module of scvi-tools that supplies the batches instead, such as
            :class:`scvi.dataloaders.AnnbatchDataModule`. It must have the genes and covariates of the setup, and splits
            the cells itself, by ``train_size`` and ``validation_size``.
        %(plan_kwargs)s
        %(devices)s
        %(train_seed)s
        %(trainer_kwargs)s

        Raises
        ------
        ValueError
            If the genes, covariates or categories of the data module differ from those of the model, or the model was
            set up with size factors.
        """
        preset = self.preset_
        batch_size = preset.batch_size if batch_size is None else at_least(batch_size, 2, "batch_size")
        division: dict[str, Any] = {
            "train_size": preset.train_size if train_size is None else train_size,
            "validation_size": validation_size,
        }
        splitter: CellSplitter | GivenBatches
        if datamodule is None:
            sampling = partial(single_cells, batch_size=batch_size)
            splitter = self._split(sampling, **division, seed=seed, datasplitter_kwargs=datasplitter_kwargs)
        else:
            own_seed = self.seed_ if seed is None else seed
            splitter = GivenBatches(self, datamodule, **division, batch_size=batch_size, seed=own_seed)
        kl_warmup = preset.kl_warmup
        if max_epochs is None:
            max_epochs = preset.max_epochs or get_max_epochs_heuristic(splitter.n_train)
            if preset.n_steps is not None:
                max_epochs = min(max_epochs, math.ceil(preset.n_steps / splitter.n_batches))
                kl_warmup = min(kl_warmup, math.ceil(max_epochs / 4))
        plan: dict[str, Any] = {
            "lr": preset.lr if lr is None else lr,
            "weight_decay": preset.weight_decay,
            "eps": preset.eps,
            "n_epochs_kl_warmup": kl_warmup or None,
            "min_kl_weight": preset.kl_start if kl_warmup else 1.0,
        }
        self._fit(
            at_least(max_epochs, 1, "max_epochs"),
            splitter,
            plan_kwargs=plan | (plan_kwargs or {}),
            anneal_end=min(kl_warmup, max_epochs - 1),
            restore_best=preset.restore_best if restore_best is None else restore_best,
            early_stopping=preset.early_stopping if early_stopping is None else early_stopping,
            early_stopping_patience=preset.patience if early_stopping_patience is None else early_stopping_patience,
            accelerator=accelerator,
            devices=devices,
            **trainer_kwargs,
        )

    @fill
    @torch.inference_mode()
    def predict_labels(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Predict probabilities of the labels of ``labels_key`` with the task head.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(batch_size)s

        Returns
        -------
        Table of cells x labels.

        Raises
        ------
        ValueError
            If the model was set up without labels.
        """
        names = self._label_names()
        data = self._validate_anndata(adata)
        cells, found = self._chosen(data, indices), []
        z, own = self._latent_means(data, cells, batch_size), self._covariates_of(data, cells)
        self.module.eval()
        for start in range(0, len(cells), step := _BATCH if batch_size is None else batch_size):
            parts = (torch.from_numpy(part[start : start + step]).to(self.module.device) for part in (z, *own))
            found.append(torch.softmax(self._logits(*parts), 1).cpu().numpy())
        return pd.DataFrame(np.concatenate(found), index=self._modality(data).obs_names[cells], columns=names)

    def attribution_target(self, kind: Literal["latent", "logit"] = "latent", **covariates: Any) -> AttributionTarget:
        """Return a differentiable function of the expression, for attributions.

        Parameters
        ----------
        kind
            ``"latent"``: the means of the latent units. ``"logit"``: the logits of the labels of ``labels_key``.
        **covariates
            Value of each covariate that the network reads beside the expression.

        Returns
        -------
        The function, the transform from counts to its input, and the names of its outputs.

        Raises
        ------
        ValueError
            If the kind does not exist, or a covariate has no value.
        """
        if kind not in ("latent", "logit"):
            msg = f"`kind` must be 'latent' or 'logit', got {kind!r}."
            raise ValueError(msg)
        names = unit_names(self.preset_.n_latent) if kind == "latent" else self._label_names()
        fixed = self._fixed(covariates)
        module = self.module.eval()

        def latent(x: Tensor) -> Tensor:
            return module.posterior(x, *(part.expand(len(x), -1) for part in fixed))[0]

        def logits(x: Tensor) -> Tensor:
            return self._logits(latent(x), *(part.expand(len(x), -1) for part in fixed))

        return AttributionTarget(latent if kind == "latent" else logits, module.read, names, kind=kind)

    def decoder_target(self, **covariates: Any) -> DecoderTarget:
        """Return a differentiable function from latent units to log expression.

        Parameters
        ----------
        **covariates
            Value of each covariate.

        Returns
        -------
        The function and the names of the units.

        Raises
        ------
        ValueError
            If a covariate has no value.
        """
        fixed = self._fixed(covariates)
        module = self.module.eval()

        def log_mean(z: Tensor) -> Tensor:
            return torch.log_softmax(module.decode(z, *(part.expand(len(z), -1) for part in fixed))[0], 1)

        return DecoderTarget(log_mean, unit_names(self.preset_.n_latent))

    def _fixed(self, covariates: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Covariates of a target, as one row."""
        self._check_if_trained(warn=False)
        known = self._covariates()
        missing = [name for name in known.names if name not in covariates]
        if missing:
            msg = f"The network reads covariates beside the genes: give a fixed value of {listed(missing)}."
            raise ValueError(msg)
        codes, values = known.encode(pd.DataFrame([dict(covariates)]), what="**covariates")
        device = self.module.device
        return torch.from_numpy(codes).to(device), torch.from_numpy(values).to(device)

    def _label_names(self) -> list[str]:
        if self.module.task is None:
            msg = "The model was set up without labels: name their column in the setup (`labels_key=`)."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        state = self.registry["field_registries"][KEYS.LABELS]["state_registry"]
        return [str(name) for name in state["categorical_mapping"]]

    def _logits(self, z: Tensor, codes: Tensor, values: Tensor) -> Tensor:
        logits = self.module.decode(z, codes, values)[1]
        assert logits is not None
        return logits

    def _covariates(self) -> Covariates:
        return Covariates(self.categories_, super()._covariates().continuous)

    def _decoder(self, adata: AnnData | MuData) -> Decoder:
        return self.module.rates

    @torch.inference_mode()
    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], batch_size: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if (stored := self._stored_posterior(adata, cells)) is not None:
            return stored
        mean, sd = zip(*self._posteriors(adata, cells, batch_size), strict=True)
        return np.concatenate(mean), np.concatenate(sd)

    def _posteriors(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], batch_size: int | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        for tensors in self._batches(adata, cells, batch_size=batch_size):
            mean, sd = self.module.posterior(tensors[KEYS.INPUT], *self.module.covariates_of(tensors))
            yield mean.cpu().numpy(), sd.cpu().numpy()

    def _latent_means(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], batch_size: int | None
    ) -> NDArray[np.float32]:
        return self._posterior(adata, cells, batch_size)[0]

    def _count_means(self, z: Tensor, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        module = self.module
        log_scale, _ = module.decode(z, *module.covariates_of(tensors))
        size = module.size(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))
        return log_scale.exp() * size, module.log_theta.exp()

    def _read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        return self.module.read(x)
