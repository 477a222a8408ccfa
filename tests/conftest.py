from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

mpl.use("agg")

# The processes share the cores: threads of each would only wait for those of the others.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Take back what another test has set for the process: threads, and the seed of scvi-tools.

    Parallel code of numba sets the threads of all that shares its OpenMP: torch would wait for them.
    """
    torch, scvi = sys.modules.get("torch"), sys.modules.get("scvi")
    if torch is not None and "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
    if scvi is not None and hasattr(scvi, "settings"):
        scvi.settings.seed = None


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Refuse a mark of packages that a test of the subset has not imported."""
    for mark in item.iter_markers("smoke"):
        assert set(mark.args) <= sys.modules.keys(), f"{sorted(set(mark.args) - sys.modules.keys())} not imported"


DATA_VARIABLE = "SCPI_TEST_DATA"


@pytest.fixture(scope="session")
def project() -> Path:
    """Root of the source tree."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def test_data() -> Callable[[str], Path]:
    """Path of a file of real data, by name; skips the test where the file is not at hand."""

    def find(name: str) -> Path:
        folder = os.environ.get(DATA_VARIABLE)
        if not folder:
            pytest.skip(f"needs {name}: set {DATA_VARIABLE} to the folder that holds it")
        path = Path(folder) / name
        if not path.is_file():
            pytest.skip(f"needs {name}: it is not in the folder that {DATA_VARIABLE} names")
        return path

    return find
