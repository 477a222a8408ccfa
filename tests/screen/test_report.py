from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._keys import Key
from scpi.screen._report import _with_sets, settings_rows


def test_settings_that_say_nothing_or_stand_elsewhere_are_left_out():
    given = {"title": "t", "versions": {"scpi": "1"}, "seed": 0, "layer": None, "predict": [], "control": "c"}
    assert settings_rows(given) == [("seed", 0), ("control", "c")]


def test_factors_are_named_by_their_sets_or_perturbations():
    factors = pd.DataFrame(
        {
            "factor": ["factor_0", "factor_1", "factor_12"],
            "top_sets": ["APOPTOSIS;P53", "", ""],
            "targets": ["A;B", "C;D", ""],
        }
    )
    adata = AnnData(np.zeros((1, 1), np.float32), uns={Key.uns.CAUSAL_GRAPH: {"factors": factors}})
    edges = pd.DataFrame(
        {"source": ["factor_0", "factor_12"], "target": ["factor_1", "factor_0"], "weight": [1.0, 2.0]}
    )
    named = _with_sets(adata, edges, "source", "target")
    assert named["source"].tolist() == ["0 (APOPTOSIS)", "12"]
    assert named["target"].tolist() == ["1 (C)", "0 (APOPTOSIS)"]
    assert named["weight"].tolist() == [1.0, 2.0]
