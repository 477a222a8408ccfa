from __future__ import annotations

import numpy as np

from scpi.model.gene_program._offsets import find_offsets


def cells(confounding, n=4000, n_genes=80):
    """Logarithms of cells in two batches, with a program that is on in one batch more often, and a number."""
    rng = np.random.default_rng(0)
    batch, number = np.arange(n) % 2, rng.normal(size=n)
    on = rng.random(n) < np.where(batch == 1, confounding, 1 - confounding)
    program = np.where(np.arange(n_genes) < 10, 1.0, 0.0)
    shift, slope = rng.normal(0, 0.4, n_genes), rng.normal(0, 0.3, n_genes)
    shift[:10] -= shift[:10].mean()
    logged = np.outer(batch, shift) + np.outer(number, slope) + np.outer(on, program) + rng.normal(0, 0.2, (n, n_genes))
    code = np.column_stack([batch == 0, batch == 1, number]).astype(np.float32)
    return logged.astype(np.float32), code, shift, slope, program


def test_offsets_are_those_of_covariates_and_not_of_a_confounded_program():
    logged, code, shift, slope, program = cells(0.9)
    found = find_offsets(logged, code, n_units=1)
    difference = found[1] - found[0]
    # The means of the batches differ by four fifths of the program; that part is not theirs
    means = logged[code[:, 1] == 1].mean(0) - logged[code[:, 0] == 1].mean(0)
    assert (means - shift) @ program / 10 > 0.75
    assert abs((difference - shift) @ program / 10) < 0.02
    np.testing.assert_allclose(difference, shift, atol=0.06)
    # The slope loses the part along the one component, which is the program
    along = program / np.sqrt(10)
    np.testing.assert_allclose(found[2], slope - along * (slope @ along), atol=0.03)


def test_away_from_the_components_it_is_least_squares():
    logged, code, *_ = cells(0.5, n=300, n_genes=12)
    found = find_offsets(logged, code, n_units=1)
    expected = np.linalg.lstsq(np.column_stack([np.ones(300), code[:, 1:]]), logged, rcond=None)[0]
    # Genes that are not in the program hardly have a part in its component
    np.testing.assert_allclose((found[1] - found[0])[10:], expected[1][10:], atol=0.03)
    np.testing.assert_allclose(found[2][10:], expected[2][10:], atol=0.03)
