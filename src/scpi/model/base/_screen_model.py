"""Setting up, checking and reading the data of a perturbation screen."""

from __future__ import annotations

import pickle
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from anndata import AnnData
from scipy import sparse
from scvi.data import AnnDataManager
from scvi.data import fields as scvi_fields
from scvi.data._constants import _SCVI_UUID_KEY
from scvi.model.base import BaseModelClass
from scvi.model.base._constants import SAVE_KEYS
from scvi.utils import setup_anndata_dsp

from scpi._keys import Key
from scpi.model.base._checks import check_annotations, check_expression, check_paired
from scpi.model.base._constants import KEYS
from scpi.model.base._field import (
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
from scpi.model.base._labels import canonical_label, encode_labels
from scpi.model.base._rollback import unchanged_on_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from mudata import MuData
    from numpy.typing import NDArray

_MODALITY_ARGS = (
    "layer",
    "perturbation_key",
    "context_key",
    "dose_key",
    "batch_key",
    "size_factor_key",
    "gene_sets_key",
)


class ScreenModel(BaseModelClass):
    """Base class of models that read a perturbation screen: setup, checks, labels and expression.

    Subclasses build themselves in ``__init__``, train in :meth:`train` and say in :meth:`_predict_cells` what control
    cells become under perturbations.
    """

    _reads_counts = False
    """Whether the expression must be counts."""

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        self._checked: AnnData | MuData | None = None
        self._copy: AnnData | MuData | None = None
        state = self._perturbation_state()
        self.perturbations_: list[str] = list(state["vocabulary"])
        self.control_: str = state["control"]
        self.delimiter_: str = state["delimiter"]
        self.trained_conditions_: list[str] = []
        if adata is not None:
            self.var_names_: list[str] = self._var(self.adata).index.astype(str).tolist()

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        perturbation_key: str = Key.obs.PERTURBATION,
        control: str = "control",
        delimiter: str = "+",
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
            order, or the control.
        control
            Label of the unperturbed cells.
        delimiter
            What separates the perturbations of a combination.
        context_key
            Column of ``adata.obs`` with what a prediction transfers across, such as a cell type. Perturbed cells are
            compared with controls of their own context.
        dose_key
            Numeric column of ``adata.obs``: the dose of each perturbed cell, which multiplies its intervention.
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
            If values are NaN or infinite, names are repeated, labels are missing, or no cell is a control.
        """
        setup_method_args = cls._get_setup_method_args(**locals())
        check_annotations(adata)
        check_expression(_layer(adata, layer), what="adata.X" if layer is None else f"adata.layers[{layer!r}]")
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
        control: str = "control",
        delimiter: str = "+",
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
        modality = _check_modalities(mdata, modalities)
        where = {argument: modality.get(argument) for argument in _MODALITY_ARGS}
        where["gene_sets_key"] = where["gene_sets_key"] or where["layer"]
        rna = mdata.mod[modality["layer"]]
        check_annotations(rna, what=f"mdata.mod[{modality['layer']!r}]")
        check_paired(mdata, modality["layer"])
        check_expression(_layer(rna, layer), what=f"mdata.mod[{modality['layer']!r}]")
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

    @classmethod
    def load(cls, dir_path: str, adata: AnnData | MuData | bool | None = None, **kwargs: Any) -> Self:
        """Load a saved model, as :meth:`scvi.model.base.BaseModelClass.load`.

        A saved model is a Python pickle: load only files that you trust.

        Parameters
        ----------
        dir_path
            Folder of the saved model.
        adata
            Data to load it with. If ``None``, the data that was saved with the model; if ``False``, none.
        **kwargs
            As in scvi-tools.

        Raises
        ------
        ValueError
            If the file is damaged or is not a saved model, or the genes of the data are not those of the model.
        """
        path = Path(dir_path) / f"{kwargs.get('prefix') or ''}{SAVE_KEYS.MODEL_FNAME}"
        if path.is_file():
            saved = _read_saved(path)
            if adata is not None and adata is not False and "var_names_" in saved:
                modality = _modality(adata, saved["registry_"])
                check_annotations(modality)
                _check_genes(modality.var_names, saved["var_names_"])
        try:
            if adata is None or adata is False:
                return super().load(dir_path, adata, **kwargs)
            with unchanged_on_failure(adata):
                return super().load(dir_path, adata, **kwargs)
        except RuntimeError as error:
            if "PytorchStreamReader" not in str(error):
                raise
            raise ValueError(_damaged(path, error)) from error

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

    def _comparable(self, expression: NDArray[np.float32]) -> NDArray[np.float32]:
        """Expression on the scale on which predictions are compared with measured cells."""
        return expression

    def _perturbation_state(self) -> dict[str, Any]:
        return self.registry["field_registries"][KEYS.CONDITION]["state_registry"]

    def encode_perturbations(self, labels: Sequence[str], doses: Sequence[float] | None = None) -> NDArray[np.float32]:
        """Doses of the single perturbations in labels.

        Parameters
        ----------
        labels
            Labels such as ``"A"`` or ``"B+A"``.
        doses
            Dose of each label; 1 without.

        Returns
        -------
        Array of shape (n_labels, n_perturbations).

        Raises
        ------
        ValueError
            If a label holds a perturbation that the model does not know.
        """
        return encode_labels(labels, self.perturbations_, control=self.control_, delimiter=self.delimiter_, doses=doses)

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
        return canonical_label(label, control=self.control_, delimiter=self.delimiter_)

    def _validate_anndata(self, adata: AnnData | MuData | None = None, copy_if_view: bool = True) -> AnnData | MuData:
        """Check new data before scvi-tools transfers the setup to it; a view is left alone and its copy used."""
        if adata is None and self.adata is None:
            msg = "The model was loaded without data: pass the cells as `adata`."
            raise ValueError(msg)
        if adata is None or adata is self.adata:
            return super()._validate_anndata(adata, copy_if_view=copy_if_view)
        is_copy = adata.is_view
        if is_copy:
            adata = adata.copy()
        if adata is not self._checked:
            modality = _modality(adata, self.registry)
            check_annotations(modality)
            _check_genes(modality.var_names, self.var_names_)
            layer = self.registry["setup_args"].get("layer")
            check_expression(_layer(modality, layer), counts=self._reads_counts)
            self._checked = None
        with unchanged_on_failure(adata):
            adata = super()._validate_anndata(adata, copy_if_view=copy_if_view)
        # Copies of views are no one else's: scvi-tools would keep each of them.
        if self._copy is not None and self._copy is not adata and self._copy is not self.adata:
            self._per_instance_manager_store[self.id].pop(self._copy.uns[_SCVI_UUID_KEY], None)
        self._checked, self._copy = adata, adata if is_copy else None
        return adata

    def _modality(self, adata: AnnData | MuData) -> AnnData:
        """The AnnData that holds the expression."""
        return _modality(adata, self.registry)

    def _var(self, adata: AnnData | MuData) -> pd.DataFrame:
        return self._modality(adata).var

    def _field(self, adata: AnnData | MuData, key: str) -> Any:
        """Registered values of the cells of ``adata``, after validation."""
        return self.get_anndata_manager(adata, required=True).get_from_registry(key)

    def _has_field(self, key: str) -> bool:
        return bool(self.registry["field_registries"].get(key, {}).get("data_registry"))

    def _labels(self, adata: AnnData | MuData) -> NDArray[np.object_]:
        """Canonical label of every cell."""
        return self._of_condition(adata, "conditions")

    def _doses(self, adata: AnnData | MuData) -> NDArray[np.float64]:
        """Dose of every cell: 0 for controls, and 1 without a dose column."""
        return self._of_condition(adata, "doses").astype(np.float64)

    def _of_condition(self, adata: AnnData | MuData, name: str) -> NDArray[np.object_]:
        """What is registered of the condition of every cell."""
        state = self.get_anndata_manager(adata, required=True).get_state_registry(KEYS.CONDITION)
        codes = np.asarray(self._field(adata, KEYS.CONDITION)).ravel().astype(np.int64)
        return np.asarray(state[name], dtype=object)[codes]

    def _expression(self, adata: AnnData | MuData, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dense expression of some cells."""
        rows = self._field(adata, KEYS.X)[indices]
        return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=np.float32)


