from __future__ import annotations

import json

import pytest

from scpi.cli._run import run_pseudobulk

NEEDING = {"debug": False, "quiet": True, "as_json": False, "changes": False}


def test_options_of_cells_are_refused_for_conditions():
    with pytest.raises(ValueError, match="--guide-key, --dose-key need cells, and rows are conditions"):
        options = {"--guide-key": "guide", "--dose-key": "dose", "--batch-key": None}
        run_pseudobulk(None, needing_cells=options, **NEEDING)


@pytest.mark.slow
def test_the_demo_prints_what_its_files_hold(run, tmp_path):
    found = run("demo", "--n-cells", 20, "--max-epochs", 1, "--out", tmp_path / "demo", "--json", "--quiet")
    assert found.exit_code == 0, found.output
    printed = json.loads(found.stdout)
    assert printed["report"] == str(tmp_path / "demo" / "report.html")
    assert {"verdict", "notes", "summary", "scores", "held_out", "effects"} <= printed.keys()
