"""A model of tables of conditions, with a registry of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._keys import Key
from scpi._screen._checks import as_indices
from scpi._sequence import as_list
from scpi._slots import listed, result_params
from scpi.model.base._constants import KEYS, UNSEEN
from scpi.model.base._model_base import ModelBase
from scpi.model.base.setup._declaration import Field
from scpi.model.base.training._seed import resolve_seed
from scpi.model.base.training._training import check_ignored
from scpi.model.conditions._calibration import ConditionCalibrationMixin
from scpi.model.conditions._fields import ConditionField
from scpi.model.conditions._methods import describe_methods, make_methods
from scpi.model.conditions._module import ConditionsModule
from scpi.model.conditions._rows import Rows
from scpi.model.conditions._transform import to_signed_logp, to_z

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi.model.conditions._rows import Floats, Predictor

Transform = Literal["z"]


@fill
class ConditionModel(ConditionCalibrationMixin, ModelBase):
    """Predict unmeasured conditions from measured ones, as rows of signed log p-values or log fold changes.

    A condition is a perturbation in a context, such as a compound in a cell type. Its values are test results, one per
    gene (:func:`scpi.get.signed_logp`). :meth:`methods` lists the methods, from means to boosted trees.

    Parameters
    ----------
    adata
        Conditions x genes, after :meth:`setup_anndata` or :meth:`setup_mudata`.
    %(registry)s
    method
        Name of a method, or of several methods, whose predictions are averaged.
    features
        Features of the perturbations, perturbations x features, such as fingerprints of compounds. The index contains
        the names of all perturbations to train on or predict. Methods that use no features ignore them.
    transform
        ``"z"``: the values are signed log10 p-values, and are fitted and averaged as z-values, so that extreme values
        have less weight. ``None``: no transform.
    n_repeats
        Number of fits with different seeds. The prediction is their median.
    %(model_seed)s
    **options
        Options of the methods, as :meth:`methods` lists them.

    Raises
    ------
    TypeError
        If an option belongs to none of the methods.
    ValueError
        If a method is unknown, or the features are not numbers or lack a perturbation.
    """

    _reads_changes = True
    _fields = (
        Field(argument="perturbation_key", registry_key=KEYS.CONDITION, make=ConditionField, required=True),
        Field(argument="context_key", registry_key=KEYS.CONTEXT, make=ConditionField),
    )

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        method: str | Sequence[str] = "ridge",
        features: pd.DataFrame | None = None,
        transform: Transform | None = None,
        n_repeats: int = 1,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(adata, registry)
        self._methods = make_methods(as_list(method), options)
        if transform not in (None, "z") or n_repeats < 1:
            msg = f"`transform` must be 'z' or None and `n_repeats` at least 1, but are {transform!r} and {n_repeats}."
            raise ValueError(msg)
        self._features = _check_features(features)
        self._transform, self._n_repeats = transform, n_repeats
        self.method_ = [str(name) for name in as_list(method)]
        self.perturbations_ = self._categories(KEYS.CONDITION)
        self.contexts_ = self._categories(KEYS.CONTEXT) if self._has_field(KEYS.CONTEXT) else []
        self.seed_ = resolve_seed(seed)
        self.module = ConditionsModule()
        self.left_out_ = {}
        self._predictors: list[Predictor] | None = None
        self._model_summary_string = f"ConditionModel with method: {', '.join(self.method_)}"
        self.init_params_ = self._get_init_params(locals())

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        perturbation_key: str = Key.obs.PERTURBATION,
        context_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the values; ``adata.X`` if ``None``.
        perturbation_key
            Column of ``adata.obs`` with the perturbation of each condition, such as the compound.
        context_key
            Column of ``adata.obs`` with the context of each condition, such as the cell type; one context if ``None``.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        KeyError
            If a column or the layer does not exist.
        ValueError
            If a condition has no label, a value is missing or infinite, or names of conditions or genes are repeated.
        """
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    @staticmethod
    def methods() -> pd.DataFrame:
        """List the methods, with what each predicts and its options.

        Returns
        -------
        One row per method, with the columns `predicts` and `options` (names and defaults).
        """
        return describe_methods()

    def train(
        self,
        max_epochs: int | None = None,
        *,
        indices: ArrayLike | None = None,
        seed: int | None = None,
        **ignored: Any,
    ) -> None:
        """Fit the methods to measured conditions.

        Parameters
        ----------
        max_epochs
            Ignored; accepted for compatibility, as in the baselines.
        indices
            Positions, or a mask, of the conditions to train on, such as ``split.train``; all if ``None``.
        seed
            Seed of the methods that draw random numbers; that of the model if ``None``.
        **ignored
            Other arguments of the trainings of networks, which have no effect here.

        Raises
        ------
        ValueError
            If there are fewer than two conditions, or the features lack a perturbation.
        """
        check_ignored(self, ignored)
        rows = as_indices(indices, self._validate_anndata().n_obs)
        if len(rows) < 2:
            msg = f"At least two conditions are needed to learn from, but `indices` has {len(rows)}."
            raise ValueError(msg)
        perturbation = self._codes(KEYS.CONDITION)[rows]
        self._features_of(pd.Series(self.perturbations_).iloc[np.unique(perturbation)])
        self.seed_ = self.seed_ if seed is None else resolve_seed(seed)
        context = self._codes(KEYS.CONTEXT)[rows] if self.contexts_ else np.zeros_like(perturbation)
        values = self._expression(self.adata, rows)
        self.module.put({"values": values, "context": context, "perturbation": perturbation})
        self._predictors, self.left_out_ = None, {}
        self._fitted()
        self.train_indices = rows
        self.history_: dict[str, Any] = {}
        self.is_trained_ = True

    def predict(self, plan: pd.DataFrame | None = None, *, interval: float | None = None) -> AnnData:
        """Predict conditions.

        Parameters
        ----------
        plan
            Conditions to predict, one per row, with the registered columns: perturbation, and context if there is one.
            Other columns are kept. The registered conditions if ``None``.
        interval
            Coverage of prediction intervals, such as 0.9: the fraction of similar conditions whose measured value lies
            in the interval, gene by gene. The model must be calibrated (:meth:`calibrate`). Intervals of training
            conditions are as wide as if they had not been trained on.

        Returns
        -------
        Conditions x genes, on the scale of the registered values. `obs` is the plan, with the column `status`: whether
        the condition was trained on, and otherwise which parts of it were. `uns['prediction']` records how it was
        predicted. With an ``interval``:

        - `layers['lower']` and `layers['upper']` are its bounds;
        - `obs['confidence']` is the expected fraction of the squared value that the prediction explains;
        - the status is ``"no better than the mean"`` if predictions of this kind and magnitude did not beat the mean of
          the same perturbation, or, without one, of all conditions.

        Raises
        ------
        KeyError
            If the plan lacks a column.
        ValueError
            If the plan has no rows, or the features lack a perturbation. With an ``interval``, if the model is not
            calibrated for such conditions, or had too few held-out conditions for this coverage.
        """
        self._check_if_trained(warn=False)
        keys = [str(self.registry["setup_args"][name]) for name in self._named()]
        plan = self._registered_plan() if plan is None else plan
        missing = [key for key in keys if key not in plan]
        if missing:
            msg = f"`plan` lacks the column(s) {listed(missing)}, it has {listed(plan.columns)}."
            raise KeyError(msg)
        if plan.empty:
            msg = "`plan` has no conditions."
            raise ValueError(msg)
        labels = {key: plan[key].astype(str) for key in keys}
        rows = self._rows_of(labels[keys[0]], labels[keys[1]] if len(keys) > 1 else None)
        values = self._registered([predictor(rows) for predictor in self._fitted()])
        names = pd.Index([", ".join(parts) for parts in zip(*reversed(labels.values()), strict=True)], dtype=object)
        obs = plan.copy()
        obs.index = names if names.is_unique else pd.Index([f"condition{i}" for i in range(len(plan))])
        obs[Key.obs.STATUS] = pd.Categorical(self._status(rows))
        found = AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=self.var_names_))
        found.uns[Key.uns.PREDICTION] = result_params(
            model=type(self).__name__,
            method=self.method_,
            transform=self._transform,
            n_repeats=self._n_repeats,
            seed=self.seed_,
        )
        if interval is not None:
            self._add_interval(found, interval)
        return found

    def _registered(self, repeats: Sequence[Floats]) -> Floats:
        """Median of the predictions of the repeats, on the scale of the registered values."""
        values = np.median(repeats, axis=0)
        return np.asarray(to_signed_logp(values) if self._transform == "z" else values)

    def _predict_rows(self, rows: Rows, values: Floats, wanted: Rows) -> Floats:
        return self._registered([self._fit(rows, values, repeat)(wanted) for repeat in range(self._n_repeats)])

    def _measured_values(self) -> Floats:
        return self.module.array("values")

    def _named(self) -> list[str]:
        return ["perturbation_key", *(["context_key"] if self._has_field(KEYS.CONTEXT) else [])]

    def _categories(self, key: str) -> list[str]:
        return [str(name) for name in self.registry["field_registries"][key]["state_registry"]["categorical_mapping"]]

    def _codes(self, key: str) -> NDArray[np.int64]:
        return np.asarray(self._field(self.adata, key), dtype=np.int64).ravel()

    def _registered_plan(self) -> pd.DataFrame:
        if self.adata is None:
            msg = "The model was loaded without data: give the conditions to predict as `plan`."
            raise ValueError(msg)
        names = {
            "perturbation_key": (KEYS.CONDITION, self.perturbations_),
            "context_key": (KEYS.CONTEXT, self.contexts_),
        }
        columns = {}
        for name in self._named():
            key, labels = names[name]
            columns[str(self.registry["setup_args"][name])] = np.array(labels, dtype=object)[self._codes(key)]
        return pd.DataFrame(columns, index=self.adata.obs_names)

    def _training_rows(self) -> tuple[Rows, Floats]:
        """The training conditions, and their transformed values."""
        context, perturbation = (self.module.array(name).astype(np.int64) for name in ("context", "perturbation"))
        names = pd.Series(self.perturbations_).iloc[perturbation]
        values = self.module.array("values")
        return Rows(context, perturbation, self._features_of(names)), to_z(values) if self._transform else values

    def _fitted(self) -> list[Predictor]:
        """One predictor per repeat; a loaded model fits them when they are first needed."""
        if self._predictors is None:
            rows, values = self._training_rows()
            self._predictors = [self._fit(rows, values, repeat) for repeat in range(self._n_repeats)]
        return self._predictors

    def _fit(self, rows: Rows, values: Floats, repeat: int) -> Predictor:
        # Renumber codes, so that none is without training rows
        known = [np.unique(codes, return_inverse=True) for codes in (rows.context, rows.perturbation)]
        closed = rows._replace(context=known[0][1], perturbation=known[1][1])
        generator = np.random.default_rng([self.seed_, repeat])
        fitted = [method.fit(closed, values, generator) for method in self._methods]

        def predict(wanted: Rows) -> Floats:
            context, perturbation = (
                pd.Index(codes).get_indexer(asked).astype(np.int64)
                for (codes, _), asked in zip(known, (wanted.context, wanted.perturbation), strict=True)
            )
            closed = wanted._replace(context=context, perturbation=perturbation)
            return np.mean([predictor(closed) for predictor in fitted], axis=0)

        return predict

    def _rows_of(self, perturbations: pd.Series, contexts: pd.Series | None) -> Rows:
        perturbation = pd.Index(self.perturbations_).get_indexer(perturbations).astype(np.int64)
        context = np.zeros_like(perturbation)
        if contexts is not None:
            context = pd.Index(self.contexts_).get_indexer(contexts).astype(np.int64)
        return Rows(context, perturbation, self._features_of(perturbations))

    def _features_of(self, perturbations: pd.Series) -> Floats:
        """Features of perturbations, one row each; without columns if the model has none."""
        if self._features is None:
            return np.zeros((len(perturbations), 0))
        missing = sorted(set(perturbations) - set(self._features.index))
        if missing:
            msg = f"`features` has no row for {listed(missing)}: it needs all perturbations that are trained on or predicted."
            raise ValueError(msg)
        return np.asarray(self._features.loc[list(perturbations)].to_numpy(), dtype=np.float64)

    def _status(self, rows: Rows) -> list[str]:
        context, perturbation = (self.module.array(name).astype(np.int64) for name in ("context", "perturbation"))
        trained = set(zip(context.tolist(), perturbation.tolist(), strict=True))
        known = np.isin(rows.context, context), np.isin(rows.perturbation, perturbation)
        pairs = zip(rows.context.tolist(), rows.perturbation.tolist(), *known, strict=True)
        return ["trained" if (c, p) in trained else UNSEEN[bool(kc), bool(kp)] for c, p, kc, kp in pairs]


def _check_features(features: pd.DataFrame | None) -> pd.DataFrame | None:
    """Features by the names of the perturbations, as text."""
    if features is None:
        return None
    if not isinstance(features, pd.DataFrame):
        msg = f"`features` must be a DataFrame whose index names the perturbations, but is {type(features).__name__}."
        raise TypeError(msg)
    index = features.index.astype(str)
    values = features.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    if not index.is_unique or not np.isfinite(values).all():
        msg = "`features` must have one row per perturbation and finite numbers, but names are repeated or values missing."
        raise ValueError(msg)
    return pd.DataFrame(values, index=index, columns=features.columns.astype(str))
