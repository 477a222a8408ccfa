from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys

import pytest

import scpi
from scpi.datasets import _download
from scpi.datasets._download import RemoteFile, fetch

pytestmark = pytest.mark.smoke("pooch")

CONTENT = b"numbers\n" * 100


@pytest.fixture
def file(home):
    (home.folder / "table.txt").write_bytes(CONTENT)
    return RemoteFile("table.txt", home.url + "/", f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")


def test_a_file_is_fetched_once_and_said_to_be(file, home, caplog):
    with caplog.at_level(logging.INFO, logger="scpi"):
        path = fetch(file)
    assert path == scpi.settings.datasetdir / "table.txt"
    assert path.read_bytes() == CONTENT
    assert f"Downloading {home.url}/table.txt to" in caplog.text
    assert fetch(file) == path
    assert home.requests == ["/files/table.txt"]


def test_another_home_can_be_named(file, home):
    elsewhere = RemoteFile(file.name, "http://127.0.0.1:9/nowhere", file.known_hash)
    with pytest.raises(ConnectionError, match=r"table\.txt .*http://127\.0\.0\.1:9/nowhere/"):
        fetch(elsewhere)
    assert fetch(elsewhere, base_url=home.url).read_bytes() == CONTENT


def test_what_is_not_the_published_file_is_not_kept(file, home):
    (home.folder / "table.txt").write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"table.txt.*{file.known_hash}"):
        fetch(file)
    assert not (scpi.settings.datasetdir / "table.txt").exists()


@pytest.mark.parametrize("fault", ["500", "cut", "wrong", "hangs"])
@pytest.mark.parametrize("n_faults", [1, 3])
def test_a_download_that_fails_is_tried_again(file, home, fault, n_faults, monkeypatch):
    monkeypatch.setattr(_download, "_TIMEOUT", 0.1)
    home.faults = [fault] * n_faults
    if n_faults == 1:
        assert fetch(file).read_bytes() == CONTENT
    else:
        with pytest.raises((ConnectionError, ValueError), match=r"table\.txt"):
            fetch(file)
        assert [*scpi.settings.datasetdir.iterdir()] == []
    assert len(home.requests) == min(n_faults + 1, 3)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError(13, "Denied")])
def test_a_folder_that_cannot_be_written_is_named(file, home, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(shutil, "move", fail)
    with pytest.raises(type(error), match=r"could not be stored in .*set `scpi\.settings\.datasetdir`") as raised:
        fetch(file)
    assert raised.value.errno == error.errno
    assert [*scpi.settings.datasetdir.iterdir()] == []


DOWNLOAD = """
import os, sys
import pooch, requests
from scpi.datasets._download import RemoteFile, fetch
if {user}:
    os.setgid({user})
    os.setuid({user})
try:
    print(fetch(RemoteFile({file.name!r}, {file.home!r}, {file.known_hash!r})))
except Exception as error:
    sys.exit(f"{{type(error).__name__}}: {{error}}")
"""


def in_a_new_process(file, *, user=0, **environment):
    """Exit code, output and error of a download in a process that has only these variables of its user."""
    theirs = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA", "SCPI_DATASETDIR")
    kept = {name: value for name, value in os.environ.items() if name not in theirs}
    code = DOWNLOAD.format(user=user, file=file)
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip().splitlines()


# The superuser may write anywhere, and has a home whatever the environment says
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="users and folders of POSIX systems")
SUPERUSER = sys.platform != "win32" and os.geteuid() == 0
SOMEBODY = 64_321 if SUPERUSER else 0


def test_a_file_is_fetched_where_there_is_no_home(file, tmp_path):
    code, printed, _ = in_a_new_process(file, SCPI_DATASETDIR=str(tmp_path / "cache"))
    assert code == 0
    assert printed == str(tmp_path / "cache" / "table.txt")


@pytest.mark.skipif(not SUPERUSER, reason="only the superuser can become a user without a home")
def test_without_a_home_the_setting_is_named(file, home):
    code, _, lines = in_a_new_process(file, user=SOMEBODY)
    assert code == 1
    assert lines[-1].startswith("FileNotFoundError: There is no home folder")
    assert "`scpi.settings.datasetdir`" in lines[-1]
    assert home.requests == []


@POSIX
@pytest.mark.parametrize("variable", ["SCPI_DATASETDIR", "HOME", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("kind", ["below a file", "read-only"])
def test_a_cache_that_cannot_be_made_is_one_sentence(file, home, tmp_path, variable, kind):
    folder = tmp_path / "locked"
    if kind == "below a file":
        folder.write_text("", encoding="utf-8")
    else:
        folder.mkdir(mode=0o500)
    user = SOMEBODY if kind == "read-only" else 0
    code, _, lines = in_a_new_process(file, user=user, **{variable: str(folder / "cache")})
    assert code == 1
    error = "PermissionError" if kind == "read-only" else "NotADirectoryError"
    assert re.fullmatch(
        rf"{error}: .*table\.txt could not be stored in '.*locked/cache.*: set `scpi\.settings\.datasetdir` .*",
        lines[-1],
    )
    assert home.requests == []
