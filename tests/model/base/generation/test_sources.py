from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.generation._sources import draw_sources, explained_order

# cell type, compound
TRAINED = np.array([[0, 0]] * 4 + [[0, 1]] * 3 + [[1, 0]] * 2)
NAMES = ["cell_type", "compound"]


def drawn(wanted, size=3, *, match=None, order=(0, 1)):
    return draw_sources(
        np.array([wanted]),
        np.array([size]),
        TRAINED,
        names=NAMES,
        match=match,
        order=lambda: order,
        rng=np.random.default_rng(0),
    )


def test_cells_of_the_same_combination():
    found = drawn([0, 1])
    assert sorted(found.cells) == [4, 5, 6] and found.status == ["trained"]
    # More than there are
    assert set(drawn([0, 1], 50).cells) == {4, 5, 6}


def test_an_unseen_combination_shares_what_comes_first():
    found = drawn([1, 1], 2)
    assert sorted(found.cells) == [7, 8] and found.status == ["unseen combination"]
    assert sorted(drawn([1, 1], 3, order=(1, 0)).cells) == [4, 5, 6]


def test_an_unseen_category():
    found = drawn([2, 5], 9)
    assert sorted(found.cells) == list(range(9)) and found.status == ["unseen"]


def test_covariates_to_match():
    assert set(drawn([0, 1], 7, match=["cell_type"]).cells) == set(range(7))
    assert set(drawn([0, 1], 9, match=[]).cells) == set(range(9))


@pytest.mark.parametrize(
    ("wanted", "match", "message"),
    [
        ([0, 1], ["plate"], "categorical covariates of the model, 'cell_type', 'compound', but names 'plate'"),
        ([2, 1], ["cell_type"], "No training cell shares 'cell_type'"),
    ],
)
def test_bad_matches(wanted, match, message):
    with pytest.raises(ValueError, match=message):
        drawn(wanted, match=match)


def test_covariates_by_what_they_explain():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, (300, 3))
    latent = (0.3 * codes[:, [0]] + 2.0 * codes[:, [2]] + rng.normal(size=(300, 2))).astype(np.float32)
    assert explained_order(latent, codes) == [2, 0, 1]
