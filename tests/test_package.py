"""Conventions that hold for the whole package."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.metadata
import inspect
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import scpi
from scpi._optional import PACKAGES

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "scpi"

ROOMS = [name for name in scpi.__all__ if name != "settings"]
# A room within a room
INNER = {"benchmark": ["grid", "references", "splits"]}
PUBLIC = [
    (room, name)
    for room in [*ROOMS, *(f"{outer}.{inner}" for outer, rooms in INNER.items() for inner in rooms)]
    for name in getattr(importlib.import_module(f"scpi.{room}"), "__all__", [])
    if name not in INNER.get(room, [])
]
ON_ANNDATA = [(room, name) for room, name in PUBLIC if room in {"get", "pl", "tl"}]


def public(room, name):
    return getattr(importlib.import_module(f"scpi.{room}"), name)


def callables(room, name):
    """A public function or class by its name, and with a class the public methods that scpi itself defines."""
    value = public(room, name)
    yield name, value
    if inspect.isclass(value):
        for method, member in inspect.getmembers(value, inspect.isroutine):
            if not method.startswith("_") and getattr(member, "__module__", "").startswith("scpi."):
                yield f"{name}.{method}", member


# --- names


@pytest.mark.smoke("lazy_loader")
def test_every_room_is_public():
    assert len(ON_ANNDATA) >= 10
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name[0] not in "_."}
    assert folders - {"cli"} == set(ROOMS)


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_a_public_name_is_what_it_says(room, name):
    value = public(room, name)
    assert value.__name__ == name
    assert name in dir(importlib.import_module(f"scpi.{room}"))


@pytest.mark.parametrize(
    "room",
    [
        "scpi",
        *(f"scpi.{room}" for room in ROOMS),
        "scpi.benchmark.grid",
        "scpi.benchmark.references",
        "scpi.benchmark.splits",
        "scpi.model.base",
    ],
)
def test_a_stub_lists_its_names_in_order(room):
    """One line for each name: what lazy-loader imports on first use, and what type checkers and editors read."""
    module = importlib.import_module(room)
    tree = ast.parse(Path(module.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    lines = [(node.module or "", node.names[0].name) for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(len(node.names) == 1 for node in tree.body if isinstance(node, ast.ImportFrom))
    assert lines == sorted(lines)
    assert sorted(name for _, name in lines) == module.__all__


# --- signatures and docstrings


def parameters(function):
    return {name: p for name, p in inspect.signature(function).parameters.items() if name not in {"self", "cls"}}


@pytest.mark.parametrize(("room", "name"), ON_ANNDATA)
def test_the_data_come_first(room, name):
    first = next(iter(parameters(public(room, name))))
    # Scores of models and of simulated experiments, and tidy tables, are no AnnData
    of_table = room == "pl" and name in {"benchmark", "paired_expression", "power"}
    assert first in ({"summary", "table"} if of_table else {"adata", "data"})


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_at_most_three_parameters_are_positional(room, name):
    for label, function in callables(room, name):
        kinds = [p.kind for p in parameters(function).values()]
        assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= 3, label


@pytest.mark.parametrize(("room", "name"), ON_ANNDATA)
def test_copy_is_off_and_by_keyword(room, name):
    function = public(room, name)
    if copy := parameters(function).get("copy"):
        assert copy.kind is copy.KEYWORD_ONLY
        assert copy.default is False
        assert "None" in inspect.signature(function).return_annotation


@pytest.mark.parametrize(("room", "name"), [item for item in PUBLIC if item[0] == "tl"])
def test_a_tool_can_leave_its_input_alone(room, name):
    assert "copy" in parameters(public(room, name))


@pytest.mark.parametrize(("room", "name"), [item for item in PUBLIC if item[0] == "pl"])
def test_a_plot_takes_axes_and_returns_a_figure_on_request(room, name):
    names = parameters(public(room, name))
    assert {"show", "return_fig"} <= names.keys()
    assert "save" not in names


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_every_parameter_and_result_has_a_type(room, name):
    for label, function in callables(room, name):
        typed = [p for p in parameters(function).values() if p.kind is not p.VAR_KEYWORD]
        assert [p.name for p in typed if p.annotation is p.empty] == [], label
        if not inspect.isclass(function):
            assert inspect.signature(function).return_annotation is not inspect.Signature.empty, label


def described_fields(record):
    """Fields of a dataclass or named tuple that a string follows, as Sphinx reads it."""
    (body,) = (node.body for node in ast.parse(textwrap.dedent(inspect.getsource(record))).body)
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            yield field.target.id


def is_record(value):
    return dataclasses.is_dataclass(value) or (inspect.isclass(value) and hasattr(value, "_fields"))


def sections(docstring):
    """Body of every numpydoc section, by title."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("room", "name"), PUBLIC)
