from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scpi.metrics import program_auroc


@pytest.fixture
def genes():
    rng = np.random.default_rng(0)
    programs = rng.gamma(2.0, size=(200, 3)) * (rng.random((200, 3)) < 0.2)
    # Ties, and signs that a program does not have
    saliency = np.round(rng.normal(size=(200, 5)), 1)
    saliency[:, [4, 0, 2]] -= programs
    return saliency, programs


@pytest.mark.parametrize("absolute", [True, False])
def test_it_is_that_of_scikit_learn(genes, absolute):
    saliency, programs = genes
    matching = [3, 0, 2]
    found = program_auroc(saliency, programs, matching, absolute=absolute)
    for j, unit in enumerate(matching):
        score = np.abs(saliency[:, unit]) if absolute else saliency[:, unit]
        assert found[j] == pytest.approx(roc_auc_score(programs[:, j] > 0, score), abs=1e-12)


def test_the_best_matching_is_found(genes):
    saliency, programs = genes
    np.testing.assert_allclose(program_auroc(saliency, programs), program_auroc(saliency, programs, [4, 0, 2]))
    assert program_auroc(saliency, programs).min() > 0.7
    # one to one: two programs do not share a unit
    alone = program_auroc(saliency[:, [4]], programs)
    assert alone[0] > 0.7
    assert alone[1:].tolist() == [0.5, 0.5]


def test_a_program_without_a_unit_is_at_chance(genes):
    saliency, programs = genes
    found = program_auroc(saliency, programs, [4, -1, 2])
    assert found[1] == 0.5
    np.testing.assert_allclose(found[[0, 2]], program_auroc(saliency, programs, [4, 0, 2])[[0, 2]])


def test_a_unit_of_no_saliency_is_at_chance(genes):
    _, programs = genes
    assert program_auroc(np.zeros((200, 3)), programs, [0, 1, 2]).tolist() == [0.5] * 3


def test_by_hand():
    """Of four pairs of a gene of the program and another one, three are in order, and one is a tie."""
    assert program_auroc([[3.0], [-2.0], [2.0], [1.0]], [[1], [1], [0], [0]], [0])[0] == pytest.approx(3.5 / 4)


@pytest.mark.parametrize(
    ("programs", "matching", "message"),
    [
        (np.eye(3), None, "`saliency` has 4 genes and `programs` has 3"),
        (np.zeros((4, 1)), None, r"not all genes: those in column\(s\) \[0\] do not"),
        (np.ones((4, 2)), None, r"column\(s\) \[0, 1\]"),
        (np.eye(4), [0, 1], "for each of the 4 programs"),
        (np.eye(4), [0, 1, 2, 0], "one of the 2 units"),
        (np.eye(4), [0.0, 1.0, 1.0, 1.0], "one of the 2 units"),
        (np.eye(4), [0, 1, 1, -2], "one of the 2 units"),
    ],
)
def test_bad_input(programs, matching, message):
    with pytest.raises(ValueError, match=message):
        program_auroc(np.arange(8.0).reshape(4, 2), programs, matching)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="`saliency` has NaN"):
        program_auroc([[np.nan], [1.0]], [[1], [0]])
