"""Models that other stacks saved open on this one."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scpi

from .make_saved import FOLDER, OPTIONS, cells, numbers

SAVED = sorted(path for path in FOLDER.glob("*/*") if path.is_dir())


def test_every_stack_saved_every_model():
    assert {path.name for path in SAVED} == set(OPTIONS)
    assert len(SAVED) == len(OPTIONS) * len({path.parent for path in SAVED})
    assert {"python311", "python313"} <= {path.parent.name for path in SAVED}


@pytest.mark.smoke("torch")
@pytest.mark.parametrize("folder", SAVED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_model_that_another_stack_saved_predicts_what_it_did(folder):
    adata = cells()
    if folder.name == "MeanDelta":
        adata.X = adata.X.log1p()
    cls = getattr(scpi.model, folder.name)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    model = cls.load(folder, adata=adata, accelerator="cpu")
    np.testing.assert_allclose(numbers(model), expected, rtol=1e-4, atol=1e-6)
