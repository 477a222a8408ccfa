from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.model.nbvae._features import align_features

CATEGORIES = {"compound": ["A", "B", "C"], "plate": ["1"]}
TABLE = pd.DataFrame(
    {"bit": [1, 0, 1, 0], "mass": [3.0, 1.0, 2.0, 6.0], "same": [8, 7, 7, 7]}, index=["new", "C", "A", "B"]
)


def test_rows_follow_the_categories_and_are_standardised_by_them():
    found = align_features({"compound": TABLE}, CATEGORIES)["compound"]
    assert found.categories == ["A", "B", "C", "new"]
    # What is the same in all known categories says nothing of the new one
    assert found.values.shape == (4, 2) and found.values.dtype == np.float32
    known = found.values[:3].astype(float)
    np.testing.assert_allclose(known.mean(0), 0, atol=1e-7)
    np.testing.assert_allclose(known.std(0), np.sqrt(0.5), rtol=1e-6)
    assert (known**2).sum(1).mean() == pytest.approx(1.0)
    mass = np.array([2.0, 6.0, 1.0])  # of A, B and C
    assert found.values[3, 1] == pytest.approx((3.0 - mass.mean()) / mass.std() / np.sqrt(2))


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"drug": TABLE}, KeyError, "has 'drug', but the categorical covariates are 'compound', 'plate'"),
        ({"compound": TABLE.to_numpy()}, TypeError, "must be a DataFrame, categories x features, not ndarray"),
        ({"compound": TABLE.drop(index="B")}, ValueError, "one row for each category, but has no row for 'B'"),
        ({"compound": pd.concat([TABLE, TABLE.loc[["A"]]])}, ValueError, "repeated rows, 'A'"),
        ({"compound": TABLE.assign(mass=np.nan)}, ValueError, "finite numbers only"),
        ({"compound": TABLE[["same"]].loc[["A", "B", "C"]].assign(same=1)}, ValueError, "No feature .* differs"),
    ],
)
def test_bad_tables(tables, error, message):
    with pytest.raises(error, match=message):
        align_features(tables, CATEGORIES)
