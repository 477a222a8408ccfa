"""The base class of models of perturbation screens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from scvi.utils import setup_anndata_dsp

from scpi._keys import Key
from scpi._screen._checks import scale_of
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import ModelBase
from scpi.model.base.calibration._calibration import CalibrationMixin
from scpi.model.base.calibration._intervals import IntervalMixin
from scpi.model.base.counts._mixin import DrawnCellsMixin
from scpi.model.base.effects._spread import take_spread
from scpi.model.base.explanation._mixin import ExplanationMixin
from scpi.model.base.prediction._evaluate import EvaluationMixin
from scpi.model.base.prediction._predict import PredictionMixin
from scpi.model.base.prediction._profiles import take_profiles
from scpi.model.base.setup._conditions import ConditionsMixin
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import ContextField, GeneSetField, LabelField, PerturbationField, SizeFactorField

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._checks import Scale
    from scpi._screen._labels import Control
    from scpi.model.base.effects._spread import Spread
    from scpi.model.base.prediction._profiles import Profiles


class ScreenModel(
    EvaluationMixin,
    ExplanationMixin,
    CalibrationMixin,
    PredictionMixin,
    IntervalMixin,
    DrawnCellsMixin,
    ConditionsMixin,
    ModelBase,
):
    """Base class of models that learn from a perturbation screen, and predict perturbed cells.

    Subclasses build their network in ``__init__``, train it in ``train``, and implement ``_predict_cells``, which
    predicts what control cells become under perturbations.
    """

    scale_: Scale = "logs"

    _fields: ClassVar[tuple[Field, ...]] = (
        Field(
            argument="perturbation_key",
            registry_key=KEYS.CONDITION,
            make=PerturbationField,
            options=("control", "delimiter", "dose_key"),
            columns=("dose_key",),
            required=True,
        ),
        Field(argument="gene_sets_key", registry_key=KEYS.GENE_SETS, make=GeneSetField, modality="layer"),
        Field(argument="context_key", registry_key=KEYS.CONTEXT, make=ContextField),
        Field(argument="batch_key", registry_key=KEYS.BATCH, make=LabelField),
        Field(argument="size_factor_key", registry_key=KEYS.SIZE_FACTOR, make=SizeFactorField),
    )

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        state = self._perturbation_state()
        self.perturbations_: list[str] = list(state["vocabulary"])
        self.control_: str = state["controls"][0]
        self.delimiter_: str | None = state["delimiter"]
        self.trained_conditions_: list[str] = []
        self.trained_contexts_: dict[str, list[str]] = {}
        self.left_out_ = {}
        if adata is not None:
            self.scale_ = scale_of(self._field(self.adata, KEYS.X))

    def _profiles_of(self, values: Any, rows: NDArray[np.int64], cells: NDArray[np.int64]) -> Profiles:
        """Average the given rows of ``values`` by context and condition."""
        n_contexts = len(self._known_contexts()) if self.has_contexts else 1
        design = self._conditions(self.adata)[0]
        return take_profiles(values, rows, design=design, n_contexts=n_contexts, **self._group_codes(cells))

    def _spread_of(self, values: Any, rows: NDArray[np.int64], cells: NDArray[np.int64], profiles: Profiles) -> Spread:
        """Compute the variances of the given rows of ``values`` about their ``profiles``."""
        return take_spread(values, rows, profiles, **self._group_codes(cells))

    def _group_codes(self, cells: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        return {
            "condition": self._conditions(self.adata)[1][cells],
            "context": self._context_codes(self.adata)[cells],
            "is_control": self._labels(self.adata)[cells] == self.control_,
        }

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        counts_layer: str | None = None,
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
        counts_layer
            Entry of ``adata.layers`` with the counts from which the log-normalised expression was computed.
            :meth:`predict` uses them to give predicted cells counts as well. If ``None``, ``"counts"`` if it exists.
        perturbation_key
            Column of ``adata.obs`` with the label of each cell: a perturbation, several joined by ``delimiter`` in any
            order, or the control. A control within a combination is ignored: ``"A+control"`` is ``"A"``.
        control
            Label of the unperturbed cells, or a list of such labels.
        delimiter
            String that separates the perturbations of a combination; ``None`` if no label is a combination.
        context_key
            Column of ``adata.obs`` with the context that predictions transfer across, such as the cell type. Perturbed
            cells are compared with controls of their own context.
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
        TypeError
            If ``adata`` is not an AnnData. For a MuData, use :meth:`setup_mudata`.
        KeyError
            If a key does not exist.
        ValueError
            If values are NaN or infinite, names are repeated, labels are missing or not assigned, no cell is a control,
            a dose is not a number, or the model reads log-normalised expression and counts are given.
        """
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)
