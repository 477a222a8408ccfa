from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist

from scpi.model.base.loading._transport import pair_by_stratum, pair_cells, pair_conditions, transport_plan


@pytest.fixture
def arms():
    rng = np.random.default_rng(0)
    return rng.normal(size=(6, 3)), rng.normal(size=(8, 3)) + 0.5


def cheapest(cost):
    """Least cost of transport with uniform masses, as a linear programme."""
    n, m = cost.shape
    equal = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return linprog(cost.ravel(), A_eq=equal, b_eq=np.repeat([1 / n, 1 / m], [n, m])).fun


def double_centred(table):
    return table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()


class TestTransportPlan:
    @pytest.mark.parametrize(("squared", "metric"), [(False, "euclidean"), (True, "sqeuclidean")])
    def test_the_exact_plan_is_the_optimum_of_the_linear_programme(self, arms, squared, metric):
        plan = transport_plan(*arms, squared=squared)
        assert plan.min() >= 0
        np.testing.assert_allclose(plan.sum(1), 1 / 6)
        np.testing.assert_allclose(plan.sum(0), 1 / 8)
        cost = cdist(*arms, metric)
        # No plan with these sums is cheaper than the optimum, which the solver may miss by its tolerance
        assert (plan * cost).sum() <= cheapest(cost) * (1 + 1e-6)

    def test_as_many_cells_in_both_arms_make_an_assignment(self, arms):
        source, target = arms[0], arms[1][:6]
        plan = transport_plan(source, target)
        rows, columns = linear_sum_assignment(cdist(source, target))
        expected = np.zeros((6, 6))
        expected[rows, columns] = 1 / 6
        np.testing.assert_allclose(plan, expected, atol=1e-12)

    def test_cells_on_a_line_keep_their_order(self):
        source, target = np.array([[3.0], [1.0], [2.0]]), np.array([[10.0], [30.0], [20.0]])
        # Plain distances leave all plans alike here; squared ones have one optimum
        plan = transport_plan(source, target, squared=True)
        np.testing.assert_allclose(plan, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]) / 3, atol=1e-12)

    @pytest.mark.parametrize("regularisation", [0.05, 0.5])
    def test_the_entropic_plan_is_a_scaled_kernel_with_the_right_sums(self, arms, regularisation):
        plan = transport_plan(*arms, method="entropic", regularisation=regularisation)
        np.testing.assert_allclose(plan.sum(1), 1 / 6, atol=1e-6)
        np.testing.assert_allclose(plan.sum(0), 1 / 8, atol=1e-6)
        cost = cdist(*arms)
        # One plan alone is exp(-cost / weight) times a factor of each row and one of each column (Sinkhorn 1967)
        potential = np.log(plan) + cost / (regularisation * cost.mean())
        np.testing.assert_allclose(double_centred(potential), 0, atol=1e-9)

    def test_the_entropic_plan_goes_from_the_optimum_to_independence(self, arms):
        cost = cdist(*arms)
        sharp = transport_plan(*arms, method="entropic", regularisation=2e-3)
        assert (sharp * cost).sum() == pytest.approx(cheapest(cost), rel=1e-3)
        flat = transport_plan(*arms, method="entropic", regularisation=1e4)
        np.testing.assert_allclose(flat, 1 / 48, rtol=1e-3)

    @pytest.mark.parametrize("method", ["exact", "entropic"])
    def test_the_scale_of_the_components_does_not_matter(self, arms, method):
        plan = transport_plan(*arms, method=method)
        np.testing.assert_allclose(transport_plan(*(1e4 * arm for arm in arms), method=method), plan, atol=1e-9)

    def test_cells_that_are_all_the_same_share_their_mass(self):
        np.testing.assert_allclose(transport_plan(np.ones((2, 3)), np.ones((4, 3))), 1 / 8)

    @pytest.mark.parametrize(
        ("source", "target", "kwargs", "match"),
        [
            (np.ones((2, 3)), np.ones((2, 4)), {}, r"same components, got \(2, 3\) and \(2, 4\)"),
            (np.ones((0, 3)), np.ones((2, 3)), {}, r"got \(0, 3\)"),
            (np.ones((2, 3)), np.full((2, 3), np.nan), {}, "must be finite"),
            (np.ones((2, 3)), np.ones((2, 3)), {"method": "fast"}, "'exact' or 'entropic', got 'fast'"),
            (np.ones((2, 3)), np.ones((2, 3)), {"regularisation": 0}, "above 0, got 0"),
        ],
    )
    def test_bad_input_is_refused(self, source, target, kwargs, match):
        with pytest.raises(ValueError, match=match):
            transport_plan(source, target, **kwargs)


