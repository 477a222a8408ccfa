from __future__ import annotations

import pytest
import torch

from scpi.model.base import KEYS
from scpi.model.base.counts._covariate_code import CovariateCode


@pytest.fixture
def code():
    code = CovariateCode([2, 3], 2)
    code.fit(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    return code


def test_categories_are_indicators_and_numbers_are_standardised(code):
    codes = torch.tensor([[0, 2], [1, 0]])
    found = code(codes, torch.tensor([[3.0, 6.0], [2.0, 5.0]]))
    # A number that does not vary is centred only
    expected = torch.tensor([[1.0, 0, 0, 0, 1, 1, 1], [0, 1, 1, 0, 0, 0, 0]])
    torch.testing.assert_close(found, expected)
    assert code.n_outputs == 7


def test_categories_that_were_not_trained_on_are_mixtures_of_known_ones(code):
    codes, values = torch.tensor([[2, 4], [0, 1]]), torch.tensor([[2.0, 5.0]] * 2)
    mean = code(codes, values)
    torch.testing.assert_close(mean[0, :5], torch.tensor([0.5, 0.5, 1 / 3, 1 / 3, 1 / 3]))
    rows = [torch.tensor([[0.9, 0.1]]), torch.tensor([[1.0, 0, 0], [0.2, 0.3, 0.5]])]
    found = code(codes, values, rows)
    torch.testing.assert_close(found[0, :5], torch.tensor([0.9, 0.1, 0.2, 0.3, 0.5]))
    torch.testing.assert_close(found[1], mean[1])


def test_a_batch_of_cells_is_read_in_order():
    x = torch.zeros(2, 4)
    tensors = {
        KEYS.X: x,
        KEYS.BATCH: torch.tensor([[1], [0]]),
        KEYS.CATEGORICAL: torch.tensor([[2, 0], [1, 1]]),
        KEYS.CONTINUOUS: torch.tensor([[0.5], [0.1]]),
    }
    codes, values = CovariateCode([2, 3, 2], 1).read(tensors)
    assert codes.tolist() == [[1, 2, 0], [0, 1, 1]]
    torch.testing.assert_close(values, tensors[KEYS.CONTINUOUS])
    nothing = CovariateCode([], 0)
    assert nothing(*nothing.read({KEYS.X: x})).shape == (2, 0)


def test_a_loaded_code_knows_the_categories_that_it_was_trained_on(code):
    other = CovariateCode([5, 3], 2)
    other.load_state_dict(code.state_dict())
    assert other.sizes.tolist() == [2, 3]
