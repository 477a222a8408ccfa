from __future__ import annotations

import re
import sys

import pytest

from scpi._optional import import_extra


def test_an_installed_module_is_returned():
    import json.decoder

    assert import_extra("json.decoder") is json.decoder


@pytest.mark.parametrize("module", ["wordcloud", "wordcloud.color_from_image"])
def test_a_missing_module_names_the_package_to_install(module, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "wordcloud"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    message = "This needs the package 'wordcloud', which is not installed: pip install wordcloud"
    with pytest.raises(ImportError, match=f"^{message}$") as error:
        import_extra(module)
    assert error.value.name == "wordcloud"


def test_a_module_that_lacks_its_own_dependency_reports_that(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import dependency_of_nobody\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="dependency_of_nobody"):
        import_extra("lacking")


def test_no_hint_installs_scpi_from_the_package_index(project):
    """The name belongs to another library there, with the same import name."""
    hint = re.compile(r"pip install (-\S+ )*['\"]?scpi\b(?!-)")
    assert hint.search("`pip install 'scpi[gsea]'`")
    assert hint.search("uv pip install -U scpi")
    folders = [project / name for name in ("src", "docs", "docker", "tutorials", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".md", ".ipynb"}]
    texts = {str(path): path.read_text(encoding="utf-8") for path in [*files, project / "README.md"]}
    assert len(texts) > 500
    assert [path for path, text in texts.items() if hint.search(text)] == []
