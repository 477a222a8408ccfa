"""Structure of the source: how large, how much of it twice, what knows what, what is tested, and in which words."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import Counter, defaultdict
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "scpi"
TESTS = ROOT / "tests"

LARGEST_FOLDER = 8
LONGEST_REPEAT = 9
MOST_PRIVATE_IMPORTS = 34


FILES = sorted(SOURCE.rglob("*.py"))
# The rooms of the house; what lies in `scpi` itself or in a private folder of it stands below all of them
ROOMS = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and path.name[0] not in "_.")


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    """Dotted name of a file of the package."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(module):
    """The room that a module of the package lies in, or the empty string below the rooms."""
    name = module.split(".")[1] if "." in module else ""
    return "" if name.startswith("_") else name


# --- folders and files


FOLDERS = {
    path.relative_to(SOURCE).as_posix(): path for path in (SOURCE / "model").glob("base/**/") if [*path.glob("*.py")]
}


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_folders_below_the_models_are_small(folder):
    names = sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")
    assert len(names) <= LARGEST_FOLDER, f"{len(names)} files, at most {LARGEST_FOLDER}: {', '.join(names)}"


def lines_without_imports(path):
    """Number and stripped text of each line that is neither empty nor part of an import."""
    imports = [node for node in ast.walk(tree(path)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    left_out = set(chain.from_iterable(range(node.lineno, (node.end_lineno or 0) + 1) for node in imports))
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and number not in left_out]


def repeats(paths, length):
    """Stretches of `length` lines or more that stand in two files: where they begin in both, and how long they are."""
    seen, found = defaultdict(list), {}
    for path in paths:
        lines = lines_without_imports(path)
        for start in range(len(lines) - length + 1):
            window = tuple(text for _, text in lines[start : start + length])
            for other, place, number in seen[window]:
                if other == path:
                    continue
                # What began one line before goes on
                first, n = found.pop((path, start - 1, other, place - 1), ((lines[start][0], number), length - 1))
                found[path, start, other, place] = first, n + 1
            seen[window].append((path, start, lines[start][0]))
    return [(path, other, *first, n) for (path, _, other, _), (first, n) in found.items()]


def test_repeats_are_found(tmp_path):
    shared = [f"x{i} = {i}" for i in range(12)]
    for name, lines in (
        ("a", ["import os", "y = 1", *shared, "z = 1"]),
        ("b", [*(f"  {line}\n" for line in shared[:6]), "from os import (\n    path,\n)", *shared[6:], *shared[:9]]),
        ("c", shared[:9]),
    ):
        lines = [line.strip() if line.startswith("  x") else line for line in lines]
        (tmp_path / f"{name}.py").write_text("\n".join(lines), encoding="utf-8")
    paths = sorted(tmp_path.glob("*.py"))
    assert repeats(paths, 10) == [(paths[1], paths[0], 1, 3, 12)]


def test_nothing_stands_in_two_files_of_the_models():
    found = repeats([path for path in FILES if SOURCE / "model" in path.parents], LONGEST_REPEAT + 1)
    places = [
        f"{n} lines from {path.relative_to(SOURCE)}:{line} and from {other.relative_to(SOURCE)}:{other_line}"
        for path, other, line, other_line, n in sorted(found, key=lambda repeat: -repeat[-1])
    ]
    assert not places, f"{len(places)} stretches of more than {LONGEST_REPEAT} lines twice:\n" + "\n".join(places)


# --- what knows what


def private_imports():
    """Names that a room takes from private modules of another, one for each place, as importing and imported module."""
    for module, path in MODULES.items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = (f"{node.module}.{alias.name}" for alias in node.names)
                targets = [name if name in MODULES else node.module for name in inner]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                continue
            for target in targets:
                _, *parts = target.split(".")
                hidden = target.startswith("scpi.") and any(part.startswith("_") for part in parts)
                if hidden and room_of(target) not in {"", room_of(module)}:
                    yield module, target


def test_rooms_keep_to_what_others_show():
    found = Counter(private_imports())
    lines = [
        f"{n} from {target} in {module}" for (module, target), n in sorted(found.items(), key=lambda pair: pair[0][1])
    ]
    n = found.total()
    assert n <= MOST_PRIVATE_IMPORTS, f"{n} imports, at most {MOST_PRIVATE_IMPORTS}:\n" + "\n".join(lines)


# --- tests


def private(path):
    return path.name.startswith("_") and path.name != "__init__.py"


def computes(path):
    """Whether a module has a function: tables of settings and records need no test."""
    return any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for node in ast.walk(tree(path)))


def mirror(path):
    """Where in the tree of sources or of tests a file lies, without the underscores of private names."""
    return tuple(part.lstrip("_") for part in path.with_suffix("").parts)


@cache
def mirrored():
    """Places of the source that have a test of the same name at the same place."""
    files = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    return {mirror(path.with_name(path.name.removeprefix("test_"))) for path in files}


@cache
def named():
    """Modules of the package that a test imports from, patches or names in a comment."""
    found = set()
    for path in TESTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        dotted = set(re.findall(r"\bscpi(?:\.\w+)+", text))
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                dotted |= {f"{node.module}.{alias.name}" for alias in node.names}
        for name in dotted:
            parts = name.split(".")
            prefixes = (".".join(parts[:n]) for n in range(len(parts), 1, -1))
            found.add(next((prefix for prefix in prefixes if prefix in MODULES), ""))
    return found