def test_the_docstring_describes_the_signature(room, name):
    for label, function in callables(room, name):
        docstring = inspect.getdoc(function)
        assert docstring, f"{label} has no docstring"
        assert "%(" not in docstring, f"a fragment of {label} was not filled"

        described = sections(docstring)
        lines = [line for line in described.get("Parameters", "").splitlines() if line and not line.startswith(" ")]
        assert [line for line in lines if ":" in line] == [], f"types of {label} stand in the signature only"
        documented = [part.strip().lstrip("*") for line in lines for part in line.split(",")]
        if is_record(function):
            documented += described_fields(function)
        assert documented == list(parameters(function)), label
        if not inspect.isclass(function) and inspect.signature(function).return_annotation not in {
            "None",
            "Self",
            None,
        }:
            assert "Returns" in described, label


# --- documentation


def test_every_public_name_is_in_the_api_reference():
    """Named on the page of its room, or left to the file that lists the rest of the room."""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "api").glob("*.md")}
    entries = {line.strip() for page in pages.values() for line in page.splitlines()}
    rest = {room for room in ROOMS if f"{{include}} _rest_{room}.md" in pages[room]}
    missing = {f"{room}.{name}" for room, name in PUBLIC if room not in rest} - entries
    assert not missing
    assert rest >= {"datasets", "get", "metrics", "model", "pl", "tl"}
    listed = {entry for entry in entries if re.fullmatch(r"[a-z]+(\.\w+)+", entry) and entry.partition(".")[0] in ROOMS}
    assert listed <= {f"{room}.{name}" for room, name in PUBLIC}


def test_the_changelog_has_a_place_for_what_comes():
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def readme_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```bash\n(python3 -m venv .*)\n```$", text, flags=re.MULTILINE)


def test_the_readme_has_two_commands_that_do_their_own_set_up():
    demo, tests = readme_commands()
    assert demo.endswith("&& .venv/bin/scpi demo --out demo")
    assert tests.endswith("&& .venv/bin/pytest")
    for command in (demo, tests):
        for path in re.findall(r"-c (\S+)", command):
            assert (ROOT / path).is_file()


def test_the_checks_run_the_test_command_of_the_readme():
    _, tests = readme_commands()
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    assert lines.count(tests) == 1


# --- imports


def run_python(*arguments):
    # A generous limit: it catches a hang, not a slow machine.
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def test_import_is_light():
    heavy = {"anndata", "lightning", "matplotlib", "mudata", "numpy", "pandas", "scanpy", "scipy", "scvi", "torch"}
    loaded = run_python("-c", "import sys, scpi; print(*{name.partition('.')[0] for name in sys.modules})").split()
    assert "scpi" in loaded
    assert not heavy & set(loaded)


def test_light_rooms_load_neither_torch_nor_scvi():
    # One process: what a room loads stays loaded, so that the first line that is not empty names the room.
    rooms = ["metrics", "get", "pl"]
    code = "import sys\n" + "".join(
        f"from scpi.{room} import *\nprint('{room}', *{{'torch', 'scvi', 'lightning'}} & sys.modules.keys())\n"
        for room in rooms
    )
    assert run_python("-c", code).splitlines() == rooms


def test_gene_sets_are_read_without_torch():
    code = (
        "import sys, anndata, numpy, scpi\n"
        "adata = anndata.AnnData(numpy.ones((2, 6), 'f4'))\n"
        "scpi.tl.gene_sets(adata, {'all': list(adata.var_names)})\n"
        "print(adata.varm['gene_sets'].shape, *{'torch', 'scvi', 'lightning', 'scanpy'} & sys.modules.keys())"
    )
    assert run_python("-c", code).split() == ["(6,", "1)"]


