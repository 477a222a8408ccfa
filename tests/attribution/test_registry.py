from __future__ import annotations

from pathlib import Path

import pytest

from scpi.attribution import _methods
from scpi.attribution._registry import find, registered


def test_every_file_of_the_folder_is_a_method_by_its_name():
    files = {path.stem.lstrip("_") for path in Path(_methods.__path__[0]).glob("_*.py")} - {"init__", "method"}
    assert list(registered()) == sorted(files)
    for name, method in registered().items():
        assert method.name == name
        assert method.means
        assert method.source


def test_a_method_is_found_with_its_options():
    assert find("integrated_gradients", {"n_steps": 3}).options == ["n_steps"]
    with pytest.raises(ValueError, match="must be one of .*'gradient'.*but is 'gradients'"):
        find("gradients", {})
    with pytest.raises(TypeError, match="'integrated_gradients' has no option 'steps', only 'n_steps'"):
        find("integrated_gradients", {"steps": 3})
