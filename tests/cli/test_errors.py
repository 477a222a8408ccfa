from __future__ import annotations

import logging
import warnings

import pytest
import typer

from scpi._warn import warn_user
from scpi.cli._errors import clear_errors


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("no column 'x'"), "Error: no column 'x'\n"),
        (ValueError("one\n  two"), "Error: one two\n"),
        (OSError(), "Error: OSError\n"),
        (ImportError("pip install rdata"), "Error: pip install rdata\n"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(error, line, capsys):
    with pytest.raises(typer.Exit) as stop, clear_errors(debug=False):
        raise error
    assert stop.value.exit_code == 2 and stop.value.__cause__ is error
    assert capsys.readouterr().err == line


def test_notes_of_what_was_kept_stand_behind_the_error(capsys):
    error = KeyboardInterrupt()
    error.add_note("Nothing was written.")
    with pytest.raises(typer.Exit) as stop, clear_errors(debug=False):
        raise error
    assert stop.value.exit_code == 130
    assert capsys.readouterr().err == "Interrupted. Nothing was written.\n"


def test_faults_of_scpi_and_debugging_keep_their_traceback():
    with pytest.raises(AssertionError), clear_errors(debug=False):
        raise AssertionError
    with pytest.raises(ValueError, match="as it is"), clear_errors(debug=True):
        raise ValueError("as it is")


def test_warnings_are_off_and_the_level_comes_back(recwarn):
    logger = logging.getLogger("scpi")
    before = logger.level
    with clear_errors(debug=False, quiet=True):
        warnings.warn("of a dependency", stacklevel=1)
        assert logger.level == logging.ERROR
    assert logger.level == before and not recwarn.list
    with clear_errors(debug=False):
        assert logger.level == before


def test_warnings_about_the_data_are_shown_once_and_kept_for_the_report(capsys):
    for quiet, shown in ((False, "Warning: two donors\n"), (True, "")):
        with clear_errors(debug=False, quiet=quiet) as said:
            warn_user("two\ndonors")
            warn_user("two donors")
        assert said == ["two donors"] and capsys.readouterr().err == shown