def test_import_warns_of_nothing():
    run_python("-W", "error", "-c", "import scpi; scpi.settings.datasetdir; dir(scpi)")


def test_the_package_ships_its_types():
    assert (SOURCE / "py.typed").is_file()


# What each room may import from the others.
ARROWS = {
    "datasets": set(),
    "metrics": set(),
    "attribution": {"metrics"},
    "de": {"metrics"},
    "get": {"metrics"},
    "pl": {"get"},
    "model": {"metrics", "attribution", "de"},
    "tl": {"metrics", "attribution", "de", "model", "get"},
    "benchmark": {"datasets", "metrics", "attribution", "de", "get", "pl", "model", "tl"},
    "design": {"metrics", "attribution", "de", "get", "model", "tl"},
    "screen": {"datasets", "metrics", "attribution", "de", "get", "pl", "model", "tl", "benchmark"},
    "cli": {"datasets", "metrics", "attribution", "de", "get", "pl", "model", "tl", "benchmark", "screen"},
}
# Private modules of the package stand below every room, but for these, which stand above some.
PRIVATE_ARROWS = {"_scoring": {"metrics", "de"}, "_report": {"metrics", "de"}}
# What a room may not know of the stack below.
FORBIDDEN = {
    "_scoring": {"anndata", "mudata", "scanpy", "torch", "lightning", "scvi"},
    "metrics": {"anndata", "mudata", "scanpy", "torch", "lightning", "scvi"},
    "attribution": {"anndata", "mudata", "scanpy", "scvi"},
    "de": {"torch", "lightning", "scvi"},
    "get": {"torch", "lightning", "scvi", "scanpy"},
    "pl": {"torch", "lightning", "scvi"},
}


# Several tests read every file, so each is parsed and walked once, and only what they ask for is kept.
@cache
def nodes(path):
    """Imports and calls of a module, wherever in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom, ast.Call))]


@cache
def imported(path):
    """Dotted names that a module imports; ``from scpi import tl`` gives ``scpi.tl``."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("file", sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")))
def test_arrows_point_one_way(file):
    if file == "__init__.py":  # names every room
        return
    room = file.partition("/")[0].removesuffix(".py")
    names = [name.split(".") for name in imported(SOURCE / file)]
    rooms = {name[1] for name in names if name[0] == "scpi" and not name[1].startswith("_")}
    allowed = PRIVATE_ARROWS.get(room, set()) if room.startswith("_") else ARROWS[room] | {room}
    assert rooms - {"settings"} <= allowed
    # Who imports a private module that stands above some rooms may import these
    for private in {name[1] for name in names if name[0] == "scpi"} & PRIVATE_ARROWS.keys() - {room}:
        assert PRIVATE_ARROWS[private] <= allowed
    assert not FORBIDDEN.get(room, set()) & {name[0] for name in names}


# --- metadata


def project_metadata():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_that_of_the_installed_package():
    assert importlib.metadata.version("scpi-tools") == scpi.__version__


def test_dependencies_have_lower_bounds_only():
    project = project_metadata()
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, [*project["dependencies"], *extras]):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">="} or requirement.name == "scpi-tools", str(requirement)
    assert project["requires-python"] == ">=3.11"


# Top-level modules of distributions that have another name
MODULES = {
    "lazy-loader": "lazy_loader",
    "pot": "ot",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "scvi-tools": "scvi",
    "xgboost-cpu": "xgboost",
}


def modules_of(requirements):
    """Top-level modules that the distributions bring, and those of Python itself."""
    names = {Requirement(line).name for line in requirements}
    return {MODULES.get(name, name) for name in names} | sys.stdlib_module_names | {"scpi"}


def imported_below(folder):
    return {name.partition(".")[0] for path in folder.rglob("*.py") for name in imported(path)}


def test_what_is_imported_is_declared():
    dependencies = project_metadata()["dependencies"]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert imported_below(SOURCE) - modules_of(dependencies) == set()
    assert imported_below(ROOT / "tests") - modules_of([*dependencies, *groups["test"]]) == set()


