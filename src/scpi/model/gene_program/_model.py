"""Set-up, training, units and expression of gene programs."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np
import pandas as pd
import torch
from scvi.data._constants import _SETUP_ARGS_KEY
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._keys import Key
from scpi._layer_of_counts import layer_of_new_counts
from scpi._sequence import as_list
from scpi.attribution import AttributionTarget, DecoderTarget
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import COUNTS_ADVICE, ModelBase
from scpi.model.base.loading._dataset import CellBatch
from scpi.model.base.loading._input_transform import check_cells_differ
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.setup._covariate_fields import CategoricalsField, NumbersField
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import ContextField, GeneSetField, SizeFactorField
from scpi.model.base.targets._latent import LatentMixin
from scpi.model.base.training._presets import at_least, choose_preset, describe_settings
from scpi.model.base.training._training import NetworkTrainingMixin
from scpi.model.gene_program._module import GeneProgramModule
from scpi.model.gene_program._offsets import find_offsets
from scpi.model.gene_program._plan import GeneProgramPlan
from scpi.model.gene_program._presets import PRESETS, RULES
from scpi.model.gene_program._query import align_genes, found_weight, missing_genes
from scpi.model.gene_program._start import find_start
from scpi.model.gene_program._statistics import unit_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.gene_program._settings import Settings

# Size, cells x genes, of the sample that initialises the training
_START_NUMBERS = 1 << 25
_MOST_START_CELLS = 5000
# Limits of batch effects at the start: rarely expressed genes give no reliable estimate
_LEAST_SLOPE, _MOST_OFFSET = 0.02, 2.0
_UNKNOWN = "unknown"


@describe_settings(PRESETS)
@fill
class GeneProgramAE(NetworkTrainingMixin, LatentMixin, ModelBase):
    """Autoencoder of counts whose latent units are gene programs.

    Units are non-negative and sparsely active, and each changes the log expression of few genes. A unit can thus be
    read as a gene program that is active in some cells. The encoder is a neural network. By default, the decoder is
    linear in log expression and gives the fraction of the depth of a cell for each gene, under a negative binomial
    likelihood. Each gene has an offset for every batch and category, and a slope for every continuous covariate. These
    effects are kept out of the directions in which units change the genes, and removed from the input of the encoder.
    Training starts from non-negative factors and principal components of log expression. With gene sets, units are
    restricted to the genes of a set, or softly attracted to them; further units are free.

    The presets ``"paul"``, ``"pbmc"`` and ``"velten"`` have the settings of Kinalis et al. (2019), "Deconvolution of
    autoencoders to learn biological regulatory modules from single cell mRNA sequencing data": Poisson rates of raw
    counts, soft orthogonality of the weights into the units (with a working gradient here), and batches of one cell.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    preset
        ``"scpi"`` (default), or published settings: ``"paul"``, ``"pbmc"`` or ``"velten"``.
    n_units
        Number of latent units; with ``mask``, of free units beside those of the gene sets. If ``None``, that of the
        preset, or, with ``mask``, 0.
    mask
        Use of the gene sets of the setup. ``"hard"``: the unit of a set has weights for its genes only. ``"soft"``:
        weights for other genes are allowed but penalised more. ``None``: gene sets are not used.
    outside
        With ``mask="soft"``, the factor by which weights outside the gene set of a unit are penalised more.
    %(model_seed)s
    **preset_kwargs
        Other attributes of the preset to change, such as ``likelihood``, ``orthogonality`` or ``n_hidden``.

    Raises
    ------
    %(preset_TypeError)s
    ValueError
        If a value is out of its range, or there are no gene sets for ``mask``.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(200, 100, 3, n_genes_per_program=20, rng=0)
    >>> scpi.model.GeneProgramAE.setup_anndata(adata)
    >>> model = scpi.model.GeneProgramAE(adata, n_units=5)
    >>> model.train(max_epochs=5, enable_progress_bar=False)
    >>> adata.obsm["X_scpi"] = model.get_latent_representation()
    >>> model.get_loadings().shape
    (100, 5)
    """

    _training_plan_cls = GeneProgramPlan
    _reads_counts = True
    _advice = COUNTS_ADVICE
    _fields = (
        Field(argument="gene_sets_key", registry_key=KEYS.GENE_SETS, make=GeneSetField, modality="layer"),
        Field(argument="batch_key", registry_key=KEYS.BATCH, make=ContextField),
        Field(argument="categorical_covariate_keys", registry_key=KEYS.CATEGORICAL, make=CategoricalsField),
        Field(argument="continuous_covariate_keys", registry_key=KEYS.CONTINUOUS, make=NumbersField),
        Field(argument="size_factor_key", registry_key=KEYS.SIZE_FACTOR, make=SizeFactorField),
    )

    module: GeneProgramModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "paul", "pbmc", "velten"] = "scpi",
        n_units: int | None = None,
        mask: Literal["hard", "soft"] | None = None,
        outside: float = 10.0,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        allowed, sets = self._mask(mask, self._n_genes)
        n_free = (0 if sets else None) if n_units is None else n_units
        changes = preset_kwargs | ({} if n_free is None else {"n_units": len(sets) + n_free})
        self.preset_ = choose_preset(type(self), PRESETS, preset, changes, RULES)
        if mask is not None and self.preset_.decoder_hidden:
            msg = "`mask` restricts weights from units to genes, but `decoder_hidden` puts hidden layers between them."
            raise ValueError(msg)
        n_free = self.preset_.n_units - len(sets)
        if n_free and allowed is not None:
            allowed = torch.cat([allowed, torch.ones(n_free, allowed.shape[1], dtype=torch.bool)])
        self.units_ = [*sets, *(f"unit_{index}" for index in range(n_free))]
        self._build(
            lambda: GeneProgramModule(
                self._n_genes,
                n_batch=self._statistic(KEYS.BATCH, f"n_{KEYS.BATCH}", default=1),
                n_categories=self._n_categories,
                n_continuous=self._statistic(KEYS.CONTINUOUS, f"n_{KEYS.CONTINUOUS}"),
                preset=self.preset_,
                allowed=allowed,
                outside=outside if mask == "soft" else None,
            ),
            seed=seed,
            preset=preset,
            gene_sets=len(sets),
            of_preset=("n_units", "likelihood"),
        )
        self.n_known_batches_: int | None = None
        self.init_params_ = self._get_init_params(locals())

    def _mask(self, mask: str | None, n_genes: int) -> tuple[Tensor | None, list[str]]:
        """Genes of the units of gene sets, and the names of the sets."""
        if mask is None:
            return None, []
        if mask not in ("hard", "soft"):
            msg = f"`mask` must be 'hard', 'soft' or None, got {mask!r}."
            raise ValueError(msg)
        state = self.registry["field_registries"].get(KEYS.GENE_SETS, {}).get("state_registry", {})
        if not len(state.get("names", [])):
            msg = (
                "`mask` needs gene sets, and the setup has none. Add them with `scpi.tl.gene_sets(adata, 'sets.gmt')` "
                "before `setup_anndata`."
            )
            raise ValueError(msg)
        allowed = torch.zeros(len(state["names"]), n_genes, dtype=torch.bool)
        allowed[torch.as_tensor(state["sets"]), torch.as_tensor(state["genes"])] = True
        return allowed, [str(name) for name in state["names"]]

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        gene_sets_key: str | None = Key.varm.GENE_SETS,
        batch_key: str | None = None,
        categorical_covariate_keys: str | Sequence[str] | None = None,
        continuous_covariate_keys: str | Sequence[str] | None = None,
        size_factor_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X``
            does not hold counts.
        gene_sets_key
            Entry of ``adata.varm`` with gene sets for ``mask``, as :func:`scpi.tl.gene_sets` writes it.
        batch_key
            Column of ``adata.obs`` with the batch of each cell. Every gene has an offset in each batch, which is
            subtracted from the input of the encoder. Cells of batches that were not trained on get the mean offset.
        categorical_covariate_keys
            Columns of ``adata.obs`` with categories, such as sex or chemistry, that shift the expression of every gene.
            A category that was not trained on is an error.
        continuous_covariate_keys
            Columns of ``adata.obs`` with numbers, such as the fraction of mitochondrial counts. They are standardised
            over the training cells, and the log expression of every gene has a slope for each.
        size_factor_key
            Column of ``adata.obs`` with the depth of each cell; its total count if ``None``.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        TypeError
            If ``adata`` is not an AnnData. For a MuData, use :meth:`setup_mudata`.
        KeyError
            If a layer, a column or an entry of ``adata.varm`` does not exist.
        ValueError
            If values are not counts, names are repeated, or a cell has no value of its batch or of a covariate.
        """
        categorical_covariate_keys = as_list(categorical_covariate_keys or ()) or None
        continuous_covariate_keys = as_list(continuous_covariate_keys or ()) or None
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        train_size: float | None = None,
        validation_size: float | None = None,
        batch_size: int | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model. A model of :meth:`load_query_data` learns only the offsets of its new batches.

        Parameters
        ----------
        %(max_epochs)s
        %(devices)s
        %(validation_size)s
            The fraction of training cells is that of the preset if ``None``.
        %(train_batch_size)s
        %(plan_kwargs)s
        %(train_seed)s
        %(trainer_kwargs)s
        """
        preset, transform = self.preset_, self.module.transform.cpu()
        batch_size = preset.batch_size if batch_size is None else at_least(batch_size, 1, "batch_size")
        splitter = self._split(
            partial(single_cells, batch_size=batch_size, shuffle=preset.shuffle),
            transform=transform,
            train_size=preset.train_size if train_size is None else train_size,
            validation_size=validation_size,
            seed=seed,
        )
        self._start(splitter)
        n_epochs = self._n_epochs(max_epochs, splitter.n_batches)
        plan = {
            "n_cells": splitter.n_train,
            "n_epochs": n_epochs,
            "n_batches": splitter.n_batches,
            "n_known_batches": self.n_known_batches_,
        }
        self._fit(
            n_epochs,
            splitter,
            plan_kwargs=plan | (plan_kwargs or {}),
            check_every=preset.check_every or 1,
            accelerator=accelerator,
            devices=devices,
            **trainer_kwargs,
        )

    def _n_epochs(self, max_epochs: int | None, n_batches: int) -> int:
        preset = self.preset_
        if max_epochs is None:
            max_epochs = preset.max_epochs or max(math.ceil(preset.n_steps / n_batches), preset.least_epochs)
        return at_least(max_epochs, 1, "max_epochs")

    def _start(self, splitter: CellSplitter) -> None:
        """Initialise the network from moments of the training cells, once."""
        if self.is_trained_:
            return
        transform = self.module.transform
        transform.fit(splitter.training_cells)
        if not self.preset_.data_init:
            return
        sample = splitter.sample(min(_MOST_START_CELLS, max(_START_NUMBERS // len(transform.rate), 1)))
        tensors = splitter.dataset[CellBatch(sample)]
        counts, x = tensors[KEYS.X], tensors[KEYS.INPUT]
        check_cells_differ(counts, tensors.get(KEYS.SIZE_FACTOR))
        scaled = counts / transform.relative_depth(counts, tensors.get(KEYS.SIZE_FACTOR))
        offsets = torch.zeros_like(self.module.level)
        if len(offsets) > 1:
            scaled, x, offsets = self._start_levels(splitter, tensors, scaled)
        mean, variance = transform.moments(splitter.training_cells)
        allowed = self.module.allowed
        start = find_start(
            torch.log1p(scaled).numpy(),
            x.numpy(),
            n_units=self.preset_.n_units,
            allowed=None if allowed is None else allowed.cpu().numpy(),
            mean=mean,
            variance=variance,
        )
        self.module.start(start, offsets)

    @torch.no_grad()
    def _start_levels(
        self, splitter: CellSplitter, tensors: dict[str, Tensor], scaled: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Counts at median depth and input without mean covariate effects, and these effects, levels x genes."""
        module = self.module
        if self._has_field(KEYS.CONTINUOUS):
            values = np.asarray(self._field(self.adata, KEYS.CONTINUOUS), dtype=np.float32)
            module.code.fit(torch.from_numpy(values[splitter.train_idx]))
        code = module.covariates(tensors)
        slope = (scaled / (1.0 + scaled)).mean(0)
        found = torch.from_numpy(find_offsets(torch.log1p(scaled).numpy(), code.numpy(), n_units=self.preset_.n_units))
        offsets = (found / slope.clamp(min=_LEAST_SLOPE)).clamp(-_MOST_OFFSET, _MOST_OFFSET)
        if module.reads_residuals:
            module.slope.copy_(slope / module.transform.scale)
        centred = code - code.mean(0)
        return scaled / (centred @ offsets).exp(), tensors[KEYS.INPUT] - module.slope * (centred @ offsets), offsets

    @property
    def _n_categories(self) -> list[int]:
        """Number of categories of each categorical covariate."""
        state = self.registry["field_registries"].get(KEYS.CATEGORICAL, {}).get("state_registry", {})
        return [len(known) for known in state.get("categories", {}).values()]

    @classmethod
    def prepare_query_anndata(cls, adata: AnnData, reference_model: GeneProgramAE) -> AnnData:
        """Align the genes of new cells with a trained model, to compute its units without training.

        A missing gene is set to its mean, not to zero. `uns["gene_overlap"]` reports the missing genes, and
        :meth:`gene_overlap` how much of each unit is covered.

        Parameters
        ----------
        adata
            Cells, whose gene names follow the convention of the model.
        reference_model
            Trained model.

        Returns
        -------
        Cells x genes of the model, with `obs` and `obsm` of `adata`. Other covariates of the model must be in `obs`. If
        the model has batches and `obs` has none, all cells get the batch "unknown". `var["missing"]` marks missing
        genes, and `uns["gene_overlap"]` counts the genes found.

        Raises
        ------
        ValueError
            If no gene of the model is in the data.
        """
        given = reference_model.registry[_SETUP_ARGS_KEY]
        prepared = align_genes(adata, reference_model.var_names_, layer=layer_of_new_counts(adata, given.get("layer")))
        batch_key = given.get("batch_key")
        if batch_key is not None and batch_key not in prepared.obs:
            # An unknown batch has the mean offset
            prepared.obs[batch_key] = pd.Categorical([_UNKNOWN] * prepared.n_obs)
        return prepared

    @classmethod
    def load_query_data(cls, adata: AnnData, reference_model: GeneProgramAE) -> Self:
        """Create a model for new cells with the programs of a trained model; training fits offsets of new batches.

        With these offsets, the units of a new batch are corrected like those of the other batches.

        Parameters
        ----------
        adata
            New cells, with the genes and covariates of the model, and a batch for each cell; see
            :meth:`prepare_query_anndata`.
        reference_model
            Trained model that was set up with batches.

        Returns
        -------
        The model, with the weights of the reference. :meth:`train` fits the offsets of new batches.

        Raises
        ------
        ValueError
            If the reference was set up without batches.
        """
        reference_model._check_if_trained(warn=False)
        if not reference_model._has_field(KEYS.BATCH):
            msg = "The model was set up without batches (`batch_key`), so there is nothing to fit to new batches."
            raise ValueError(msg)
        registry = reference_model.registry
        cls.setup_anndata(adata, source_registry=registry, extend_categories=True, **registry[_SETUP_ARGS_KEY])
        given = copy.deepcopy(reference_model.init_params_)
        model = cls(
            adata,
            **{name: value for name, value in given["non_kwargs"].items() if name != "registry"},
            **{name: value for group in given["kwargs"].values() for name, value in group.items()},
        )
        state = reference_model.module.state_dict()
        n_known, sizes = reference_model.module.n_batch, model.module.code.sizes
        known, others = state["level"][:n_known], state["level"][n_known:]
        state["level"] = torch.cat([known, known.mean(0).expand(int(sizes[0]) - n_known, -1), others])
        state["code.sizes"] = sizes
        model.module.load_state_dict(state)
        model.n_known_batches_, model.is_trained_ = n_known, True
        model.module.eval()
        return model

    def gene_overlap(self, adata: AnnData) -> pd.Series:
        """Compute the fraction of each unit that the genes of prepared data cover.

        Parameters
        ----------
        adata
            Cells from :meth:`prepare_query_anndata`.

        Returns
        -------
        Fraction of the squared effects of each unit, at the mean of the units, that falls on genes in the data.
        """
        effects = self._effects().detach().cpu().numpy()
        return pd.Series(found_weight(effects, missing_genes(adata)), index=pd.Index(self.units_, name="unit"))

    @fill
    @torch.inference_mode()
    def get_normalized_expression(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        gene_list: str | Sequence[str] | None = None,
        library_size: float = 1.0,
        batch_size: int | None = None,
        return_numpy: bool = False,
    ) -> pd.DataFrame | NDArray[np.float32]:
        """Decode denoised expression, at the mean of batches and covariates.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        gene_list
            Genes to return; all if ``None``.
        library_size
            Total of each cell. Models that decode rates (published presets) or the Gaussian input have no such total
            and return the decoded values.
        %(batch_size)s
        return_numpy
            Whether to return an array instead of a table.

        Returns
        -------
        Table of cells x genes.

        Raises
        ------
        KeyError
            If a gene is not in the model.
        """
        chosen = np.arange(len(self.var_names_)) if gene_list is None else self._places(as_list(gene_list))
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        cells = self._chosen(adata, indices)
        values = np.empty((len(cells), len(chosen)), dtype=np.float32)
        gaussian, fractions = self.preset_.likelihood == "gaussian", self.preset_.depth
        start = 0
        for x in self._inputs(adata, cells, batch_size=batch_size):
            found = self.module.decode(self.module.encode(x), self.module.mean_level())[:, chosen]
            found = found if gaussian else found.exp() * (library_size if fractions else 1.0)
            values[start : start + len(found)] = found.cpu().numpy()
            start += len(found)
        if return_numpy:
            return values
        names = self._modality(adata).obs_names[cells]
        return pd.DataFrame(values, index=names, columns=np.array(self.var_names_)[chosen])

    @fill
    @torch.inference_mode()
    def unit_statistics(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
    ) -> pd.DataFrame:
        """Summarise each unit and its effect on the reconstruction of cells.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(batch_size)s

        Returns
        -------
        Table of units: ``reconstruction_effect``, the mean increase of the loss per cell when the unit is set to 0;
        ``order``, its rank by that effect, from 0 on; ``mean``, ``std``, ``min`` and ``max`` of the unit;
        ``fraction_on``, the fraction of cells in which it is above 0; and ``vanished``, whether it changes the log
        expression of no gene by 0.05 in any cell.
        """
        self._check_if_trained(warn=False)
        batches = self._batches(self._validate_anndata(adata), indices, batch_size=batch_size)
        return unit_table(self.module, self.units_, batches)

    @torch.no_grad()
    def get_loadings(self) -> pd.DataFrame:
        """Return the loadings: the change of log expression of each gene when a unit rises by 1.

        Returns
        -------
        Table of genes x units. Loadings are relative, as the fractions of a cell sum to 1.

        Raises
        ------
        TypeError
            If the decoder has hidden layers and thus no loadings; use :func:`scpi.tl.saliency`.
        """
        if len(self.module.decoder):
            msg = "A decoder with hidden layers has no loadings: use `scpi.tl.saliency(..., method='decoder_effect')`."
            raise TypeError(msg)
        weights = self.module.gene_weights().T.cpu().numpy()
        return pd.DataFrame(weights, index=self.var_names_, columns=self.units_)

    def attribution_target(self, kind: Literal["latent"] = "latent") -> AttributionTarget:
        """Return a differentiable function of the expression, for attributions, at the mean of batches and covariates.

        Parameters
        ----------
        kind
            ``"latent"``: the units.

        Returns
        -------
        The function, the transform from counts to its input, and the names of its outputs.

        Raises
        ------
        ValueError
            If the kind does not exist.
        """
        if kind != "latent":
            msg = f"`kind` must be 'latent', got {kind!r}."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        module = self.module.eval()
        projection = module.first.weight.detach().T
        return AttributionTarget(
            module.encode,
            module.transform,
            self.units_,
            kind=kind,
            projection=projection,
            head=module.rest,
            non_negative=True,
        )

    def decoder_target(self) -> DecoderTarget:
        """Return a differentiable function from units to log expression, for effects of units.

        Returns
        -------
        The function, at the mean of the batches, and the names of the units.

        Raises
        ------
        TypeError
            If the likelihood is Gaussian: its mean may be negative and has no logarithm.
        """
        if self.preset_.likelihood == "gaussian":
            msg = "The means of a Gaussian likelihood may be negative and have no logarithm."
            raise TypeError(msg)
        self._check_if_trained(warn=False)
        module = self.module.eval()
        return DecoderTarget(lambda z: module.decode(z, module.mean_level().detach()), self.units_, non_negative=True)

    def _effects(self) -> Tensor:
        """Effects of the units at 0, units x genes."""
        self._check_if_trained(warn=False)
        return self.module.unit_effects(torch.zeros(len(self.units_), device=self.module.weight.device))

    def _units(self) -> list[str]:
        return self.units_

    def _read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        return self.module.transform(x, size_factor)

    def _batches(
        self,
        adata: AnnData | MuData,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        *,
        batch_size: int | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Counts and input of cells; missing genes have their mean."""
        transform = self.module.transform
        missing = torch.from_numpy(missing_genes(self._modality(adata))).to(transform.rate.device)
        # Scale the depth by the expected fraction of the genes found
        found = 1.0 - transform.rate[missing].sum() / transform.rate.sum()
        for batch in super()._batches(adata, indices, batch_size=batch_size):
            if len(missing):
                size = batch.get(KEYS.SIZE_FACTOR, batch[KEYS.X].sum(1) / found)
                batch[KEYS.INPUT] = transform(batch[KEYS.X], size)
            batch[KEYS.INPUT] = self.module.corrected(batch)
            batch[KEYS.INPUT][:, missing] = 0.0
            yield batch
