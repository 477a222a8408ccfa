from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.model.gene_program._penalties import (
    activation_correlation,
    decoder_overlap,
    total_correlation,
    weight_orthogonality,
)


def test_orthonormal_weights_cost_nothing():
    weight = torch.linalg.qr(torch.randn(8, 3, generator=torch.Generator().manual_seed(0))).Q.T
    assert float(weight_orthogonality(weight)) == pytest.approx(0.0, abs=1e-5)
    assert float(weight_orthogonality(2.0 * weight)) == pytest.approx(3.0 * 3**0.5, rel=1e-5)


def test_the_published_term_has_a_gradient_here():
    weight = torch.randn(4, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    weight_orthogonality(weight).backward()
    identity = torch.eye(4)
    rest = weight.detach() @ weight.detach().T - identity
    expected = 2.0 * rest @ weight.detach() / torch.linalg.matrix_norm(rest)
    torch.testing.assert_close(weight.grad, expected)
    assert float(weight.grad.abs().max()) > 0.1


def test_correlation_is_that_of_numpy():
    z = np.random.default_rng(0).gamma(2.0, size=(500, 5)) @ np.random.default_rng(1).random((5, 4))
    correlation = np.corrcoef(z.T)
    expected = np.mean(correlation[~np.eye(4, dtype=bool)] ** 2)
    assert float(activation_correlation(torch.from_numpy(z))) == pytest.approx(expected, rel=1e-6)
    # A silent unit has no correlation, and a single one none with others
    silent = torch.from_numpy(np.column_stack([z, np.zeros(500)]))
    assert float(activation_correlation(silent)) == pytest.approx(expected, rel=1e-6)
    assert float(activation_correlation(torch.from_numpy(z[:, :1]))) == 0.0


def test_total_correlation_is_that_of_two_normal_variables():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200_000)
    z = np.column_stack([x, 0.6 * x + 0.8 * rng.normal(size=len(x))])
    # The ridge takes a hundredth of the correlation away
    assert float(total_correlation(torch.from_numpy(z))) == pytest.approx(
        -0.5 * np.log(1 - (0.6 / 1.01) ** 2), abs=0.01
    )
    apart = torch.from_numpy(rng.normal(size=(200_000, 2)))
    assert float(total_correlation(apart)) == pytest.approx(0.0, abs=1e-3)


def test_units_of_different_genes_do_not_overlap():
    effect = torch.tensor([[1.0, -2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert float(decoder_overlap(effect)) == 0.0
    # The size of the effect counts, not its sign
    same = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    assert float(decoder_overlap(same)) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("term", [activation_correlation, total_correlation, decoder_overlap])
def test_nothing_present_is_no_error(term):
    z = torch.zeros(4, 3, requires_grad=True)
    value = term(z)
    value.backward()
    assert float(value) == 0.0
    assert not z.grad.isnan().any()
