"""Setting up, checking and reading the data of a perturbation screen."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from scvi.data import AnnDataManager
from scvi.data import fields as scvi_fields
from scvi.utils import setup_anndata_dsp

from scpi._keys import Key
from scpi._screen._checks import check_annotations, check_expression, check_paired
from scpi._screen._conditions import encode_conditions
from scpi._screen._labels import Labelling
from scpi._slots import find_layer, layer_name
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import ModelBase, check_modalities
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
    from numpy.typing import NDArray

    from scpi._screen._conditions import Dose
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


class ScreenModel(ModelBase):
    """Base class of models that read a perturbation screen: setup, checks, labels and expression.

    Subclasses build themselves in ``__init__``, train in :meth:`train` and say in :meth:`_predict_cells` what control
    cells become under perturbations.
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

    @abstractmethod
    def _predict_cells(
        self,
        adata: AnnData | MuData,
        indices: NDArray[np.int64],
        design: NDArray[np.float32],
        *,
        sample: bool,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Expression of control cells ``indices`` under the doses ``design`` (n_perturbations,), cells x genes."""

    def _to_log_scale(self, expression: NDArray[np.float32]) -> NDArray[np.float32]:
        """Expression on the scale on which predictions are compared with measured cells."""
        return expression

    def _perturbation_state(self) -> dict[str, Any]:
        return self.registry["field_registries"][KEYS.CONDITION]["state_registry"]

    @property
    def labelling(self) -> Labelling:
        """How the labels of the screen are written."""
        state = self._perturbation_state()
        return Labelling(tuple(state["controls"]), state["delimiter"])

    def encode_perturbations(
        self, labels: Sequence[str], doses: Sequence[Dose | Sequence[float] | None] | None = None
    ) -> NDArray[np.float32]:
        """Doses of the single perturbations in labels.

        Parameters
        ----------
        labels
            Labels such as ``"A"`` or ``"B+A"``.
        doses
            Dose of each label: one for all of its members, or one for each, by name. 1 without.

        Returns
        -------
        Array of shape (n_labels, n_perturbations).

        Raises
        ------
        ValueError
            If a label holds a perturbation that the model does not know.
        """
        return encode_conditions(labels, self.perturbations_, self.labelling, doses)

    def canonical(self, label: str) -> str:
        """The spelling of a label that the model uses.

        Parameters
        ----------
        label
            Label with its members in any order.

        Returns
        -------
        Members sorted and joined by the delimiter, without repeats and without the control, or the control.
        """
        return self.labelling.canonical(label)

    def _labels(self, adata: AnnData | MuData) -> NDArray[np.object_]:
        """Canonical label of every cell."""
        state = self.get_anndata_manager(adata, required=True).get_state_registry(KEYS.CONDITION)
        return np.asarray(state["conditions"], dtype=object)[self._codes(adata)]

    def _doses(self, adata: AnnData | MuData) -> NDArray[np.float64]:
        """Dose of every cell, the largest one of its members where they differ; 0 for controls, and 1 without doses."""
        state = self.get_anndata_manager(adata, required=True).get_state_registry(KEYS.CONDITION)
        largest = [max(doses, default=0.0) for doses in state["doses"]]
        return np.asarray(largest, dtype=np.float64)[self._codes(adata)]

    def _codes(self, adata: AnnData | MuData) -> NDArray[np.int64]:
        """Code of the condition of every cell."""
        return np.asarray(self._field(adata, KEYS.CONDITION)).ravel().astype(np.int64)
