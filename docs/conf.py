"""Configuration of Sphinx: `hatch run docs:build`, or `sphinx-build -M html docs docs/_build -W`."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from datetime import UTC, datetime
from importlib import import_module
from inspect import ismodule
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scpi

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.append(str(HERE / "extensions"))

# --- project

project = "scpi"
author = "scpi developers"
copyright = f"{datetime.now(tz=UTC):%Y}, {author}"
version = release = scpi.__version__
_urls = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
# Where the pages will be, of which only the host knows
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")

# --- notebooks
# They live in the top-level folder tutorials/, where people look for them; Sphinx only reads below its own folder. Their
# links lead to the pages of the repository, and from the copies to the same pages.

_notebooks = HERE / "tutorials" / "notebooks"
shutil.rmtree(_notebooks, ignore_errors=True)
_notebooks.mkdir()
for _notebook in sorted((HERE.parent / "tutorials").glob("*.ipynb")):
    _text = _notebook.read_text(encoding="utf-8").replace("](../docs/", "](../../")
    (_notebooks / _notebook.name).write_text(_text, encoding="utf-8")

# --- API pages
# A public name that the page of its room does not list comes at the end of the page, so that a new one needs no entry.

for _page in sorted((HERE / "api").glob("[!_]*.md")):
    _room = _page.stem
    if f"_rest_{_room}.md" in (_text := _page.read_text(encoding="utf-8")):
        _listed = set(re.findall(rf"^ +{_room}\.(\w+)$", _text, flags=re.MULTILINE))
        _module = import_module(f"scpi.{_room}")
        _names = [name for name in _module.__all__ if name not in _listed and not ismodule(getattr(_module, name))]
        _entries = "".join(f"    {_room}.{name}\n" for name in _names)
        _directive = (
            f".. currentmodule:: scpi\n\n.. autosummary::\n    :toctree: generated\n    :nosignatures:\n\n{_entries}"
        )
        _more = f"## More\n\n```{{eval-rst}}\n{_directive}```\n" if _names else ""
        _page.with_name(f"_rest_{_room}.md").write_text(_more, encoding="utf-8")

# --- Sphinx

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
    # docs/extensions
    "benchmark_tables",
    "llms_txt",
    "mathml",
    "see_also",
]
if html_baseurl:  # Its tags hold addresses
    extensions.append("sphinxext.opengraph")
templates_path = ["_templates"]
exclude_patterns = ["_build", "api/_rest_*", "llms.md", "**.ipynb_checkpoints"]
# The first one is what autosummary writes its pages in.
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
default_role = "literal"

# A reference to something public of scpi has to lead somewhere. One to another package does where its inventory can be had.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!scpi\.).*"), ("py:.*", r"scpi\.(\w+\.)*_\w.*")]
# A build without network stays free of warnings: the inventories of other projects are fetched on request.
if os.environ.get("READTHEDOCS") or os.environ.get("SCPI_DOCS_ONLINE"):
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "lightning": ("https://lightning.ai/docs/pytorch/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
        "mudata": ("https://mudata.readthedocs.io/en/stable/", None),
        "networkx": ("https://networkx.org/documentation/stable/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "pandas": ("https://pandas.pydata.org/docs/", None),
        "python": ("https://docs.python.org/3/", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "scvi": ("https://docs.scvi-tools.org/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }

# --- API reference

autosummary_generate = [str(page) for page in sorted(HERE.glob("api/**/*.md"))]
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = True
# Types and defaults stand in the signature, one parameter a line, as they do in the source.
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

# --- pages

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "html_image"]
myst_heading_anchors = 3
# Notebooks are committed executed; running them is another job than building the pages.
nb_execution_mode = "off"
nb_merge_streams = True
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

# The gallery is drawn when the pages are built
plot_formats = [("png", 110)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True

# --- HTML

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
# One field to search in: that of the sidebar
html_theme_options = {"navbar_persistent": [], "show_navbar_depth": 1}
if "Source" in _urls:
    html_theme_options |= {
        "path_to_docs": "docs",
        "repository_url": _urls["Source"],
        "use_edit_page_button": True,
        "use_repository_button": True,
    }
ogp_site_url = html_baseurl
ogp_image = "_static/readme.png"
ogp_social_cards = {"enable": False}


def returns_as_prose(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Write the section Returns as the field that it becomes: its text is prose, where napoleon would look for types."""
    headers = [i - 1 for i, line in enumerate(lines) if i and len(line) > 2 and set(line) == {"-"}]
    for header, end in pairwise([*headers, len(lines)]):
        if lines[header] == "Returns":
            first, *rest = lines[header + 2 : end]
            # Two blank lines end the section before, and this one.
            lines[header:end] = ["", "", f":returns: {first}", *(f"    {line}".rstrip() for line in rest), "", ""]
            return


def setup(app: Sphinx) -> None:
    """Connect what stands above."""
    app.connect("autodoc-process-docstring", returns_as_prose, priority=400)  # napoleon is at 500