def test_the_tests_have_what_the_extras_bring():
    extras = project_metadata()["optional-dependencies"]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert {line for name, lines in extras.items() if name != "all" for line in lines} <= set(groups["test"])


def requirements():
    """Requirements of the package, of its extras and of its tests, by name."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    extras = [line for lines in project_metadata()["optional-dependencies"].values() for line in lines]
    found = map(Requirement, [*project_metadata()["dependencies"], *extras, *groups["test"]])
    return {requirement.name: requirement for requirement in found if requirement.name != "scpi-tools"}


def test_the_smoke_tests_use_every_dependency():
    calls = [node for path in (ROOT / "tests").rglob("test_*.py") for node in nodes(path) if isinstance(node, ast.Call)]
    marks = [node for node in calls if ast.unparse(node.func) == "pytest.mark.smoke"]
    marked = {argument.value for mark in marks for argument in mark.args}
    runners = {"coverage", "packaging", "pytest", "pytest-cov", "pytest-xdist"}
    assert {MODULES.get(name, name) for name in requirements().keys() - runners} == marked


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == scpi.__version__
    released = citation["date-released"]
    assert isinstance(released, date)
    # Once the changelog has a heading of this version, it has the same date
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    dates = re.findall(rf"^## \[{re.escape(scpi.__version__)}\] - (\S+)$", changes, flags=re.MULTILINE)
    assert dates in ([], [released.isoformat()])


def test_the_image_installs_every_dependency_at_one_version_with_hashes():
    text = (ROOT / "docker" / "requirements.txt").read_text(encoding="utf-8")
    pins = re.findall(
        r"^([a-z][^ ]*)==([^ ]+)((?: ;.*)?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
        text,
        flags=re.MULTILINE,
    )
    assert len(pins) == len(re.findall(r"^[a-z]", text, flags=re.MULTILINE))
    versions = {name: version for name, version, *_ in pins}
    needed = {needed.name: needed for needed in map(Requirement, project_metadata()["dependencies"])}
    assert needed.keys() - versions.keys() == {"torch"}
    assert [str(one) for name, one in needed.items() if name != "torch" and versions[name] not in one.specifier] == []
    # torch has the version of the constraints
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    (torch,) = re.findall(r"^ARG TORCH_VERSION=(\S+)$", dockerfile, flags=re.MULTILINE)
    assert f"\ntorch=={torch}\n" in (ROOT / ".ci" / "constraints-cpu.txt").read_text(encoding="utf-8")
    for path in re.findall(r"^COPY ((?:docker|\.ci)/.*) \./$", dockerfile, flags=re.MULTILINE)[0].split():
        assert f"\n!{path}\n" in (ROOT / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_constraints_pin_every_dependency_within_its_bounds(python):
    lines = (ROOT / ".ci" / "constraints-cpu.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    here = {"python_version": python, "python_full_version": f"{python}.9"}
    versions = {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(here)
    }
    assert requirements().keys() - versions.keys() == set()
    assert [str(needed) for name, needed in requirements().items() if versions[name] not in needed.specifier] == []


def test_what_is_imported_on_demand_is_in_an_extra():
    extras = project_metadata()["optional-dependencies"]
    packages = {Requirement(line).name for name, lines in extras.items() if name != "all" for line in lines}
    calls = [node for path in SOURCE.rglob("*.py") for node in nodes(path) if isinstance(node, ast.Call)]
    modules = [node.args[0].value for node in calls if ast.unparse(node.func) == "import_extra"]
    named = {module.partition(".")[0] for module in modules}
    assert named == PACKAGES.keys()
    assert {MODULES.get(name, name) for name in packages} - named == {"psutil"}  # what mlflow measures the machine with
    (everything,) = extras["all"]
    assert Requirement(everything).extras == extras.keys() - {"all"}


def test_the_command_line_starts_without_torch():
    script = "import sys, scpi.cli; print(*{'torch', 'scvi', 'scanpy'} & sys.modules.keys())"
    assert run_python("-c", script).split() == []


@pytest.mark.skipif(os.name == "nt", reason="a POSIX script")
def test_the_checks_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