def _layer(adata: AnnData, layer: str | None) -> Any:
    """Matrix of a layer."""
    if layer is None:
        return adata.X
    if layer not in adata.layers:
        msg = f"{layer!r} is not a layer of the data, which has {list(adata.layers)}."
        raise KeyError(msg)
    return adata.layers[layer]


def _read_saved(path: Path) -> dict[str, Any]:
    """Attributes of a saved model."""
    try:
        # Mapped, so that only what is no tensor is read.
        saved = torch.load(path, map_location="cpu", mmap=True, weights_only=False)
        attributes: dict[str, Any] = saved[SAVE_KEYS.ATTR_DICT_KEY]
        attributes["registry_"]
    except (EOFError, pickle.UnpicklingError, RuntimeError, AttributeError, LookupError, TypeError, OSError) as error:
        raise ValueError(_damaged(path, error)) from error
    return attributes


def _damaged(path: Path, error: Exception) -> str:
    return f"The model file {str(path)!r} is damaged or is not a model of scpi ({error})."


def _modality(adata: AnnData | MuData, registry: dict[str, Any]) -> AnnData:
    """The AnnData that holds the expression, of data of the kind that the model was set up with."""
    modality = registry["field_registries"][KEYS.X]["data_registry"].get("mod_key")
    wanted, given = "AnnData" if modality is None else "MuData", "AnnData" if isinstance(adata, AnnData) else "MuData"
    if wanted != given:
        msg = f"The model was set up with {wanted}, but {given} was given."
        raise TypeError(msg)
    if modality is None:
        return adata
    if modality not in adata.mod:
        msg = f"The model reads the modality {modality!r}, but the data has {list(adata.mod)}."
        raise ValueError(msg)
    check_paired(adata, modality)
    return adata.mod[modality]


def _check_genes(given: pd.Index, wanted: Sequence[str]) -> None:
    """The genes must be those of the model, in its order."""
    names = given.astype(str)
    if names.tolist() == list(wanted):
        return
    known = set(names)
    missing = [name for name in wanted if name not in known]
    msg = (
        f"The data lacks {len(missing)} of the {len(wanted)} genes that the model was trained on, "
        f"for instance {missing[:5]}."
        if missing
        else "The genes of the data are not those of the model, in its order. Take `adata[:, model.var_names_].copy()`."
    )
    raise ValueError(msg)


def _check_modalities(mdata: MuData, modalities: dict[str, str] | None) -> dict[str, str]:
    """Modality of each argument of the setup."""
    there = list(mdata.mod)
    if not modalities or "layer" not in modalities:
        msg = f"`modalities` must say where the expression is, such as {{'layer': {there[0]!r}}}. There are {there}."
        raise ValueError(msg)
    unknown = sorted(set(modalities) - set(_MODALITY_ARGS))
    if unknown:
        msg = f"`modalities` has no place for {unknown}; it takes {list(_MODALITY_ARGS)}."
        raise ValueError(msg)
    for argument, modality in modalities.items():
        if modality is not None and modality not in mdata.mod:
            msg = f"`modalities[{argument!r}]` is {modality!r}, but the modalities are {there}."
            raise ValueError(msg)
    return modalities
