"""A Gaussian process over perturbations and contexts: what is measured in some contexts, or of some perturbations, predicts the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._screen._matrix import as_dense
from scpi.model.perturbation_gp._blocks import calibrate_blocks, left_out_blocks
from scpi.model.perturbation_gp._contexts import relations
from scpi.model.perturbation_gp._evidence import Part, centred_scale, learn_factors, projection
from scpi.model.perturbation_gp._process import gram
from scpi.model.perturbation_gp._response import take_response
from scpi.model.perturbation_gp._sizes import expected_sizes, size_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._response import Response

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

# Pairs that factors are learned from, at most, and that there must be
_MOST, _FEWEST = 600, 3
# Components, at least, of several contexts: one is a replicate of the other, which tells what is signal although it is small
_REPLICATED = 50
# Level of the test that contexts tell of each other at all: their mean is hard to beat
_LEVEL = 0.05
KINDS = ("pair", "context", "perturbation", "both")
"""What is new in a pair of known names: nothing but the pair; its context; its perturbation; both."""
OWN, COMMON = "own", "common"
"""Beside the sources of features: what a perturbation has for itself, and what all have in common."""


class ContextEffects(NamedTuple):
    """Effects of pairs of a perturbation and a context."""

    sources: Mapping[str, Any]
    """Features of all perturbations, by source, dense or sparse."""
    perturbation: Places
    """Place of the perturbation of each pair among all."""
    context: Places
    """Code of its context."""
    effects: Floats
    """Pairs x genes."""
    errors: Floats
    """Standard errors of the effects."""
    gene: Places
    """Place of the gene that has the name of each perturbation; -1 without."""
    control: Floats
    """Mean expression of the controls, contexts x genes."""

    def others_mean(self) -> Floats:
        """Mean effect of the pairs of other perturbations, for each pair, in which an own gene counts as it does for the others."""
        effects = self.without_own_genes().effects
        of_each = np.zeros((self.perturbation.max() + 1, effects.shape[1]))
        np.add.at(of_each, self.perturbation, effects)
        n = np.bincount(self.perturbation)[self.perturbation]
        others = (effects.sum(axis=0) - of_each[self.perturbation]) / np.maximum(len(effects) - n, 1)[:, None]
        return np.asarray(others)

    def own_change(self) -> Floats:
        """Mean over contexts of what each perturbation does to its own gene, of all perturbations; NaN where that is not known."""
        found = np.full(len(self.gene), np.nan)
        for perturbation in np.unique(self.perturbation[self.gene[self.perturbation] >= 0]):
            rows = self.perturbation == perturbation
            found[perturbation] = self.effects[rows, self.gene[perturbation]].mean()
        return found

    def without_own_genes(self) -> ContextEffects:
        """The same where each perturbation changes its own gene as the others do on average."""
        own, effects = self.gene[self.perturbation], self.effects.copy()
        for perturbation in np.unique(self.perturbation[own >= 0]):
            rows = self.perturbation == perturbation
            if not rows.all():
                column = self.gene[perturbation]
                effects[rows, column] = self.effects[~rows, column].mean()
        return self._replace(effects=effects)


class ContextProcess(NamedTuple):
    """Parameters learned from measured pairs, which predict any pair."""

    mean: Floats
    """Mean effect of the pairs, (n_genes,)."""
    axes: Floats
    """Directions, components x genes."""
    dual: Floats
    """Weights of the measured pairs, pairs x components."""
    centre: Floats
    """Offsets to subtract from predicted scores, without and with features, 2 x components."""
    factors: Floats
    """Factors of kernels of perturbations (features, own, common) and relations of contexts (shared, relations)."""
    relations: Floats
    """Similarities of the contexts, relations x contexts x contexts."""
    log_size: Floats
    """Logarithm of the size of each pair."""
    slopes: Floats
    """Factors of the deviations from the mean, by kind."""
    left_out: Floats
    """Deviation of each pair as the other pairs predict it, pairs x components."""
    without: Floats
    """Deviation of each pair as the other perturbations predict it."""
    noise: Floats
    """Variance of the noise of each pair, in units of the variance that is special to a pair."""

    @property
    def between(self) -> Floats:
        """Correlation of the effects of a perturbation with all features in two contexts, contexts x contexts."""
        covariance = _between(self.factors, self.relations).sum(axis=0) + np.eye(self.relations.shape[1])
        length = np.sqrt(np.diag(covariance))
        return np.asarray(covariance / np.outer(length, length))


def context_process(data: ContextEffects) -> ContextProcess | None:
    """Learn how effects depend on perturbations and contexts; ``None`` where there is nothing to learn from.

    The covariance of two pairs is a sum of products of a kernel of their perturbations (the features of each source, being the
    same one, and 1) and one of their contexts (1, the relations, and being the same one), whose factors have the largest evidence.
    """
    data = data.without_own_genes()
    if len(data.perturbation) < _FEWEST:
        return None
    several = len(np.unique(data.context)) > 1
    response = take_response(data.effects, data.errors, least=_REPLICATED if several else 1)
    if response is None:
        return None
    related = relations(data.control, data.control, np.eye(len(data.control)))
    grams = _Grams(data)
    factors = _learned(grams, related, response)
    fitted = grams.covariance(factors, related)
    inverse = projection(fitted + np.diag(1.0 + response.noise))
    dual = inverse @ response.scores
    common = (_between(factors, related)[-1][:, data.context] @ dual)[data.context]
    log_size = np.log(response.size)
    slopes, deviations = np.ones(len(KINDS)), {}
    of_kind = {"pair": np.arange(len(dual)), "context": data.context, "perturbation": data.perturbation}
    # Those that are predicted from the same perturbation in another context, when they are left out
    is_shared = np.bincount(data.perturbation)[data.perturbation] > 1
    for place, kind in enumerate(KINDS[:3]):
        blocks = np.unique(of_kind[kind], return_inverse=True)[1]
        size = expected_sizes(log_size, data.perturbation, data.context, blocks)
        deviation, real = left_out_blocks(response, dual, inverse, blocks)
        deviation *= size[:, None]
        cluster = data.context if kind == "context" else data.perturbation
        level = 1.0 if kind == "perturbation" else _LEVEL
        rows = np.ones_like(is_shared) if kind == "perturbation" else is_shared
        slopes[place] = calibrate_blocks(deviation, real, response, rows, cluster, level=level)
        deviations[kind] = deviation
    slopes[3] = min(slopes[1], slopes[2])
    return ContextProcess(
        mean=response.mean,
        axes=response.axes,
        dual=dual,
        centre=np.stack([common.mean(axis=0), (fitted @ dual).mean(axis=0)]),
        factors=factors,
        relations=related,
        log_size=log_size,
        slopes=slopes,
        left_out=np.where(is_shared, slopes[0], slopes[2])[:, None] * deviations["pair"],
        without=slopes[2] * deviations["perturbation"],
        noise=response.noise,
    )


class _Grams:
    """Kernels of the perturbations of pairs."""

    def __init__(self, data: ContextEffects) -> None:
        self.context = data.context
        known, place = np.unique(data.perturbation, return_inverse=True)
        self.place = place
        self.of = {name: gram(values[known]) for name, values in data.sources.items()}
        self.of |= {OWN: np.eye(len(known)), COMMON: np.ones((len(known), len(known)))}

    def pairs(self, name: str, rows: Places) -> Floats:
        place = self.place[rows]
        return np.asarray(self.of[name][np.ix_(place, place)])

    def covariance(self, factors: Floats, related: Floats) -> Floats:
        """Covariance of all pairs, but for what is special to each."""
        rows, between = np.arange(len(self.place)), _between(factors, related)
        found = np.zeros((len(rows), len(rows)))
        for own, name in zip(between, self.of, strict=True):
            if own.any():
                found += self.pairs(name, rows) * own[np.ix_(self.context, self.context)]
        return found


def _between(factors: Floats, related: Floats) -> Floats:
    """Covariance of contexts with the known ones for each kernel of perturbations."""
    shared = np.concatenate([np.ones((1, *related.shape[1:])), related])
    return np.tensordot(factors, shared, axes=1)


def _learned(grams: _Grams, related: Floats, response: Response) -> Floats:
    """Factors of the kernels, from at most 600 pairs."""
    rows = _some(grams)
    shared = [np.ones(related.shape[1:]), *related]
    context = grams.context[rows]
    n_sources, parts, places, scales = len(grams.of) - 2, [], [], []
    for i, name in enumerate(grams.of):
        kernel = grams.pairs(name, rows)
        for j, between in enumerate(shared):
            alike = between[np.ix_(context, context)]
            product = kernel * alike
            scale = centred_scale(product)
            # What tells no pairs or contexts apart is known without it, and what no two pairs have in common is special to each
            if scale == 0 or (j and centred_scale(alike) == 0) or _is_diagonal(product):
                continue
            # All sources are one kind of kernel, and so are all relations
            term = 2 * max(i - n_sources + 1, 0) + (j > 0)
            parts.append(Part(product / scale, term, i if i < n_sources else -1, j - 1))
            places.append((i, j))
            scales.append(scale)
    factors = np.zeros((len(grams.of), len(shared)))
    if parts:
        found = learn_factors(parts, response.scores[rows], response.noise[rows], response.importance)
        factors[tuple(np.transpose(places))] = found / scales
    return factors


def _is_diagonal(kernel: Floats) -> bool:
    return bool(np.abs(kernel).sum() <= np.trace(kernel) * (1.0 + 1e-6))


def _some(grams: _Grams) -> Places:
    """Rows of the pairs of random perturbations, first of those in most contexts."""
    place = grams.place
    if len(place) <= _MOST:
        return np.arange(len(place))
    counts = np.bincount(place)
    order = np.random.default_rng(0).permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    chosen = order[np.cumsum(counts[order]) <= _MOST]
    return np.flatnonzero(np.isin(place, chosen))


class Asked(NamedTuple):
    """Perturbations to predict in one context."""

    perturbation: Places
    """Their places among all."""
    related: Floats
    """Relations of the context to those of the training, relations x contexts."""
    code: int
    """Code of the context; -1 if it has none."""


def predict_context(found: ContextProcess, data: ContextEffects, asked: Asked) -> Floats:
    """Deviations of effects from the mean effect, perturbations x components.

    Of ``data``, only the features and what was measured where are read.
    """
    names = [*data.sources, OWN, COMMON]
    weights = dict(zip(names, _between(found.factors, asked.related)[:, data.context], strict=True))
    same = asked.perturbation[:, None] == data.perturbation
    total = weights[OWN] * same
    described = np.zeros(len(asked.perturbation), dtype=bool)
    for name, values in data.sources.items():
        rows = values[asked.perturbation].astype(np.float64)
        kernel = as_dense(rows @ values[data.perturbation].T, np.float64)
        # As in training, a perturbation is as similar to itself as one with all of its features would be
        total = total + weights[name] * np.where(same, np.maximum(kernel, 1.0), kernel)
        described |= np.asarray(abs(rows).sum(axis=1)).ravel() > 0
    is_known = same.any(axis=1)
    common = np.asarray(weights[COMMON] @ found.dual)
    scores = np.where(
        (described | is_known)[:, None], total @ found.dual + common - found.centre[1], common - found.centre[0]
    )
    n_there = int((data.context == asked.code).sum())
    kind = np.where(is_known, KINDS.index("pair"), KINDS.index("perturbation"))
    if n_there < _FEWEST:
        kind = np.where(is_known, KINDS.index("context"), KINDS.index("both"))
    own, of_context = size_parts(
        found.log_size, data.perturbation, data.context, len(data.gene), asked.related.shape[1]
    )
    size = np.exp(own[asked.perturbation] + (of_context[asked.code] if n_there else 0.0))
    return np.asarray((found.slopes[kind] * size)[:, None] * scores)
