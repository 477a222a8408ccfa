"""Matched nulls: training cells with permuted labels, without information about single perturbations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from scpi.benchmark._lean_data import lean_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.benchmark._task import Task


def without_information(task: Task, seed: int) -> Task:
    """Permute labels and doses of perturbed training and validation cells between the conditions of a context.

    All cells of a condition get the label of the same other condition, so that the number of conditions and the
    magnitude of effects are unchanged. Controls and test cells keep their labels. A `ValueError` is raised if no
    context has two conditions.
    """
    labels, split = task.labels, task.split
    cells = np.concatenate([split.train, split.validation])
    cells = cells[~labels.is_control[labels.where(cells)]]
    at = labels.where(cells)
    # Index of the cell whose label and dose each cell gets
    sources = np.arange(task.data.n_obs)
    rng = np.random.default_rng(seed)
    contexts = labels.context[at].astype(str)
    for context in np.unique(contexts):
        own = contexts == context
        codes, first, place = np.unique(labels.condition[at[own]], return_index=True, return_inverse=True)
        if len(codes) > 1:
            members = [labels.labelling.members(labels.conditions[code].label) for code in codes]
            sources[cells[own]] = cells[own][first[exchanged(members, rng)[place]]]
    if np.array_equal(sources, np.arange(task.data.n_obs)):
        msg = (
            "There is no matched null: no context has two perturbed conditions among the training cells whose labels could be "
            "exchanged."
        )
        raise ValueError(msg)
    obs = task.data.obs.copy()
    for key in (task.setup["perturbation_key"], task.setup["dose_key"]):
        if key is not None:
            obs[key] = obs[key].array.take(sources)
    return replace(task, data=lean_data(task.data, obs))


def exchanged(members: Sequence[Sequence[str]], rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw the position of the condition whose label each condition gets, never its own.

    It is a random one of the permutations in which conditions and their new labels share the fewest members, if
    possible none. A single condition keeps its label.
    """
    vocabulary = {name: column for column, name in enumerate(dict.fromkeys(name for one in members for name in one))}
    rows = np.repeat(np.arange(len(members)), [len(one) for one in members])
    columns = [vocabulary[name] for one in members for name in one]
    design = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(members), len(vocabulary)))
    cost = (design @ design.T).toarray()
    np.fill_diagonal(cost, 1.0 + cost.sum())
    # Below 1 in sum: it decides between permutations with as many common members
    cost += rng.random(cost.shape) / (len(members) + 1)
    return np.asarray(linear_sum_assignment(cost)[1])
