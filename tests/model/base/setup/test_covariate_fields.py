from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.model.base import KEYS, CategoricalsField, NumbersField


@pytest.fixture
def adata():
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical(["T", "B", "T"], categories=["T", "B", "unused"]),
            "plate": [2, 1, 1],
            "dose": [0, 1, 2.5],
        },
        index=list("abc"),
    )
    return ad.AnnData(np.ones((3, 2)), obs=obs)


def test_categories_are_codes_in_one_array(adata):
    field = CategoricalsField(KEYS.CATEGORICAL, ["kind", "plate"])
    state = field.register_field(adata)
    assert state == {"categories": {"kind": ["T", "B"], "plate": ["1", "2"]}}
    assert adata.obsm[field.attr_key].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert field.get_summary_stats(state) == {f"n_{KEYS.CATEGORICAL}": 2}


def test_categories_are_frozen(adata):
    field = CategoricalsField(KEYS.CATEGORICAL, "kind")
    state = field.register_field(adata)
    other = adata[:2].copy()
    other.obs["kind"] = ["B", "B"]
    assert field.transfer_field(state, other) == state
    assert other.obsm[field.attr_key].tolist() == [[1], [1]]
    other.obs["kind"] = ["B", "NK"]
    with pytest.raises(ValueError, match="'kind' has no category 'NK' in this model, which knows 'T', 'B'"):
        field.transfer_field(state, other)


def test_numbers(adata):
    field = NumbersField(KEYS.CONTINUOUS, ["dose", "plate"])
    state = field.register_field(adata)
    assert state == {"columns": ["dose", "plate"]}
    assert adata.obsm[field.attr_key].tolist() == [[0.0, 2.0], [1.0, 1.0], [2.5, 1.0]]
    assert field.get_summary_stats(state) == {f"n_{KEYS.CONTINUOUS}": 2}
    assert field.transfer_field(state, adata) == state


@pytest.mark.parametrize(
    ("make", "columns", "error", "message"),
    [
        (CategoricalsField, ["kind", "donor"], KeyError, "'donor' is not a column of `adata.obs`"),
        (NumbersField, ["kind"], ValueError, "'kind' must be a finite number in every row; it is not in 3"),
    ],
)
def test_bad_columns(adata, make, columns, error, message):
    with pytest.raises(error, match=message):
        make("covariates", columns).register_field(adata)


def test_missing_categories(adata):
    adata.obs.loc["a", "kind"] = np.nan
    with pytest.raises(ValueError, match="'kind' has no value for 1 rows"):
        CategoricalsField(KEYS.CATEGORICAL, ["kind"]).register_field(adata)