class TestPairCells:
    plan = np.array([[0.3, 0.2, 0.0], [0.25, 0.05, 0.0], [0.0, 0.1, 0.1]])

    def test_the_largest_partner_may_serve_twice(self):
        # The last source has two equal ones, of which the first is taken
        assert pair_cells(self.plan, "largest").tolist() == [0, 0, 1]

    def test_an_assignment_uses_every_target_once(self):
        # 0.2 + 0.25 + 0.1: more than 0.3 + 0.05 + 0.1
        assert pair_cells(self.plan, "assignment").tolist() == [1, 0, 2]

    @given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 100))
    @settings(max_examples=30, deadline=None)
    def test_no_other_assignment_carries_more(self, n, m, seed):
        plan = np.random.default_rng(seed).random((n, m))
        pairs = pair_cells(plan, "assignment")
        found = pairs >= 0
        assert found.sum() == min(n, m) == len(set(pairs[found]))
        rows, wide = (plan, m) if n <= m else (plan.T, n)
        best = max(
            sum(rows[i, j] for i, j in enumerate(order)) for order in itertools.permutations(range(wide), len(rows))
        )
        assert plan[np.flatnonzero(found), pairs[found]].sum() == pytest.approx(best)

    def test_draws_follow_the_mass_of_each_source(self):
        n_draws = 20_000
        drawn = pair_cells(np.repeat(self.plan, n_draws, axis=0), "sample", rng=0).reshape(3, n_draws)
        shares = np.stack([np.bincount(row, minlength=3) for row in drawn]) / n_draws
        expected = self.plan / self.plan.sum(1, keepdims=True)
        np.testing.assert_allclose(shares, expected, atol=0.015)
        assert (shares[expected == 0] == 0).all()

    def test_the_same_seed_draws_the_same(self):
        plan = np.full((50, 50), 1 / 2500)
        np.testing.assert_array_equal(pair_cells(plan, "sample", rng=3), pair_cells(plan, "sample", rng=3))
        assert (pair_cells(plan, "sample", rng=3) != pair_cells(plan, "sample", rng=4)).any()

    def test_an_unknown_way_is_refused(self):
        with pytest.raises(ValueError, match="'largest', 'assignment' or 'sample', got 'best'"):
            pair_cells(self.plan, "best")


