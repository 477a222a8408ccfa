from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi.de._tests._method import Cells
from scpi.de._units import contrast, sum_units

CODES = np.array([0, 0, 1, 1, 0, 1, 2, 2, -1])
SAMPLES = np.array([0, 0, 0, 0, 1, 1, 0, 1, 1])
VALUES = np.arange(18.0).reshape(9, 2)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_counts_are_summed_by_group_and_sample(convert):
    units = sum_units(Cells(values=convert(VALUES), codes=CODES, reference=0, samples=SAMPLES))
    np.testing.assert_array_equal(units.codes, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(units.counts, [[2, 4], [8, 9], [10, 12], [10, 11], [12, 13], [14, 15]])
    np.testing.assert_array_equal(units.design, np.repeat(np.eye(3), 2, axis=0))
    np.testing.assert_array_equal(contrast(units, 2, 0), [-1, 0, 1])
    np.testing.assert_array_equal(contrast(units, 2, None), [-0.5, -0.5, 1])


def test_covariates_become_columns():
    covariates = pd.DataFrame(
        {"donor": pd.Categorical(["x", "y"])[SAMPLES], "age": [30.0, 40.0] @ np.eye(2)[:, SAMPLES]}
    )
    units = sum_units(Cells(values=VALUES, codes=CODES, reference=0, samples=SAMPLES, covariates=covariates))
    assert list(units.design) == ["group0", "group1", "group2", "age", "donor_y"]
    np.testing.assert_array_equal(units.design["donor_y"], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(units.design["age"], [30, 40, 30, 40, 30, 40])


def test_a_covariate_that_varies_within_a_sample_is_refused():
    covariates = pd.DataFrame({"depth": np.arange(9.0)})
    with pytest.raises(ValueError, match="'depth' differ"):
        sum_units(Cells(values=VALUES, codes=CODES, reference=0, samples=SAMPLES, covariates=covariates))


def test_a_missing_covariate_is_named():
    covariates = pd.DataFrame({"donor": [None] * 9})
    with pytest.raises(ValueError, match="missing values: 'donor'"):
        sum_units(Cells(values=VALUES, codes=CODES, reference=0, samples=SAMPLES, covariates=covariates))


def test_one_sample_is_no_replicate():
    with pytest.raises(ValueError, match="two samples or more"):
        sum_units(Cells(values=VALUES, codes=CODES, reference=0, samples=np.where(CODES == 1, 0, SAMPLES)))
