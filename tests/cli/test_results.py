from __future__ import annotations

import json

import pandas as pd
import pytest

import scpi
from scpi.cli._results import results_folder, show_results, software, write_table


def test_files_appear_together_at_the_end(tmp_path):
    out = tmp_path / "new" / "out"
    with results_folder(out, force=False) as folder:
        (folder / "table.csv").write_text("a")
        (folder / "figures").mkdir()
        (folder / "figures" / "one.png").write_text("b")
        assert not out.exists()
    assert sorted(path.name for path in out.iterdir()) == ["figures", "table.csv"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_nothing_is_left_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="no"), results_folder(tmp_path / "out", force=False) as folder:
        (folder / "table.csv").write_text("a")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_results_are_replaced_if_that_is_asked_for_and_other_files_stay(tmp_path):
    for name in ("table.csv", "mine.txt"):
        (tmp_path / name).write_text("before")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").write_text("before")
    with pytest.raises(FileExistsError, match="overwrite=True"), results_folder(tmp_path, force=False):
        pass
    with results_folder(tmp_path, force=True) as folder:
        (folder / "table.csv").write_text("after")
        (folder / "figures").mkdir()
    assert (tmp_path / "table.csv").read_text() == "after" and (tmp_path / "mine.txt").read_text() == "before"
    assert list((tmp_path / "figures").iterdir()) == []


def test_a_spreadsheet_runs_no_cell(tmp_path):
    write_table(pd.DataFrame({"gene": ["=1+1", "A"], "x": [-1.0, 2.0]}), tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv")["gene"].tolist() == ["'=1+1", "A"]


def test_the_versions_are_those_that_ran():
    assert software().startswith(f"scpi {scpi.__version__}, scvi-tools ")


def test_results_are_shown_to_people_or_to_programs(tmp_path, capsys):
    options = {"verdict": "It is good.", "notes": ["one"], "quiet": False}
    show_results(tmp_path, {"genes": "genes.csv"}, as_json=False, **options)
    found = capsys.readouterr()
    assert found.err == "Note: one\n"
    assert found.out == f"It is good.\nReport: {tmp_path / 'report.html'}\n"
    show_results(tmp_path, {"genes": "genes.csv"}, as_json=True, **options, n_genes=3)
    assert json.loads(capsys.readouterr().out) == {
        "report": str(tmp_path / "report.html"),
        "genes": str(tmp_path / "genes.csv"),
        "verdict": "It is good.",
        "notes": ["one"],
        "n_genes": 3,
    }