class TestPairByStratum:
    @pytest.fixture
    def screen(self):
        # Three contexts far from each other, in mixed order; the treated cells of the last are missing, and those of
        # the first two come in the same order as their controls, each a little aside of its own.
        rng = np.random.default_rng(1)
        context = rng.permutation(np.repeat([0, 1, 2], [12, 15, 9]))
        control = rng.normal(size=(len(context), 4)) + 100.0 * context[:, None]
        kept = np.flatnonzero(context < 2)
        treated = control[kept] + 0.01
        x = np.concatenate([control, treated, np.full((5, 4), 900.0)])
        strata = np.concatenate([context, context[kept], np.full(5, 3)])
        return x, strata, np.arange(len(context)), np.arange(len(context), len(x)), kept

    def pair(self, screen, **kwargs):
        x, strata, control, treated, _ = screen
        return pair_by_stratum(x, control, treated, strata[control], strata[treated], n_components=None, **kwargs)

    @pytest.mark.parametrize("how", ["largest", "assignment", "sample"])
    def test_pairs_stay_in_their_context_and_name_the_cells_of_the_data(self, screen, how):
        _, strata, control, _, kept = screen
        pairs = self.pair(screen, how=how, rng=0)
        np.testing.assert_array_equal(strata[pairs.source], strata[pairs.target])
        # The partner of each control is the treated cell that was made of it, wherever it lies in the data
        partner = dict(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True))
        assert partner == {int(cell): len(control) + place for place, cell in enumerate(kept)}

    def test_positions_within_a_context_would_name_other_cells(self, screen):
        # As published: positions count from the first treated cell of the context
        _, strata, control, treated, _ = screen
        pairs = self.pair(screen)
        local = np.concatenate(
            [
                np.searchsorted(treated[strata[treated] == code], pairs.target[strata[pairs.source] == code])
                for code in (0, 1)
            ]
        )
        assert (strata[treated[local]] != strata[pairs.source]).sum() > 5
        assert (strata[pairs.target] == strata[pairs.source]).all()

    def test_contexts_without_one_arm_have_no_pair(self, screen):
        _, strata, *_ = screen
        assert set(strata[self.pair(screen).source]) == {0, 1}

    def test_sparse_expression_gives_the_same_pairs(self, screen):
        x, *rest = screen
        for pairs in zip(self.pair(screen), self.pair((sparse.csr_matrix(x), *rest)), strict=True):
            np.testing.assert_array_equal(*pairs)

    def test_components_are_those_of_both_arms_together(self):
        rng = np.random.default_rng(2)
        x = rng.normal(size=(40, 30)) * np.linspace(3, 0.1, 30)
        control, treated, strata = np.arange(20), np.arange(20, 40), np.zeros(20, int)
        pairs = pair_by_stratum(x, control, treated, strata, strata, n_components=5)
        centred = x - x.mean(0)
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        scores = u[:, :5] * s[:5]
        expected = linear_sum_assignment(cdist(scores[:20], scores[20:]))[1] + 20
        np.testing.assert_array_equal(pairs.target, expected)

    @pytest.mark.parametrize(("n_control", "n_treated"), [(95, 95), (95, 40), (40, 95), (200, 3)])
    def test_large_strata_are_paired_in_parts(self, n_control, n_treated):
        rng = np.random.default_rng(3)
        x = rng.normal(size=(n_control + n_treated, 4))
        control, treated = np.arange(n_control), np.arange(n_control, n_control + n_treated)
        strata = np.zeros(n_control, int), np.zeros(n_treated, int)
        pairs = pair_by_stratum(x, control, treated, *strata, max_cells=10, n_components=None)
        np.testing.assert_array_equal(np.sort(pairs.source), control)
        assert set(pairs.target) <= set(treated)
        once = pair_by_stratum(x, control, treated, *strata, max_cells=10, n_components=None, how="assignment")
        assert len(set(once.target)) == len(once.target) == min(n_control, n_treated)

    def test_parts_of_a_stratum_follow_the_seed(self):
        x = np.random.default_rng(4).normal(size=(60, 4))
        arms = np.arange(30), np.arange(30, 60), np.zeros(30, int), np.zeros(30, int)
        first, again, other = (pair_by_stratum(x, *arms, max_cells=10, rng=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_bad_input_is_refused(self, screen):
        x, strata, control, treated, _ = screen
        with pytest.raises(ValueError, match="code of its stratum"):
            pair_by_stratum(x, control, treated, strata, strata[treated])
        with pytest.raises(ValueError, match="at least 1, got 0"):
            self.pair(screen, max_cells=0)


# Two contexts far apart, three controls each, and two conditions that move cells by a little; rows are shuffled
CONTEXT = np.array([1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0])
CONDITION = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 1, 2])
X = np.column_stack([100.0 * CONTEXT + 0.1 * CONDITION, np.arange(12) % 6]).astype(np.float32)


@pytest.mark.parametrize("each", ["control", "treated"])
def test_pairs_stay_in_their_context_and_condition_wherever_rows_lie(each):
    control, treated = np.flatnonzero(CONDITION == 0), np.flatnonzero(CONDITION > 0)
    pairs = pair_conditions(X, control, treated, CONDITION[treated], CONTEXT, each=each, n_components=None)
    assert (CONDITION[pairs.source] == 0).all() and (CONDITION[pairs.target] > 0).all()
    np.testing.assert_array_equal(CONTEXT[pairs.source], CONTEXT[pairs.target])
    if each == "treated":
        np.testing.assert_array_equal(np.sort(pairs.target), treated)
    else:
        # Every control has one partner in each of both conditions of its context
        counted = {(int(s), int(CONDITION[t])) for s, t in zip(*pairs, strict=True)}
        assert len(pairs.source) == len(counted) == 12
