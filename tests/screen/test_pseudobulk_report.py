from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from scpi._run_folder import RunFolder
from scpi.screen import run_pseudobulk
from scpi.screen._pseudobulk_report import _context, write_pseudobulk


def run():
    rng = np.random.default_rng(0)
    labels = ["control", "=A", "B", "C", "=A+B", "B+C", "=A+C"]
    obs = pd.DataFrame({"perturbation": labels}, index=[f"r{i}" for i in range(7)])
    return run_pseudobulk(AnnData(rng.normal(5, 1, (7, 20)).astype("f4"), obs=obs), n_splits=3)


def test_what_the_report_shows():
    found = _context(run())
    assert found["tiles"] == [
        *(
            ("7", "profiles"),
            ("3", "perturbations"),
            ("3", "combinations"),
            ("20", "genes"),
            ("3", "held out"),
            ("3", "folds"),
        )
    ]
    assert [figure.title for figure in found["figures"]] == ["Baselines", "Baselines, against the other perturbations"]
    ((_, table),) = found["tables"]
    assert table["columns"][:2] == ["perturbation", "fold"] and len(table["rows"]) == 3
    assert not found["predicted"]


def test_no_label_is_a_formula_in_a_table(tmp_path):
    folder = RunFolder(tmp_path, resume=False)
    folder.begin({})
    write_pseudobulk(run(), folder)
    labels = pd.read_csv(tmp_path / "scores.csv")["perturbation"]
    assert labels[labels.str.contains("A")].str.startswith("'=").all()
    assert not (tmp_path / "predicted.h5ad").exists() and not (tmp_path / "unfinished").exists()
