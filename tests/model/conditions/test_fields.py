from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.model.conditions._fields import ConditionField


def table(labels):
    obs = pd.DataFrame({"compound": pd.Series(labels, dtype=object)}).set_axis([f"r{i}" for i in range(len(labels))])
    return ad.AnnData(np.zeros((len(labels), 1)), obs=obs)


def test_labels_of_one_row_are_registered_in_silence(recwarn):
    field = ConditionField("perturbation", "compound")
    state = field.register_field(table(["b", "a"]))
    field.transfer_field(state, table(["a"]))
    assert list(state["categorical_mapping"]) == ["a", "b"]
    assert list(recwarn) == []


@pytest.mark.parametrize(("labels", "message"), [(["a", None], "has no value for 1"), (["a", 2.5], "of several types")])
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        ConditionField("perturbation", "compound").register_field(table(labels))
