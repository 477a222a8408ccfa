from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scpi

OURS = Path(scpi.__file__).parent


@pytest.fixture
def folder(tmp_path):
    """A folder of installed packages with our files in it."""
    for path in ["_own_init.py", "_docs.py", "_settings.py", "__init__.py", "__init__.pyi"]:
        (tmp_path / "scpi").mkdir(exist_ok=True)
        shutil.copy(OURS / path, tmp_path / "scpi" / path)
    return tmp_path


def load(folder):
    # Without the folders of the tests: a package with an `__init__` comes before one without
    others = [path for path in sys.path if path and not (Path(path) / "scpi").is_dir()]
    code = f"import sys; sys.path[:] = {[str(folder), *others]!r}; import scpi._docs"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_our_own_init_is_let_through(folder):
    found = load(folder)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("text", ["__version__ = '2.5.1'\n", None], ids=["installed over", "removed from"])
def test_another_package_of_the_same_name_is_reported_with_what_to_do(folder, text):
    init = folder / "scpi" / "__init__.py"
    if text is None:
        init.unlink()
    else:
        init.write_text(text, encoding="utf-8")
    found = load(folder)
    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: The folder {init.parent} belongs to scpi-tools, but its '__init__.py' is not")
    assert "pip uninstall --yes scpi, and then: pip install --force-reinstall --no-deps scpi-tools" in last
