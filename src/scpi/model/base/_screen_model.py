"""The base class of models of perturbation screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi.data import AnnDataManager
from scvi.data import fields as scvi_fields
from scvi.utils import setup_anndata_dsp

from scpi._keys import Key
from scpi._screen._checks import check_annotations, check_expression, check_paired
from scpi._slots import find_layer, layer_name
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import ModelBase, check_modalities
from scpi.model.base.prediction._evaluate import EvaluationMixin
from scpi.model.base.prediction._predict import PredictionMixin
from scpi.model.base.setup._conditions import ConditionsMixin
from scpi.model.base.setup._fields import (
    ContextField,
    GeneSetField,
    LabelField,
    MuDataContextField,
    MuDataGeneSetField,
    MuDataLabelField,
    MuDataPerturbationField,
    MuDataSizeFactorField,
    PerturbationField,
    SizeFactorField,
)
from scpi.model.base.setup._rollback import unchanged_on_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

    from scpi._screen._labels import Control

_MODALITY_ARGS = (
    "layer",
    "perturbation_key",
    "context_key",
    "dose_key",
    "batch_key",
    "size_factor_key",
    "gene_sets_key",
)


class ScreenModel(EvaluationMixin, PredictionMixin, ConditionsMixin, ModelBase):
    """Base class of models that learn from a perturbation screen, predict it and are compared with it.

    Subclasses build themselves in ``__init__``, train in ``train`` and say in ``_predict_cells`` what control cells become
    under perturbations.
    """

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        state = self._perturbation_state()
        self.perturbations_: list[str] = list(state["vocabulary"])
        self.control_: str = state["controls"][0]
        self.delimiter_: str | None = state["delimiter"]
        self.trained_conditions_: list[str] = []

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        perturbation_key: str = Key.obs.PERTURBATION,
        control: Control | Sequence[Control] = "control",
        delimiter: str | None = "+",
        context_key: str | None = None,
        dose_key: str | None = None,
        batch_key: str | None = None,
        size_factor_key: str | None = None,
        gene_sets_key: str | None = Key.varm.GENE_SETS,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the expression; ``adata.X`` if ``None``.
        perturbation_key
            Column of ``adata.obs`` with the label of each cell: a perturbation, several joined by ``delimiter`` in any
            order, or the control. A control beside perturbations is left out: ``"A+control"`` is ``"A"``.
        control
            Label of the unperturbed cells, or a list of such labels.
        delimiter
            What separates the perturbations of a combination; ``None`` if no label is one.
        context_key
            Column of ``adata.obs`` with what a prediction transfers across, such as a cell type. Perturbed cells are
            compared with controls of their own context.
        dose_key
            Column of ``adata.obs`` with the dose of each perturbed cell: a number for all members of its label, or
            text with one number for each, in their order and joined as they are (``"10+0.5"``).
        %(param_batch_key)s
        %(param_size_factor_key)s
        gene_sets_key
            Entry of ``adata.varm`` with the gene sets, as :func:`scpi.tl.gene_sets` writes it.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        KeyError
            If a key does not exist.
        ValueError
            If values are NaN or infinite, names are repeated, labels are missing or not assigned, no cell is a control,
            a dose is not a number, or the model reads log-normalised expression and counts are given.
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        check_annotations(adata)
        check_expression(find_layer(adata, layer), logs=cls._reads_logs, what=layer_name(layer))
        fields = [
            scvi_fields.LayerField(KEYS.X, layer, is_count_data=False),
            PerturbationField(
                KEYS.CONDITION, perturbation_key, control=control, delimiter=delimiter, dose_key=dose_key
            ),
            GeneSetField(
                gene_sets_key, required=gene_sets_key != Key.varm.GENE_SETS and "source_registry" not in kwargs
            ),
            *([] if context_key is None else [ContextField(KEYS.CONTEXT, context_key)]),
            *([] if batch_key is None else [LabelField(KEYS.BATCH, batch_key)]),
            *([] if size_factor_key is None else [SizeFactorField(KEYS.SIZE_FACTOR, size_factor_key)]),
        ]
        manager = AnnDataManager(fields=fields, setup_method_args=setup_method_args)
        with unchanged_on_failure(adata):
            manager.register_fields(adata, **kwargs)
        cls.register_manager(manager)

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_mudata(
        cls,
        mdata: MuData,
        *,
        layer: str | None = None,
        perturbation_key: str = Key.obs.PERTURBATION,
        control: Control | Sequence[Control] = "control",
        delimiter: str | None = "+",
        context_key: str | None = None,
        dose_key: str | None = None,
        batch_key: str | None = None,
        size_factor_key: str | None = None,
        gene_sets_key: str | None = Key.varm.GENE_SETS,
        modalities: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary_mdata)s.

        Parameters
        ----------
        %(param_mdata)s
        layer
            Layer of the expression modality; its ``X`` if ``None``.
        perturbation_key, control, delimiter, context_key, dose_key, batch_key, size_factor_key, gene_sets_key
            As in :meth:`setup_anndata`.
        %(param_modalities)s ``{"layer": "rna"}`` takes the expression and, unless it is named, the gene sets from the
            modality "rna" and all labels from ``mdata.obs``; ``"perturbation_key": "rna"`` takes the labels from the
            modality.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        ValueError
            As :meth:`setup_anndata`, or if ``modalities`` does not say where the expression is.
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        modality = check_modalities(mdata, modalities, _MODALITY_ARGS)
        where = {argument: modality.get(argument) for argument in _MODALITY_ARGS}
        where["gene_sets_key"] = where["gene_sets_key"] or where["layer"]
        rna = mdata.mod[modality["layer"]]
        check_annotations(rna, what=f"mdata.mod[{modality['layer']!r}]")
        check_paired(mdata, modality["layer"])
        check_expression(find_layer(rna, layer), logs=cls._reads_logs, what=f"mdata.mod[{modality['layer']!r}]")
        optional = [
            (MuDataContextField, KEYS.CONTEXT, "context_key", context_key),
            (MuDataLabelField, KEYS.BATCH, "batch_key", batch_key),
            (MuDataSizeFactorField, KEYS.SIZE_FACTOR, "size_factor_key", size_factor_key),
        ]
        fields = [
            scvi_fields.MuDataLayerField(KEYS.X, layer, mod_key=where["layer"], is_count_data=False),
            MuDataPerturbationField(
                KEYS.CONDITION,
                perturbation_key,
                control=control,
                delimiter=delimiter,
                dose_key=dose_key,
                mod_key=where["perturbation_key"],
            ),
            MuDataGeneSetField(
                gene_sets_key,
                required=gene_sets_key != Key.varm.GENE_SETS and "source_registry" not in kwargs,
                mod_key=where["gene_sets_key"],
            ),
            *(
                field(key, column, mod_key=where[argument])
                for field, key, argument, column in optional
                if column is not None
            ),
        ]
        manager = AnnDataManager(fields=fields, setup_method_args=setup_method_args)
        with unchanged_on_failure(mdata):
            manager.register_fields(mdata, **kwargs)
        cls.register_manager(manager)
