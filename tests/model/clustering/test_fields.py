from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.model.clustering._fields import TrainingLabelField, TrainingWeightField


@pytest.fixture
def label():
    field = TrainingLabelField("labels", "kind")
    return field, field.register_field(cells(kind=["b", "a", "b"]))


def cells(**columns):
    return ad.AnnData(np.ones((3, 2)), obs=pd.DataFrame(columns, index=["0", "1", "2"]))


def test_labels_of_new_cells_have_the_codes_of_training_and_new_ones_come_after(label):
    field, state = label
    target = cells(kind=["b", "c", "a"])
    found = field.transfer_field(state, target)
    assert list(found["categorical_mapping"]) == ["a", "b", "c"]
    assert np.ravel(field.get_field_data(target)).tolist() == [1, 2, 0]


@pytest.mark.parametrize("columns", [{}, {"kind": ["a", None, "b"]}])
def test_new_cells_need_no_label(label, columns):
    field, state = label
    target = cells(**columns)
    assert field.transfer_field(state, target) is state
    assert list(target.obs) == list(columns)


def test_new_cells_need_no_weight():
    field = TrainingWeightField("weight", "weight")
    state = field.register_field(cells(weight=[1.0, 2.0, 0.5]))
    assert field.transfer_field(state, cells()) is state
    with pytest.raises(ValueError, match="must be a positive number for every cell; it is not for 1"):
        field.register_field(cells(weight=[1.0, 0.0, 0.5]))