@cache
def words(folder):
    """All words in the tests of a folder."""
    texts = (path.read_text(encoding="utf-8") for path in (TESTS / folder).rglob("test_*.py"))
    return frozenset(re.findall(r"\w+", " ".join(texts)))


def exported(package):
    """Names that a package exports, each with the module that it comes from."""
    path = MODULES[package]
    for file in (path.with_suffix(".pyi"), path):
        for node in ast.walk(tree(file)) if file.is_file() else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                source = f"{package}.{node.module}" if node.level else node.module
                yield from ((alias.name, source) for alias in node.names if source in MODULES)


def home(module, name):
    """The module that defines a name, from one that exports it."""
    if MODULES[module].name == "__init__.py":
        return next((home(source, name) for exported_name, source in exported(module) if exported_name == name), module)
    return module


@cache
def homes_of_tested():
    """Modules of the public functions and classes that the tests of their own room name."""
    return {
        home(source, name)
        for package, path in MODULES.items()
        if path.name == "__init__.py" and room_of(package)
        for name, source in exported(package)
        if name in words(room_of(package))
    }


def untested(room):
    """Private modules of a room that no test mirrors or names, and of which the tests of the room name nothing public."""
    tested = named() | homes_of_tested()
    return [
        module
        for module, path in MODULES.items()
        if private(path) and room_of(module) == room and computes(path)
        if module not in tested and mirror(path.relative_to(SOURCE)) not in mirrored()
    ]


@pytest.mark.parametrize("room", ["", *ROOMS], ids=["below", *ROOMS])
def test_every_private_module_has_a_test(room):
    found = untested(room)
    assert not found, "mirror these in tests/, or import from them there:\n" + "\n".join(found)


# --- words

# What not to write, as a regular expression in which a blank stands for any white space, and what to write instead
VOCABULARY = ROOT / "docs" / "developer" / "words.md"
WORDS = {
    pattern.strip(" `").replace("\\|", "|"): instead.strip()
    for pattern, instead in re.findall(
        r"^\| (`.+?`) \| ([^`|]+) \|$", VOCABULARY.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
}
PAGES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts and path != VOCABULARY),
]


def prose(path):
    """The text of a file with its lines where they are: of a module, the comments and strings alone."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    lines = [[" "] * (len(line) + 1) for line in text.splitlines()]
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            (first, start), (last, _) = token.start, token.end
            # The middle of an f-string has a type of its own from Python 3.12 on
            if token.type in {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", -1)}:
                words = re.sub(r"\{[^{}]*\}", lambda m: " " * len(m[0]), token.string)
                words = re.sub(r"^#|^\w*(\"{3}|'{3}|[\"'])|(\"{3}|'{3}|[\"'])$", lambda m: " " * len(m[0]), words)
                for number, part in enumerate(words.split("\n"), start=first):
                    column = start if number == first else 0
                    lines[number - 1][column : column + len(part)] = part
            elif token.type == tokenize.NAME or token.string in {",", "=", "("}:
                # Strings are joined to a sentence only where nothing but their quotes lies between them
                lines[last - 1][start] = "\0"
    return "\n".join("".join(line) for line in lines)


@cache
def proses():
    return {path.relative_to(ROOT).as_posix(): prose(path) for path in [*FILES, *PAGES]}


def uses(pattern, texts):
    """Where a pattern is used, with the words."""
    expression = re.compile(r"(?<![\w-])(?:" + pattern.replace(" ", r"\s+") + r")(?![\w-])", re.IGNORECASE)
    for name, text in texts.items():
        for match in expression.finditer(text):
            yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {' '.join(match[0].split())}"


def test_prose_is_found_in_comments_strings_and_pages(tmp_path):
    module = tmp_path / "a.py"
    module.write_text(
        'arm = 1  # an arm\n"""Take this in\n    place of that."""\nf(f"in " "place of {arm}", "a", "twin")\n'
        "# told\n# the rest\nx = 'is', 'told'\n",
        encoding="utf-8",
    )
    found = list(chain.from_iterable(uses(pattern, {"a": prose(module)}) for pattern in WORDS))
    assert found == [
        "a:2: in place of",
        "a:4: in place of",
        "a:1: arm",
        "a:5: told the",
        "a:4: twin",
    ]


def test_the_table_of_words_is_read():
    assert len(WORDS) > 10 and WORDS["shares? of"] == "fraction of" and "shares? out|shared out" in WORDS


@cache
def suspects():
    """Texts in which any of the patterns is used: to look for all at once takes as long as for one."""
    texts = proses()
    return {name: texts[name] for name in {place.partition(":")[0] for place in uses("|".join(WORDS), texts)}}


@pytest.mark.parametrize("pattern", WORDS)
def test_words_that_stop_a_reader_are_not_used(pattern):
    found = list(uses(pattern, suspects()))
    assert not found, f"{len(found)} times; write {WORDS[pattern]!r} instead:\n" + "\n".join(found)
