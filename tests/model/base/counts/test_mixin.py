from __future__ import annotations

import numpy as np

from scpi.model.base.counts._cells import Cells
from scpi.model.base.counts._change import changed_cells
from scpi.model.base.counts._match import match_means
from scpi.model.base.counts._mixin import _inverse_overdispersion


def test_few_cells_with_many_counts_do_not_hinder_a_rise():
    """A gene that 2 of 100 cells have 40 counts of, and that all are to have, and one with Poisson counts."""
    counts = np.zeros((100, 2))
    counts[:2, 0] = 40.0
    counts[:, 1] = np.random.default_rng(0).poisson(20.0, 100)
    cells = Cells.of_counts(counts, np.log1p(counts))
    theta = _inverse_overdispersion(cells, np.zeros(100, dtype=np.int64))
    assert theta[0] == 0.25 and theta[1] > 30
    change = np.array([3.0, 0.0])
    found = changed_cells(cells, match_means(cells, change, theta), theta, rng=np.random.default_rng(0))
    np.testing.assert_allclose(cells.logs(found).toarray().mean(0) - cells.level, change, atol=0.3)


def test_cells_of_their_own_kind_have_poisson_counts():
    cells = Cells.of_counts(np.eye(3), np.log1p(np.eye(3)))
    np.testing.assert_allclose(_inverse_overdispersion(cells, np.arange(3)), 1e4)
