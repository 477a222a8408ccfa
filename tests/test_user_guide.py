"""The code on the pages of the user guide runs, from top to bottom of each page."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import scvi

import scpi

PAGES = sorted((Path(__file__).parents[1] / "docs" / "user_guide").glob("*.md"))
FENCE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
WITH_CODE = [page for page in PAGES if FENCE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, monkeypatch, tmp_path):
    # What the calls accept is tested here, not what the models learn.
    train = scpi.model.SENAVAE.train

    def train_briefly(model, max_epochs=None, **kwargs):
        train(model, 1, **kwargs)

    monkeypatch.setattr(scpi.model.SENAVAE, "train", train_briefly)
    monkeypatch.setattr(scvi.settings, "mlflow_set_tracking_uri", "")
    monkeypatch.chdir(tmp_path)
    variables = {}
    for snippet in FENCE.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, page.name, "exec"), variables)
    plt.close("all")
