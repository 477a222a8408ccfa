from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._report._tables import for_spreadsheets


@pytest.mark.parametrize("dtype", [object, "category"])
def test_no_text_is_a_formula(dtype):
    labels = ["=1+1", "+A", "-A", "@A", "\t=1", "\r=1", "\n=1", "A=1", "", "A+B", np.nan]
    table = pd.DataFrame({"label": pd.Series(labels, dtype=dtype), "change": np.arange(-5.0, 6.0)})
    written = for_spreadsheets(table)
    assert written["label"].tolist()[:-1] == [f"'{label}" for label in labels[:7]] + labels[7:-1]
    assert pd.isna(written["label"].iloc[-1])
    pd.testing.assert_series_equal(written["change"], table["change"])
    assert table["label"].tolist()[:-1] == labels[:-1]
