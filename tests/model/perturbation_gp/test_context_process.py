"""A process over perturbations and contexts."""

from __future__ import annotations

import numpy as np
import pytest

from scpi._features._rows import unit_rows
from scpi.model.perturbation_gp._context_process import Asked, ContextEffects, context_process, predict_context
from scpi.model.perturbation_gp._effects import TrainingEffects
from scpi.model.perturbation_gp._process import gaussian_process

N_CONTEXTS, N_PERTURBATIONS, N_GENES = 4, 40, 120


def simulate(seed, *, shared=1.0, special=0.5, noise=0.3):
    """Effects, contexts x perturbations x genes, whose parts that are special to contexts are alike where controls are."""
    rng = np.random.default_rng(seed)
    features = unit_rows(rng.normal(size=(N_PERTURBATIONS, 6)))
    axes = rng.normal(size=(6, N_GENES)) / np.sqrt(6)
    place = rng.normal(size=(N_CONTEXTS, 3))
    covariance = np.exp(-np.square(place[:, None] - place).sum(axis=2) / 6)
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(N_CONTEXTS))
    of_pair = np.einsum("cd,dpk->cpk", root, rng.normal(size=(N_CONTEXTS, N_PERTURBATIONS, 6)))
    of_context = np.einsum("cd,dk->ck", root, rng.normal(size=(N_CONTEXTS, 6)))
    common = features @ rng.normal(size=(6, 6)) + rng.normal(size=(N_PERTURBATIONS, 6))
    effects = (0.5 * of_context[:, None] + np.sqrt(shared / 2) * common + np.sqrt(special) * of_pair) @ axes
    control = 5.0 + place @ rng.normal(size=(3, N_GENES))
    return features, effects + noise * rng.normal(size=effects.shape), control


def measured(features, effects, control, known, *, noise=0.3):
    """All pairs of the contexts but the first, and ``known`` perturbations in the first."""
    pairs = [(p, c) for c in range(N_CONTEXTS) for p in range(N_PERTURBATIONS) if c or p in known]
    perturbation, context = np.array(pairs).T
    return ContextEffects(
        sources={"features": features},
        perturbation=perturbation,
        context=context,
        effects=effects[context, perturbation],
        errors=np.full((len(pairs), N_GENES), noise),
        gene=np.full(N_PERTURBATIONS, -1),
        control=control,
    )


def errors(seed, n_known, **options):
    """Squared error in the first context of the process, of the mean of the other contexts, and of the mean of all pairs."""
    features, effects, control = simulate(seed, **options)
    known = np.arange(n_known)
    data = measured(features, effects, control, known)
    found = context_process(data)
    new = np.arange(n_known, N_PERTURBATIONS)
    predicted = found.mean + predict_context(found, data, Asked(new, found.relations[:, 0], 0)) @ found.axes
    others, mean = effects[1:, new].mean(axis=0), data.effects.mean(axis=0)
    return np.array([np.square(one - effects[0, new]).mean() for one in (predicted, others, mean)])


def test_one_context_is_the_process_over_perturbations():
    features, effects, _ = simulate(0)
    noise = np.random.default_rng(0).uniform(0.1, 1.0, effects[0].shape)
    known, gene = np.arange(30), np.where(np.arange(N_PERTURBATIONS) % 3 == 0, np.arange(N_PERTURBATIONS), -1)
    sources = {"one": features, "other": features[::-1].copy()}
    expected = gaussian_process(TrainingEffects(sources, known, effects[0, :30], noise[:30], gene, np.zeros(N_GENES)))
    flat = np.zeros(30, dtype=int)
    data = ContextEffects(sources, known, flat, effects[0, :30], noise[:30], gene, np.zeros((1, N_GENES)))
    found = context_process(data)
    np.testing.assert_allclose(found.left_out, expected.left_out, atol=1e-8)
    np.testing.assert_allclose(found.slopes[2], expected.calibration, atol=1e-10)
    new = np.arange(30, N_PERTURBATIONS)
    scores = predict_context(found, data, Asked(new, found.relations[:, 0], 0))
    np.testing.assert_allclose(
        found.mean + scores @ found.axes, (expected.mean + expected.scores @ expected.axes)[new], atol=1e-8
    )


def test_perturbations_are_predicted_from_other_contexts_and_sharper_with_some_measured():
    found = {n: np.mean([errors(seed, n) for seed in range(4)], axis=0) for n in (0, 1, 3, 10)}
    for own, others, mean in found.values():
        assert own < 0.6 * mean
        assert own < 1.02 * others
    assert found[10][0] < 0.75 * found[10][1]
    assert found[3][0] < 0.85 * found[3][1]


def test_contexts_that_tell_nothing_of_each_other_give_the_mean_back():
    found = []
    for seed, n_known in ((0, 0), (1, 3), (2, 10), (3, 0), (4, 3), (5, 10)):
        features, effects, control = simulate(seed, special=0.0)
        rng = np.random.default_rng(seed)
        # The same effects, under other names in each context
        effects = np.stack([own[rng.permutation(N_PERTURBATIONS)] for own in effects])
        data = measured(features, effects, control, np.arange(n_known))
        process, new = context_process(data), np.arange(n_known, N_PERTURBATIONS)
        predicted = process.mean + predict_context(process, data, Asked(new, process.relations[:, 0], 0)) @ process.axes
        found.append([np.square(one - effects[0, new]).sum() for one in (predicted, data.effects.mean(axis=0))])
    own, mean = np.sum(found, axis=0)
    assert own < 1.01 * mean


