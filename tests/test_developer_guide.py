"""The worked examples of the developer guide: written into a copy of the package as the page says, and used."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "developer").glob("adding_*.md"))
FILE = re.compile(r"^```\{code-block\} python\n:caption: (\S+)\n\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
SNIPPET = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# What the conventions, the contract of models and the reference read of a checkout
COPIED = ("src", "docs/api", "tests/conftest.py", "tests/test_package.py", "tests/model", "pyproject.toml", "README.md")


def files_of(page):
    return dict(FILE.findall(page.read_text(encoding="utf-8")))


@pytest.fixture
def checkout(tmp_path):
    """A copy of what an example changes and of the tests that find it."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".hypothesis"))
        else:
            shutil.copy(source, target)
    return tmp_path


def write(checkout, files):
    """New files, and lines of stubs in their order; returns the public names that the stubs gain."""
    names = []
    for name, text in files.items():
        path = checkout / name
        if path.suffix == ".pyi":
            lines = {*path.read_text(encoding="utf-8").splitlines(), *text.splitlines()}
            key = {line: (line.split()[1].removeprefix("."), line.split()[3]) for line in lines if line}
            path.write_text("\n".join(sorted(key, key=key.get)) + "\n", encoding="utf-8")
            names += [line.split()[-1] for line in text.splitlines()]
        else:
            assert not path.exists(), f"{name} exists already"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return names


def lines_of_code(text):
    """Lines that are neither empty nor part of an import or a docstring."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        of_import = isinstance(node, (ast.Import, ast.ImportFrom))
        if of_import or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return [line for line in lines if line.strip()]


def run(checkout, *arguments):
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_examples_of_the_pages_work(checkout):
    snippets = {page.stem: SNIPPET.findall(page.read_text(encoding="utf-8")) for page in PAGES}
    assert all(snippets.values())
    names = [name for page in PAGES for name in write(checkout, files_of(page))]
    assert len(names) >= 4
    # In one process: most of the time is that of the imports
    code = ["import sys, pytest, scpi", f"assert scpi.__file__.startswith({str(checkout)!r})"]
    code += [f"exec(compile({chr(10).join(parts)!r}, {page!r}, 'exec'), {{}})" for page, parts in snippets.items()]
    # The conventions find the new names by themselves
    arguments = ["-rA", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_package.py", "-k", " or ".join(names)]
    found = run(checkout, "-c", "\n".join([*code, f"sys.exit(pytest.main({arguments!r}))"]))
    for name in names:
        assert len(re.findall(rf"PASSED .*{name}", found)) >= 4, name


@pytest.mark.slow
def test_the_contract_of_models_finds_the_example(checkout):
    page = ROOT / "docs" / "developer" / "adding_a_model.md"
    files = files_of(page)
    (name,) = write(checkout, files)
    found = run(
        checkout, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/model/test_contract.py", "-k", name
    )
    assert int(re.search(r"(\d+) passed", found)[1]) > 20
    assert sum(len(lines_of_code(text)) for name, text in files.items() if name.endswith(".py")) <= 70


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_an_example_is_one_file_and_a_line(page):
    files = files_of(page)
    stubs = [name for name in files if name.endswith(".pyi")]
    assert all(len(files[name].splitlines()) == 1 for name in stubs)
    assert len(files) - len(stubs) == (3 if page.stem == "adding_a_model" else 1)
