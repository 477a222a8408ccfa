from __future__ import annotations

import json

import numpy as np
import pandas as pd

from scpi.cli._say import consoles, records, say


def test_plain_data_is_json_and_lines_are_lines(capsys):
    say({"n": 2, "names": ["a"]})
    assert json.loads(capsys.readouterr().out) == {"n": 2, "names": ["a"]}
    say(["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"


def test_progress_goes_to_standard_error_and_tables_to_standard_output(capsys):
    progress, shown = consoles(quiet=False, as_json=False)
    progress.print("working")
    shown.print("table")
    found = capsys.readouterr()
    assert (found.out, found.err) == ("table\n", "working\n")


def test_json_leaves_standard_output_to_itself_and_quiet_both(capsys):
    for quiet, as_json, error in ((False, True, "working\n"), (True, False, ""), (True, True, "")):
        progress, shown = consoles(quiet=quiet, as_json=as_json)
        progress.print("working")
        shown.print("table")
        found = capsys.readouterr()
        assert (found.out, found.err) == ("", error)


def test_missing_values_are_none():
    table = pd.DataFrame({"name": ["a", None], "value": [np.nan, 1.5], "n": np.array([1, 2])})
    assert records(table) == [{"name": "a", "value": None, "n": 1}, {"name": None, "value": 1.5, "n": 2}]
