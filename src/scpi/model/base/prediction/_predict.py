"""From control cells to an AnnData of predicted cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._composition import members_alone
from scpi._screen._conditions import Condition, member_doses
from scpi._sequence import as_list
from scpi.model.base._constants import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._conditions import Dose
    from scpi.model.base.calibration._intervals import IntervalMixin as Host
    from scpi.model.base.counts._mixin import Source
    from scpi.model.base.counts._output import Output
else:
    Host = object

_MAX_CELLS = 1000


class Counterfactual(NamedTuple):
    """Control cells, and the condition under which they are predicted."""

    adata: AnnData | MuData
    """Registered data."""
    cells: NDArray[np.int64]
    """Positions of the control cells."""
    members: NDArray[np.float32]
    """Doses of the single perturbations in each member of the label, (n_members, n_perturbations)."""
    rng: np.random.Generator
    """Generator of the draws."""

    @property
    def design(self) -> NDArray[np.float32]:
        """Doses of the single perturbations, (n_perturbations,)."""
        return np.asarray(self.members.sum(axis=0))


class PredictionMixin(Host):
    """The prediction hook, which every model and baseline uses."""

    trained_conditions_: list[str]
    trained_contexts_: dict[str, list[str]]
    """Contexts in which each label was trained. Empty without contexts, and in models that were saved before it was kept."""

    def predict(
        self,
        adata: AnnData | MuData | None = None,
        *,
        perturbation: str | Sequence[str],
        context: str | None = None,
        dose: Dose | None = None,
        n_cells: int | None = None,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        output: Output | None = None,
        interval: float | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> AnnData:
        """Predict what control cells become under perturbations.

        Predicted cells can be analysed like measured cells. Each starts from the counts of a control cell, and keeps
        its noise: test predictions from one half of the control cells against the other half. Counts are
        thinned if the expression of the gene falls; if it rises, counts are added in proportion to the rate of the gene
        in that cell. Zeros are thus as frequent as in measured cells, and genes keep their overdispersion. The amount
        is solved for each gene and context such that the mean of the registered expression equals the mean that the
        model predicts; a model of counts gives a factor for each cell instead. If only log-normalised expression is
        known, the smallest value of a cell is assumed to be one count.

        A change that is added to logarithms can give a cell more expression than it was scaled to. Logarithms keep the
        predicted mean, and can exceed what the depth of a cell allows. Counts beside log-normalised expression cannot:
        cells with more than their depth keep as many as that, drawn at random. The depth is the total count of the
        control cell. If the genes are a part of those that cells were scaled over, it is that of a control cell with the
        largest fraction of its counts in them.

        Parameters
        ----------
        adata
            Data with control cells to start from; the training data if ``None``.
        perturbation
            One label or several: perturbations or combinations, measured or not, with members in any order.
        context
            Context of the control cells to start from. It need not have been trained on.
        dose
            Dose of the perturbations, on the scale of ``dose_key``; 1 if ``None``. It need not have been measured. For a
            combination, one dose for all members, or a mapping from members to doses, such as ``{"A": 10, "B": 0.5}``.
        n_cells
            Number of cells to predict per perturbation. As many control cells are drawn at random, without replacement
            if there are enough. If ``None``, all control cells, at most 1,000.
        indices
            Control cells to start from, instead of all that ``adata`` has.
        output
            Content of ``X``: sampled ``"counts"``; their ``"log"``, normalised like the control cells; or the
            ``"mean"`` that the model predicts, on the registered scale. Means serve for changes and figures:
            statistical tests on them are not valid. If ``None``, sampled cells on the registered scale, or means if
            that scale has negative values or is neither counts nor logarithms.
        interval
            Coverage of prediction intervals, such as 0.9: the fraction of similar conditions whose measured mean change
            lies in the interval, gene by gene. The model must be calibrated (:meth:`calibrate`).
        rng
            Seed or generator of the draws.

        Returns
        -------
        AnnData of shape (n_perturbations * n_cells, n_genes), whose ``X`` is sparse unless it holds means. Sets the
        following fields:

        `.layers['counts']`
            Sampled counts, if ``X`` holds their logarithm and the counts of the control cells are known (under the name
            of ``counts_layer``).
        `.obs['perturbation']`
            Label in the spelling of the model.
        `.obs['source_cell']`
            Name of the control cell from which the prediction started.
        `.obs['status']`
            How the perturbation, in the context of the cell, relates to the training cells: ``"trained"``; trained in
            other contexts only (``"unseen context"`` if no perturbation was trained in this one, otherwise
            ``"unseen condition"``); trained in none (``"unseen combination"``, or ``"unseen"`` for a single
            perturbation); or ``"control"``.
        `.obs['predicted_output']`
            Content of ``X`` (``output``).
        `.layers['change']`, `.layers['lower']`, `.layers['upper']`
            With an ``interval``: the predicted mean change of the condition relative to the control cells that it started
            from, and the bounds of its interval, on the registered scale. They are equal in all cells of the condition.
        `.obs['confidence']`
            With an ``interval``: the expected fraction of the squared change that the prediction explains. The status
            is ``"no better than the mean"`` if predictions of this kind and magnitude did not beat the mean change.
        `.obs['context']`, `.obs['dose']`
            Context and dose, if they are registered.
        `.uns['prediction']`
            Name of the model, its parameters, the content of ``X`` (``output``), ``perturbation_key`` and ``control`` of
            the setup, and the mean of the control cells on the scale of ``X``.

        Raises
        ------
        ValueError
            If a perturbation or the context is unknown, the dose is negative, there is no control cell to start from,
            or the output is not available for the registered expression. With an ``interval``, if the model is not
            calibrated for such a condition, the dose was not measured, or there were too few held-out conditions for this
            coverage: the message gives the number needed.

        Warns
        -----
        UserWarning
            If the dose lies outside the measured range, or the registered expression was not computed from the counts.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        labels = [self.canonical(label) for label in as_list(perturbation)]
        if not labels or len(set(labels)) != len(labels):
            msg = f"`perturbation` must name at least one perturbation, each once, got {list(labels)}."
            raise ValueError(msg)
        self._check_context(adata, context)
        self._check_dose(dose)
        members = [self._members_of(label, dose) for label in labels]
        controls = self._control_cells(adata, context=context, indices=indices)
        generator = as_generator(rng)
        chosen = [draw_cells(controls, n_cells, generator) for _ in labels]
        asked = [Counterfactual(adata, cells, rows, generator) for cells, rows in zip(chosen, members, strict=True)]
        source = self._source(adata, controls, output)
        made = [self._made(one, source) for one in asked]
        predicted = self._assemble(adata, labels, chosen, made, source, context=context, dose=dose)
        if interval is not None:
            expected = [one[0] for one in made] if source is None else map(self._predict_cells, asked)
            self._add_interval(
                predicted, adata, labels, chosen, expected, context=context, dose=dose, interval=interval
            )
        return predicted

    def _add_interval(
        self,
        predicted: AnnData,
        adata: AnnData | MuData,
        labels: Sequence[str],
        chosen: Sequence[NDArray[np.int64]],
        expected: Iterable[NDArray[np.float32]],
        *,
        context: str | None,
        dose: Dose | None,
        interval: float,
    ) -> None:
        """Add the mean change with its interval, and the confidence, to predicted cells."""
        changes = self._changes_of_means(adata, chosen, expected)
        found = self._calibrated(labels, changes, context=context, dose=dose, interval=interval)
        sizes = [len(cells) for cells in chosen]
        layers = {Key.layers.CHANGE: changes, Key.layers.LOWER: found.lower, Key.layers.UPPER: found.upper}
        for name, of_condition in layers.items():
            predicted.layers[name] = np.repeat(of_condition.astype(np.float32), sizes, axis=0)
        predicted.obs[Key.obs.CONFIDENCE] = np.repeat(found.confidence, sizes)
        predicted.obs[Key.obs.STATUS] = pd.Categorical(np.repeat(found.status, sizes))
        predicted.uns[Key.uns.PREDICTION]["interval"] = interval

    def _members_of(self, label: str, dose: Dose | None) -> NDArray[np.float32]:
        """Doses of the single perturbations in each member of a label, (n_members, n_perturbations)."""
        return members_alone(self.encode_perturbations([label], None if dose is None else [dose])[0])

    def _status(self, label: str, contexts: Sequence[str] = ()) -> str:
        """Status of a label in all of the given contexts, relative to the training data."""
        if label == self.control_:
            return "control"
        if label not in self.trained_conditions_:
            return "unseen combination" if self.labelling.is_combination(label) else "unseen"
        new = set(contexts) - set(self.trained_contexts_.get(label, contexts))
        if not new:
            return "trained"
        return UNSEEN[new <= {name for known in self.trained_contexts_.values() for name in known}, True]

    def _status_of_cells(self, adata: AnnData | MuData, label: str, cells: NDArray[np.int64]) -> NDArray[np.object_]:
        """Status of a label in the context of each cell that a prediction starts from."""
        if not self.has_contexts:
            return np.full(len(cells), self._status(label), dtype=object)
        codes, place = np.unique(self._context_codes(adata)[cells], return_inverse=True)
        names = self._contexts(adata)[codes].astype(str)
        return np.array([self._status(label, [name]) for name in names], dtype=object)[place]

    def _assemble(
        self,
        adata: AnnData | MuData,
        labels: Sequence[str],
        chosen: Sequence[NDArray[np.int64]],
        made: Sequence[tuple[Any, Any]],
        source: Source | None,
        *,
        context: str | None,
        dose: Dose | None,
    ) -> AnnData:
        """Assemble predicted cells with their annotations."""
        sizes = [len(cells) for cells in chosen]
        sources = np.concatenate(chosen)
        names = self._modality(adata).obs_names.to_numpy()[sources].astype(str)
        obs = pd.DataFrame(
            {
                Key.obs.PERTURBATION: pd.Categorical(np.repeat(labels, sizes), categories=list(labels)),
                Key.obs.SOURCE_CELL: names,
                Key.obs.STATUS: pd.Categorical(
                    np.concatenate([self._status_of_cells(adata, *one) for one in zip(labels, chosen, strict=True)])
                ),
            }
        )
        if context is not None:
            obs[Key.obs.CONTEXT] = pd.Categorical([str(context)] * len(obs))
        if dose is not None:
            obs[Key.obs.DOSE] = self._dose_name(labels[0], dose) if isinstance(dose, Mapping) else float(dose)
        obs.index = pd.Index(
            [f"{label}_{index}" for label, size in zip(labels, sizes, strict=True) for index in range(size)]
        )
        params: dict[str, Any] = {"perturbation": list(labels)}
        params |= {key: value for key, value in {"context": context, "dose": dose}.items() if value is not None}
        return self._annotated(adata, obs, made, source, cells=sources, params=params)

    def _annotated(
        self,
        adata: AnnData | MuData,
        obs: pd.DataFrame,
        made: Sequence[tuple[Any, Any]],
        source: Source | None,
        *,
        cells: NDArray[np.int64],
        params: dict[str, Any],
    ) -> AnnData:
        """Predicted expression and counts, with the record of how they were predicted."""
        expression, counts = zip(*made, strict=True)
        output = "mean" if source is None else source.output
        obs[Key.obs.PREDICTED_OUTPUT] = pd.Categorical([output] * len(obs))
        predicted = AnnData(X=stacked(expression), obs=obs, var=self._var(adata).copy())
        if counts[0] is not None:
            predicted.layers[self._counts_name] = stacked(counts)
        unique, times = np.unique(cells, return_counts=True)
        # Each cell counts as often as a prediction started from it
        mean = times @ self._measured_as(adata, unique, source) / times.sum()
        predicted.uns[Key.uns.PREDICTION] = {
            "model": type(self).__name__,
            "params": params,
            "output": output,
            **self._setup_of_labels(),
            Key.uns.CONTROL_MEAN: np.asarray(mean, dtype=np.float32),
        }
        return predicted

    def _dose_name(self, label: str, dose: Mapping[str, float]) -> float | str:
        """Doses of the members of a label, as text for a table."""
        return Condition(label, member_doses(self.labelling.members(label), dose)).dose_name(self.labelling)


def terms_of(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Split a condition into terms whose changes add up to its change; rows hold doses of the single perturbations.

    The condition itself is the only term, unless a mixture of perturbations substitutes for an unmeasured member.
    """
    if (np.count_nonzero(members, axis=1) < 2).all():
        return np.asarray(members.sum(axis=0, keepdims=True))
    return np.concatenate([members_alone(row) for row in members])


def stacked(parts: Sequence[Any]) -> Any:
    """Concatenate the cells of several conditions."""
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)


def draw_cells(cells: NDArray[np.int64], n_cells: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the cells to start from."""
    if n_cells is None:
        n_cells = min(len(cells), _MAX_CELLS)
    if n_cells < 1:
        msg = f"`n_cells` must be at least 1, got {n_cells}."
        raise ValueError(msg)
    if n_cells == len(cells):
        return cells
    return rng.choice(cells, size=n_cells, replace=n_cells > len(cells))
