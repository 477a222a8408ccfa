"""Effects of perturbations predicted from their features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._features._rows import covered_rows
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.model.base._constants import KEYS, NO_BETTER
from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.effects._regression import member_effects
from scpi.model.base.setup._declaration import Field
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._profiles_module import ProfilesModule
from scpi.model.perturbation_gp._carriers import Carriers
from scpi.model.perturbation_gp._combinations import learn_power, scale_members
from scpi.model.perturbation_gp._context_effects import context_effects, perturbation_errors
from scpi.model.perturbation_gp._context_process import (
    KINDS,
    Asked,
    ContextEffects,
    ContextProcess,
    context_process,
    predict_context,
)
from scpi.model.perturbation_gp._contexts import relations
from scpi.model.perturbation_gp._effects import Prediction, TrainingEffects, without_own_genes
from scpi.model.perturbation_gp._explanation import EffectExplanation, Member
from scpi.model.perturbation_gp._fields import FEATURES, FEATURES_FIELD, DescribedPerturbationField, read_state
from scpi.model.perturbation_gp._leave_one_out import others_mean
from scpi.model.perturbation_gp._methods import METHODS
from scpi.model.perturbation_gp._posterior import EffectPosterior
from scpi.model.perturbation_gp._response import sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.calibration._conditions import Conditions
    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.prediction._profiles import Profiles

_KEPT = (
    "effects",
    "is_known",
    "mean_effect",
    "axes",
    "scores",
    "calibration",
    "power",
    "explained",
    "noise",
    "left_out",
)
# Of several contexts; the others are empty
_OF_CONTEXTS = tuple(
    f"context_{name}" for name in (*ContextProcess._fields, "perturbation", "context", "effects", "own")
)


@fill
class PerturbationGP(Baseline):
    """Predict unmeasured perturbations from features of their genes or compounds, with a Gaussian process.

    The effect of a perturbation is its mean change of expression. Effects of the trained perturbations are fitted to
    all training conditions, including combinations. Effects of untrained perturbations are predicted from their
    features (:func:`scpi.tl.perturbation_features`) by a Gaussian process. Its kernel is a weighted sum of the
    similarities in each source of features, and it predicts the few components of the effects that exceed their noise.
    The weights maximise the evidence, under a prior that favours equal sources. A perturbation with few cells has less
    weight, according to the standard errors of its effect. Predictions are shrunk towards the mean effect of the
    training perturbations according to how well these predict each other: if the features are uninformative, the mean
    remains. The effect of a combination is the sum of the effects of its members, times a power of their number that is
    learned from training combinations.

    With a ``context_key``, each perturbation has an effect in each context (a cell type, a donor, another screen), and
    the process is over both. It combines the effects of the perturbation in other contexts, its features, and the
    effect of the context on all perturbations, weighted by the evidence for each. The means of the controls define the
    similarity of contexts. A context needs controls but no perturbed cells; each perturbation measured in it improves
    the prediction of the others. The presets other than ``"scpi"`` pool the contexts.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    preset
        ``"scpi"`` (default); ``"kernel_ridge"``, kernel ridge regression of all genes with equal weights; ``"gene_ridge"``,
        ridge regression with a penalty for each gene; ``"nearest"``, the mean effect of the three perturbations with the most
        similar features; or ``"linear"``, the linear model of :cite:t:`ahlmanneltze2025deep`, which describes perturbations
        by the response of their gene in the training perturbations, and uses no features.
    shuffled
        Seed for shuffling the features among the perturbations, as a negative control of a comparison.

    Notes
    -----
    ``obs["status"]`` states the basis of a prediction:

    - ``"trained"``, or ``"unseen combination"`` of trained perturbations;
    - ``"unseen context"`` or ``"unseen condition"``: trained in other contexts only, as :meth:`predict` says;
    - ``"unseen"``: predicted from features;
    - ``"no features"``: an untrained member has no features, and the mean effect is used for it;
    - ``"no better than the mean"``: the features do not predict the training perturbations either.
    """

    _fields = (
        Field(
            argument="perturbation_key",
            registry_key=KEYS.CONDITION,
            make=DescribedPerturbationField,
            options=("control", "delimiter", "dose_key", "features_key"),
            columns=("dose_key",),
            required=True,
        ),
        *ScreenModel._fields[1:],
        FEATURES_FIELD,
    )

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "kernel_ridge", "gene_ridge", "nearest", "linear"] = "scpi",
        shuffled: int | None = None,
    ) -> None:
        super().__init__(adata, registry)
        if preset not in METHODS:
            msg = f"`preset` must be one of {listed(METHODS)}, but is {preset!r}."
            raise ValueError(msg)
        self.preset, self.shuffled = preset, shuffled
        self.weights_: dict[str, float] = {}
        self.module = ProfilesModule(more=(*_KEPT, *_OF_CONTEXTS))
        self._model_summary_string = f"PerturbationGP with preset: {preset}, sources: {listed(self._sources())}"
        self.init_params_ = self._get_init_params(locals())

    @property
    def source_weights(self) -> pd.Series:
        """Weight of each source of features after training, with a sum of 1; empty for presets without weights."""
        return pd.Series(self.weights_, dtype=np.float64, name="weight")

    @property
    def calibration(self) -> float:
        """Factor from 0 to 1 by which predicted deviations from the mean effect are multiplied."""
        self._check_if_trained(warn=False)
        return float(self.module.array("calibration")[0])

    @property
    def combination_power(self) -> float:
        """Exponent of the number of members that scales the sum of their effects: 0 for a sum, -1 for a mean."""
        self._check_if_trained(warn=False)
        return float(self.module.array("power")[0])

    @property
    def context_calibration(self) -> pd.Series:
        """Factors by which deviations from the mean effect are multiplied, by which part of a condition is new.

        ``"pair"``: perturbation and context were both measured, but not together. ``"context"``: the context is new,
        with fewer than three measured perturbations. ``"perturbation"``: the perturbation is new. ``"both"``: both are
        new. Empty without several contexts.
        """
        fitted = self._fitted()
        return pd.Series(
            [] if fitted is None else fitted[0].slopes,
            index=[] if fitted is None else list(KINDS),
            dtype=np.float64,
            name="calibration",
        )

    @property
    def context_similarity(self) -> pd.DataFrame:
        """Expected correlation of the effects of a perturbation in two contexts; empty without several contexts."""
        fitted = self._fitted()
        if fitted is None:
            return pd.DataFrame()
        names = self._known_contexts()
        return pd.DataFrame(fitted[0].between, index=names, columns=names)

    @property
    def unmeasured_perturbations(self) -> list[str]:
        """Perturbations that have features, but were not trained on."""
        self._check_if_trained(warn=False)
        new = self._is_described() & ~self._is_known()
        return [name for name, unmeasured in zip(self.perturbations_, new, strict=True) if unmeasured]

    def effect_posterior(self, perturbations: str | Sequence[str]) -> EffectPosterior:
        """Return the posterior variances and covariances of the effects of perturbations.

        Parameters
        ----------
        perturbations
            Single untrained perturbations.

        Returns
        -------
        The posterior, with the ``variance`` of each perturbation.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        ValueError
            If the preset is not ``"scpi"`` (others have no variance), or a perturbation is unknown or was trained on.
        """
        self._check_if_trained(warn=False)
        if self.preset != "scpi":
            msg = f"The preset {self.preset!r} predicts without a variance: train a model with preset='scpi'."
            raise ValueError(msg)
        place = {name: row for row, name in enumerate(self.perturbations_)}
        names = list(dict.fromkeys(map(str, as_list(perturbations))))
        if unknown := [name for name in names if name not in place]:
            msg = (
                f"The model does not know {listed(unknown)}. Describe them with "
                "`scpi.tl.perturbation_features(adata, perturbations=...)` before `setup_anndata`."
            )
            raise ValueError(msg)
        is_known = self._is_known()
        if trained := [name for name in names if is_known[place[name]]]:
            msg = f"The model was trained on {listed(trained)}."
            raise ValueError(msg)
        rows, known = np.array([place[name] for name in names], dtype=np.intp), np.flatnonzero(is_known)
        sources = {name: values[np.concatenate([rows, known])] for name, values in self._sources().items()}
        mean, axes = self.module.array("mean_effect"), self.module.array("axes")
        scores = self.module.array("scores")[rows]
        squared = mean @ mean + 2.0 * scores @ (axes @ mean) + ((scores @ (axes @ axes.T)) * scores).sum(axis=1)
        return EffectPosterior(
            names,
            sources,
            dict(zip(sources, self.module.array("explained").tolist(), strict=True)),
            known=[self.perturbations_[row] for row in known],
            noise=self.module.array("noise"),
            size=np.sqrt(np.maximum(squared, 0.0) / len(mean)),
        )

    def _sources(self) -> dict[str, Any]:
        """Features of all known perturbations, by source."""
        field = self.registry["field_registries"].get(FEATURES)
        if field is None:
            return {}
        table = read_state(field["state_registry"])
        if self.shuffled is not None:
            names = np.random.default_rng(self.shuffled).permutation(np.array(table.names, dtype=object))
            table = table._replace(names=names.tolist())
        return table.of(self.perturbations_).sources

    def _measured_effects(self) -> NDArray[np.float64]:
        """Measured effects of the trained perturbations."""
        profiles = self.module.profiles()
        design = scale_members(profiles.design, self.combination_power)
        return member_effects(design, profiles.changes, profiles.n_cells)[self._is_known()]

    def _explained(self, asked: Counterfactual) -> EffectExplanation:
        if self.preset != "scpi":
            msg = f"The preset {self.preset!r} cannot explain predictions: train a model with preset='scpi'."
            raise ValueError(msg)
        if self._fitted() is not None:
            msg = (
                "Predictions that use several contexts cannot be explained: pool the contexts, with a model that is set up "
                "without `context_key`."
            )
            raise ValueError(msg)
        module, is_known = self.module, self._is_known()
        known = np.flatnonzero(is_known)
        carriers = Carriers(
            self._sources(),
            dict(zip(self._sources(), module.array("explained").tolist(), strict=True)),
            known=known,
            noise=module.array("noise"),
        )
        centred = without_own_genes(self._measured_effects(), self._own_genes()[known]) - module.array("mean_effect")
        size, axes = sizes(centred), module.array("axes")
        scores = centred @ axes.T / size[:, None]
        scores -= scores.mean(axis=0)
        design = scale_members(asked.design.astype(np.float64), self.combination_power)
        members = []
        for row in np.flatnonzero(design):
            own = None
            if is_known[row]:
                of_others = (
                    module.array("mean_effect") + self.calibration * carriers.weigh(int(row)).total @ scores @ axes
                )
                own = module.array("effects")[np.searchsorted(known, row)] - of_others
            members.append(Member(int(row), float(design[row]), own))
        field = self.registry["field_registries"].get(FEATURES)
        return EffectExplanation(
            carriers,
            members,
            names=self.perturbations_,
            features={} if field is None else read_state(field["state_registry"]).features,
            slope=self.calibration,
            scores=scores,
            size=size,
            axes=axes,
            mean=module.array("mean_effect"),
        )

    def _learn(self, splitter: CellSplitter, *, n_contexts: int) -> dict[str, NDArray[Any]]:
        arrays = super()._learn(splitter, n_contexts=n_contexts)
        self.module.put(arrays)
        profiles, cells = self.module.profiles(), splitter.train_idx
        power = learn_power(profiles.design, profiles.changes, profiles.n_cells)
        profiles = profiles._replace(design=scale_members(profiles.design, power))
        known = np.flatnonzero(profiles.design.any(axis=0))
        effects = member_effects(profiles.design, profiles.changes, profiles.n_cells)[known]
        spread, sources = self._spread_of(self._field(self.adata, KEYS.X), cells, cells, profiles), self._sources()
        data = TrainingEffects(
            sources=sources,
            known=known,
            effects=effects,
            errors=perturbation_errors(profiles, spread)[known],
            gene=self._own_genes(),
            control=profiles.balanced_control(),
        )
        found = METHODS[self.preset](data)
        of_contexts = self._learn_contexts(profiles, lambda: context_effects(profiles, spread, sources, data.gene))
        self.weights_ = dict(found.weights)
        is_known = np.zeros(data.n_perturbations, dtype=bool)
        is_known[known] = True
        return (
            arrays
            | {
                "effects": found.denoised(data),
                "is_known": is_known,
                "mean_effect": found.mean,
                "axes": found.axes,
                "scores": found.scores,
                "calibration": np.array([found.calibration]),
                "power": np.array([power]),
                # Without learned weights, all sources have the same weight
                "explained": np.array([found.explained.get(name, 0.0) for name in data.sources])
                if found.explained
                else np.full(len(data.sources), 1.0 / max(len(data.sources), 1)),
                "noise": np.zeros(len(known)) if found.noise is None else found.noise,
                # Empty for presets without weights
                "left_out": np.zeros(0) if found.left_out is None else found.left_out,
            }
            | of_contexts
        )

    def _learn_contexts(self, profiles: Profiles, effects: Callable[[], ContextEffects]) -> dict[str, NDArray[Any]]:
        """Parameters of several contexts; empty arrays with one context, or with a preset that pools them."""
        data = effects() if self.preset == "scpi" and len(np.unique(profiles.context)) > 1 else None
        found = None if data is None else context_process(data)
        if data is None or found is None:
            return dict.fromkeys(_OF_CONTEXTS, np.zeros(0))
        expected = Prediction(found.mean, found.axes, found.dual, left_out=found.left_out)
        arrays = found._asdict() | {"perturbation": data.perturbation, "context": data.context}
        arrays |= {"effects": expected.denoised(data), "own": data.own_change()}
        return {f"context_{name}": values for name, values in arrays.items()}

    def _fitted(self) -> tuple[ContextProcess, ContextEffects] | None:
        """Fitted process of several contexts, and their effects."""
        self._check_if_trained(warn=False)
        return self.module.once(self._read_contexts)

    def _read_contexts(self, profiles: Profiles) -> tuple[ContextProcess, ContextEffects] | None:
        def kept(name: str) -> NDArray[np.float64]:
            return self.module.array(f"context_{name}")

        if not kept("dual").size:
            return None
        found = ContextProcess(*(kept(name) for name in ContextProcess._fields))
        data = ContextEffects(
            sources=self._sources(),
            perturbation=kept("perturbation").astype(np.intp),
            context=kept("context").astype(np.intp),
            effects=kept("effects"),
            errors=np.zeros((0, 0)),
            gene=self._own_genes(),
            control=profiles.controls,
        )
        return found, data

    def _own_genes(self) -> NDArray[np.intp]:
        """Position of the gene with the name of each perturbation; -1 without one."""
        return np.asarray(pd.Index(self.var_names_).get_indexer(pd.Index(self.perturbations_)), dtype=np.intp)

    def _leave_one_out(
        self, measured: Conditions
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]] | None:
        if self._fitted() is not None:
            return self._leave_one_out_of_contexts(measured)
        deviation, is_known = self.module.array("left_out"), self._is_known()
        if not len(deviation):
            return None
        effects = self._measured_effects()
        known = np.array(self.perturbations_)[is_known]
        gene = self._own_genes()[is_known]
        of_mean = others_mean(effects, self.module.array("mean_effect"), gene)
        predicted = of_mean + deviation @ self.module.array("axes")
        rows = np.flatnonzero(~measured.is_combination)
        place = pd.Index(known).get_indexer(pd.Index([next(iter(measured.members[row])) for row in rows]))
        dose = self._designs().max(axis=1)[measured.condition[rows]].astype(np.float64)[:, None]
        return rows, dose * predicted[place], dose * of_mean[place]

    def _leave_one_out_of_contexts(
        self, measured: Conditions
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
        """As :meth:`_leave_one_out`, for each perturbation in each context."""
        profiles = self.module.profiles()
        scaled = profiles._replace(design=scale_members(profiles.design, self.combination_power))
        data = context_effects(scaled, None, {}, self._own_genes())
        of_mean = data.others_mean()
        predicted = of_mean + self.module.array("context_without") @ self.module.array("context_axes")
        pair = {key: row for row, key in enumerate(zip(data.perturbation.tolist(), data.context.tolist(), strict=True))}
        known = {name: row for row, name in enumerate(self.perturbations_)}
        rows = np.flatnonzero(~measured.is_combination)
        place = [pair[known[next(iter(measured.members[row]))], int(measured.context[row])] for row in rows]
        dose = self._designs().max(axis=1)[measured.condition[rows]].astype(np.float64)[:, None]
        return rows, dose * predicted[place], dose * of_mean[place]

    def _parts(self, design: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [design]

    def _change(self, design: NDArray[np.floating[Any]], control: NDArray[np.float64]) -> NDArray[np.float64]:
        is_known = self._is_known()
        design = scale_members(design.astype(np.float64), self.combination_power)
        change = design[is_known] @ self.module.array("effects")
        new = np.flatnonzero((design != 0) & ~is_known)
        for member in new:
            scores = self.module.array("scores")[member]
            change += design[member] * (self.module.array("mean_effect") + scores @ self.module.array("axes"))
        return np.asarray(change)

    def _change_in(
        self, context: int, design: NDArray[np.float32], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        fitted = self._fitted()
        if fitted is None:
            return self._change(design, control)
        doses = scale_members(design.astype(np.float64), self.combination_power)
        members = np.flatnonzero(doses)
        return np.asarray(doses[members] @ self._effects_in(context, members, control))

    def _effects_in(self, context: int, members: NDArray[np.intp], control: NDArray[np.float64]) -> NDArray[np.float64]:
        """Measured or predicted effects of single perturbations in a context with the given mean of the controls."""
        found, data = self.module.once(self._read_contexts)
        n = found.relations.shape[1]
        related = relations(control[None], data.control, np.eye(1, n, context))[:, 0]
        asked = Asked(members, related, context if context < n else -1)
        effects = found.mean + predict_context(found, data, asked) @ found.axes
        own = self.module.array("context_own")[members]
        elsewhere = np.flatnonzero(~np.isnan(own))
        effects[elsewhere, data.gene[members[elsewhere]]] = own[elsewhere]
        for row, member in enumerate(members):
            measured = np.flatnonzero((data.perturbation == member) & (data.context == context))
            if len(measured):
                effects[row] = data.effects[measured[0]]
        return np.asarray(effects)

    def _is_known(self) -> NDArray[np.bool_]:
        return np.asarray(self.module.array("is_known") > 0)

    def _status(self, label: str, contexts: Sequence[str] = ()) -> str:
        status = super()._status(label, contexts)
        if status in ("control", "trained"):
            return status
        members = np.flatnonzero(self.encode_perturbations([label])[0])
        new = members[~self._is_known()[members]]
        if not len(new):
            return status
        if not (self.calibration if self._fitted() is None else self.context_calibration["perturbation"]):
            return NO_BETTER
        return "unseen" if self._has_features(new).all() else "no features"

    def _has_features(self, codes: NDArray[np.intp]) -> NDArray[np.bool_]:
        return self.module.array("scores")[codes].any(axis=1) if self._fitted() is None else self._is_described()[codes]

    def _has_mean(self, label: str) -> bool:
        members = np.flatnonzero(self.encode_perturbations([label])[0])
        return not (self._is_known()[members] | self._has_features(members)).any()

    def _is_described(self) -> NDArray[np.bool_]:
        """Whether any source of features covers each perturbation."""
        found = np.zeros(len(self.perturbations_), dtype=bool)
        for values in self._sources().values():
            found |= covered_rows(values)
        return found
