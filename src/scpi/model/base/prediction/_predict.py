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
    """The prediction hook: every model and baseline predicts through it."""

    trained_conditions_: list[str]

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

        Predicted cells are made to be analysed as measured ones are. Each keeps the counts of the control cell that it
        starts from, thinned where expression falls, and added to where it rises, by what the rate of that cell brings: zeros
        stay zeros as often as they do in measured cells, and a gene keeps its overdispersion. How much is kept or added is
        solved for each gene and context, so that the mean of the registered expression is the one that the model expects;
        a model of counts gives a factor for each cell instead. Where only log-normalised expression is known, the smallest
        value of a cell is taken for one count.

        Parameters
        ----------
        adata
            Data with control cells to start from; the training data if ``None``.
        perturbation
            One label or several: perturbations, seen or not in combination, with members in any order.
        context
            Start from control cells of this context, which may be one that was not trained on.
        dose
            Dose of the perturbations, on the scale of ``dose_key``; 1 if ``None``. It need not have been measured. For a
            combination, one for all members, or one for each by its name, such as ``{"A": 10, "B": 0.5}``.
        n_cells
            Cells to predict for each perturbation, from as many control cells drawn at random: without replacement
            while there are enough. If ``None``, from all control cells, at most 1,000.
        indices
            Control cells to start from, instead of all that ``adata`` has.
        output
            What ``X`` holds: drawn ``"counts"``, the ``"log"`` of them, normalised as that of the control cells is, or the
            ``"mean"``, which is what the model expects, on the registered scale. Means are for changes and figures: a
            statistical test of them is not valid. If ``None``, drawn cells on the registered scale; means where that has
            negative values or is neither counts nor logarithms.
        interval
            Fraction of the conditions like this one whose measured mean change is to lie in an interval, gene by gene, such as
            0.9. The model has to be calibrated (:meth:`calibrate`).
        rng
            Seed or generator of the draws.

        Returns
        -------
        AnnData of shape (n_perturbations * n_cells, n_genes), whose ``X`` is sparse unless it holds means. Sets the
        following fields:

        `.layers['counts']`
            Drawn counts, where ``X`` holds their logarithm and the counts of the control cells are known (under the name
            of ``counts_layer``).
        `.obs['perturbation']`
            Label in the spelling of the model.
        `.obs['source_cell']`
            Name of the control cell that was started from.
        `.obs['status']`
            ``"trained"``, ``"unseen combination"``, ``"unseen"`` (a known perturbation without training cells) or
            ``"control"``.
        `.obs['predicted_output']`
            What ``X`` holds (``output``).
        `.layers['lower']`, `.layers['upper']`
            With an ``interval``: its ends for the change of the mean of the condition against the control cells that it
            started from, on the registered scale, the same in all cells of the condition.
        `.obs['confidence']`
            With an ``interval``: fraction of the squared change that is expected to be predicted, and the status ``"no better than
            the mean"`` where predictions of its kind and size were not better than the mean change.
        `.obs['context']`, `.obs['dose']`
            Context and dose, where they are registered.
        `.uns['prediction']`
            Name of the model, its parameters, what ``X`` holds (``output``), and the mean of the control cells on its scale.

        Raises
        ------
        ValueError
            If a perturbation or the context is unknown, the dose is negative, there is no control cell to start from, or
            the registered expression has no such output. With an ``interval``, if the model is not calibrated for such a
            condition, or too few were left out for an interval of this level: the message says how many it needs.

        Warns
        -----
        UserWarning
            If the dose lies outside of the range of those that were measured, or the counts are not those that the
            registered expression was made from.
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
            self._add_interval(predicted, adata, labels, chosen, expected, context=context, interval=interval)
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
        interval: float,
    ) -> None:
        """Add intervals of the mean change to predicted cells, and how sure they are."""
        changes = self._changes_of_means(adata, chosen, expected)
        found = self._calibrated(labels, changes, context=context, interval=interval)
        sizes = [len(cells) for cells in chosen]
        for name, ends in ((Key.layers.LOWER, found.lower), (Key.layers.UPPER, found.upper)):
            predicted.layers[name] = np.repeat(ends.astype(np.float32), sizes, axis=0)
        predicted.obs[Key.obs.CONFIDENCE] = np.repeat(found.confidence, sizes)
        predicted.obs[Key.obs.STATUS] = pd.Categorical(np.repeat(found.status, sizes))
        predicted.uns[Key.uns.PREDICTION]["interval"] = interval

    def _members_of(self, label: str, dose: Dose | None) -> NDArray[np.float32]:
        """Doses of the single perturbations in each member of a label, (n_members, n_perturbations)."""
        return members_alone(self.encode_perturbations([label], None if dose is None else [dose])[0])

    def _status(self, label: str) -> str:
        """How a label relates to the training data."""
        if label == self.control_:
            return "control"
        if label in self.trained_conditions_:
            return "trained"
        return "unseen combination" if self.labelling.is_combination(label) else "unseen"

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
        """Put predicted cells together with where they came from."""
        sizes = [len(cells) for cells in chosen]
        sources = np.concatenate(chosen)
        names = self._modality(adata).obs_names.to_numpy()[sources].astype(str)
        obs = pd.DataFrame(
            {
                Key.obs.PERTURBATION: pd.Categorical(np.repeat(labels, sizes), categories=list(labels)),
                Key.obs.SOURCE_CELL: names,
                Key.obs.STATUS: pd.Categorical(np.repeat([self._status(label) for label in labels], sizes)),
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
        """Predicted expression and counts, with how they were made of measured cells."""
        expression, counts = zip(*made, strict=True)
        output = "mean" if source is None else source.output
        obs[Key.obs.PREDICTED_OUTPUT] = pd.Categorical([output] * len(obs))
        predicted = AnnData(X=stacked(expression), obs=obs, var=self._var(adata).copy())
        if counts[0] is not None:
            predicted.layers[self._counts_name] = stacked(counts)
        unique, times = np.unique(cells, return_counts=True)
        # Each cell as often as a prediction started from it
        mean = times @ self._measured_as(adata, unique, source) / times.sum()
        predicted.uns[Key.uns.PREDICTION] = {
            "model": type(self).__name__,
            "params": params,
            "output": output,
            Key.uns.CONTROL_MEAN: np.asarray(mean, dtype=np.float32),
        }
        return predicted

    def _dose_name(self, label: str, dose: Mapping[str, float]) -> float | str:
        """Doses of the members of a label, for a table."""
        return Condition(label, member_doses(self.labelling.members(label), dose)).dose_name(self.labelling)


def terms_of(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Conditions whose changes add up to one with these ``members``, both with the doses of the single perturbations in rows.

    It is itself the only one, unless a mixture of perturbations stands for a member that was never measured.
    """
    if (np.count_nonzero(members, axis=1) < 2).all():
        return np.asarray(members.sum(axis=0, keepdims=True))
    return np.concatenate([members_alone(row) for row in members])


def stacked(parts: Sequence[Any]) -> Any:
    """Cells of several conditions, one after the other."""
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)


def draw_cells(cells: NDArray[np.int64], n_cells: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cells to start from."""
    if n_cells is None:
        n_cells = min(len(cells), _MAX_CELLS)
    if n_cells < 1:
        msg = f"`n_cells` must be at least 1, got {n_cells}."
        raise ValueError(msg)
    if n_cells == len(cells):
        return cells
    return rng.choice(cells, size=n_cells, replace=n_cells > len(cells))