def test_predictions_are_those_of_kriging():
    features, effects, control = simulate(0)
    data = measured(features, effects, control, np.arange(5))
    found = context_process(data)
    covariance = np.zeros((len(data.context),) * 2)
    kernels = [features @ features.T, np.eye(N_PERTURBATIONS), np.ones((N_PERTURBATIONS,) * 2)]
    np.fill_diagonal(kernels[0], 1.0)
    contexts = [np.ones((N_CONTEXTS,) * 2), *found.relations]
    asked = np.zeros((2, len(data.context)))
    for kernel, factors in zip(kernels, found.factors, strict=True):
        for between, factor in zip(contexts, factors, strict=True):
            places = np.ix_(data.perturbation, data.perturbation), np.ix_(data.context, data.context)
            covariance += factor * kernel[places[0]] * between[places[1]]
            asked += factor * kernel[np.ix_([7, 8], data.perturbation)] * between[0, data.context]
    inverse = np.linalg.inv(covariance + np.diag(1.0 + found.noise))
    # The dual is that of the scores less their estimated mean
    np.testing.assert_allclose(found.dual.sum(axis=0), 0, atol=1e-8)
    scores = np.linalg.solve(inverse, found.dual)
    expected = asked @ found.dual - (covariance @ found.dual).mean(axis=0)
    ones = inverse.sum(axis=0)
    np.testing.assert_allclose(found.dual, inverse @ scores, atol=1e-8)
    np.testing.assert_allclose(ones @ scores, 0, atol=1e-6)
    predicted = predict_context(found, data, Asked(np.array([7, 8]), found.relations[:, 0], 0))
    # But for the size and the slope, which are one factor for each
    ratio = predicted / expected
    np.testing.assert_allclose(ratio, np.tile(ratio[:, :1], ratio.shape[1]), rtol=1e-4)


def test_what_has_no_features_and_no_cells_is_what_the_context_does_to_all():
    features, effects, control = simulate(1)
    features[20] = 0.0
    data = measured(features, effects, control, np.arange(10))
    rest = data.perturbation != 20
    data = data._replace(
        perturbation=data.perturbation[rest],
        context=data.context[rest],
        effects=data.effects[rest],
        errors=data.errors[rest],
    )
    found = context_process(data)
    here, there = (
        predict_context(found, data, Asked(np.array([20]), found.relations[:, code], code))[0] for code in (0, 1)
    )
    assert np.abs(here - there).max() > 0.1
    by_hand = np.tensordot(found.factors[-1], np.concatenate([np.ones((1, 4, 4)), found.relations]), axes=1)[0]
    scores = by_hand[data.context] @ found.dual - found.centre[0]
    np.testing.assert_allclose(here / scores, np.full(len(here), (here / scores)[0]))


def test_contexts_are_more_alike_where_their_effects_are():
    features, effects, control = simulate(2, special=0.05)
    alike = context_process(measured(features, effects, control, np.arange(N_PERTURBATIONS))).between
    features, effects, control = simulate(2, special=4.0)
    unlike = context_process(measured(features, effects, control, np.arange(N_PERTURBATIONS))).between
    outside = ~np.eye(N_CONTEXTS, dtype=bool)
    assert alike[outside].min() > unlike[outside].mean() + 0.1
    np.testing.assert_allclose(np.diag(alike), 1.0)


def test_too_few_pairs_are_not_learned_from():
    features, effects, control = simulate(0)
    data = measured(features, effects, control, np.arange(0))
    assert (
        context_process(
            data._replace(
                **{name: getattr(data, name)[:2] for name in ("perturbation", "context", "effects", "errors")}
            )
        )
        is None
    )
    assert context_process(data._replace(effects=np.ones_like(data.effects))) is None


def test_the_own_gene_counts_as_it_does_under_other_perturbations():
    features, effects, control = simulate(0)
    gene = np.full(N_PERTURBATIONS, -1)
    gene[3] = 7
    effects[:, 3, 7] = -50.0
    data = measured(features, effects, control, np.arange(N_PERTURBATIONS))._replace(gene=gene)
    kept = data.without_own_genes().effects
    of_it = data.perturbation == 3
    np.testing.assert_allclose(kept[of_it, 7], data.effects[~of_it, 7].mean())
    assert data.own_change()[3] == -50.0
    assert np.isnan(data.own_change()[4])
    np.testing.assert_allclose(data.others_mean()[of_it][0], kept[~of_it].mean(axis=0))


@pytest.mark.parametrize("most", [40, 90])
def test_many_pairs_are_drawn_from(monkeypatch, most):
    monkeypatch.setattr("scpi.model.perturbation_gp._context_process._MOST", most)
    own, _, mean = errors(0, 3)
    assert own < 0.7 * mean
