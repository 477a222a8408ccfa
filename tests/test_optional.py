from __future__ import annotations

import re
import sys
import tomllib

import pytest

from scpi._optional import PACKAGES, import_extra


def test_an_installed_module_is_returned():
    import json.decoder

    assert import_extra("json.decoder") is json.decoder


@pytest.mark.parametrize("module", [*PACKAGES, "wordcloud.color_from_image", "pyarrow.parquet"])
def test_a_missing_module_names_the_package_and_the_extra_to_install(module, monkeypatch, project):
    top = module.partition(".")[0]
    for name in {module, *(name for name in sys.modules if name.partition(".")[0] == top)}:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [])
    package, extra = PACKAGES[top]
    message = (
        f"This needs the package {package!r}, which is not installed: pip install {package}, or "
        f"pip install 'scpi-tools[{extra}]'"
    )
    with pytest.raises(ImportError) as error:
        import_extra(module)
    assert str(error.value) == message
    assert error.value.name == top
    # The extra installs that package
    project_table = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = {re.split(r"[>; ]", line)[0].lower() for line in project_table["optional-dependencies"][extra]}
    assert package.lower() in installed


def test_a_module_that_lacks_its_own_dependency_reports_that(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import dependency_of_nobody\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="dependency_of_nobody"):
        import_extra("lacking")


def test_no_hint_installs_scpi_from_the_package_index(project):
    """The name belongs to another library there, with the same import name: ours is scpi-tools."""
    hint = re.compile(r"pip install (-\S+ )*['\"]?scpi\b(?!-)")
    assert hint.search("`pip install 'scpi[gsea]'`")
    assert hint.search("uv pip install -U scpi")
    folders = [project / name for name in ("src", "docs", "docker", "tutorials", "benchmarks")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".md", ".ipynb"}]
    texts = {str(path): path.read_text(encoding="utf-8") for path in [*files, project / "README.md"]}
    assert len(texts) > 500
    assert [path for path, text in texts.items() if hint.search(text)] == []
