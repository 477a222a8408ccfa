from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from scpi.model.base.generation._rates import Rates

N = 20_000
FRACTIONS = torch.tensor([[0.7, 0.2, 0.1]]).expand(N, -1)


@pytest.mark.parametrize("theta", [None, torch.tensor([2.0, 0.5, 1e4])])
def test_counts_have_their_distribution(theta):
    counts = Rates(FRACTIONS, theta).draw(np.full(N, 10.0), np.random.default_rng(0))
    assert sparse.isspmatrix_csr(counts) and counts.dtype == np.float32
    x = counts.toarray()
    for gene, mean in enumerate([7.0, 2.0, 1.0]):
        r = 1e6 if theta is None else float(theta[gene])
        law = stats.nbinom(r, r / (r + mean))
        for k in range(4):
            assert np.mean(x[:, gene] == k) == pytest.approx(law.pmf(k), abs=0.012)
        assert x[:, gene].mean() == pytest.approx(mean, rel=0.05)


def test_lost_counts():
    logit = torch.tensor([[0.0, 30.0, -30.0]]).expand(N, -1)
    rates = Rates(FRACTIONS, torch.tensor([5.0, 5.0, 5.0]), logit)
    np.testing.assert_allclose(rates.expected()[0], [0.35, 0.0, 0.1], atol=1e-6)
    x = rates.draw(np.full(N, 10.0), np.random.default_rng(0)).toarray()
    np.testing.assert_allclose(x.mean(0), [3.5, 0.0, 1.0], rtol=0.05)


def test_totals_that_grow():
    logs = torch.tensor([[0.3, 0.2, 0.1], [1.0, 0.5, 0.5]]).log()
    rates = Rates.of_logs(logs, torch.tensor([5.0, 5.0, 5.0]))
    np.testing.assert_allclose(rates.growth, [[0.6], [2.0]], rtol=1e-6)
    np.testing.assert_allclose(rates.expected(), [[0.5, 1 / 3, 1 / 6], [0.5, 0.25, 0.25]], rtol=1e-6)
    np.testing.assert_allclose(rates.changed(), logs.exp(), rtol=1e-6)
    plain = Rates(rates.fractions, None)
    np.testing.assert_array_equal(plain.changed(), plain.expected())


def test_each_cell_has_its_own_overdispersion_and_total():
    theta = torch.tensor([[1.0], [1e5]]).expand(2, 3).repeat_interleave(N // 2, 0)
    total = np.repeat([10.0, 100.0], N // 2)
    x = Rates(FRACTIONS, theta).draw(total, np.random.default_rng(0)).toarray()[:, 0]
    assert x[: N // 2].var() == pytest.approx(7 + 49, rel=0.1)
    assert x[N // 2 :].var() == pytest.approx(70, rel=0.1)
