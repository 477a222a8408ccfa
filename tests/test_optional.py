from __future__ import annotations

import sys

import pytest

from scpi._optional import import_extra


def test_an_installed_module_is_returned():
    import json.decoder

    assert import_extra("json.decoder", extra="any") is json.decoder


@pytest.mark.parametrize("module", ["wordcloud", "wordcloud.color_from_image"])
def test_a_missing_module_names_what_installs_it(module, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "wordcloud"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ImportError, match=r"pip install 'scpi\[wordcloud\]'") as error:
        import_extra(module, extra="wordcloud")
    assert error.value.name == "wordcloud"


def test_a_module_that_lacks_its_own_dependency_reports_that(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import dependency_of_nobody\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="dependency_of_nobody"):
        import_extra("lacking", extra="any")
