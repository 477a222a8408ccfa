"""Fragments of docstrings that several functions share.

If a line of a docstring consists of ``%(name)s``, such as ``%(adata)s`` under ``Parameters``, the decorator :func:`fill`
replaces it by the fragment of that name, with the indentation of the line.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

F = TypeVar("F", bound="Callable[..., Any]")

_PLACEHOLDER = re.compile(r"^(?P<indent> *)%\((?P<name>\w+)\)s *$", flags=re.MULTILINE)

FRAGMENTS: dict[str, str] = {
    "adata": """
        adata
            Annotated data, cells x genes.
        """,
    "data": """
        data
            Annotated data, cells x genes, or a MuData together with ``mod``.
        """,
    "mod": """
        mod
            Modality to use if a MuData is given.
        """,
    "layer": """
        layer
            Entry of ``adata.layers`` to use instead of ``adata.X``.
        """,
    "key_added": """
        key_added
            Name of the entry in which the result is stored.
        """,
    "copy": """
        copy
            Whether to work on a copy and return it instead of modifying the given object.
        """,
    "rng": """
        rng
            Seed or generator of the random numbers; ``None`` draws fresh entropy.
        """,
    "perturbation_key": """
        perturbation_key
            Column of ``adata.obs`` that contains the perturbation label of each cell.
        """,
    "control": """
        control
            Label of the unperturbed cells.
        """,
    "delimiter": """
        delimiter
            String that separates the single perturbations in the label of a combination.
        """,
    "gene_sets_key": """
        gene_sets_key
            Entry of ``adata.varm`` that contains the gene sets, as written by :func:`scpi.tl.gene_sets`.
        """,
    "base_url": """
        base_url
            URL of another folder that contains the file, such as a mirror.
        """,
    "progressbar": """
        progressbar
            Whether to show the progress of the download.
        """,
    "ConnectionError": """
        ConnectionError
            If the file cannot be downloaded.
        ValueError
            If the file is damaged or not the published one.
        """,
    "ax": """
        ax
            Axes to draw on; if ``None``, a new figure is created.
        """,
    "figsize": """
        figsize
            Width and height of the figure in inches.
        """,
    "show": """
        show
            Whether to show the figure. If ``None``, it is shown unless it is returned or ``ax`` is given.
        """,
    "return_fig": """
        return_fig
            Whether to return the figure.
        """,
}
"""Fragments by name, with the indentation of this file."""


def fill(function: F) -> F:
    """Insert the shared fragments into a docstring.

    Parameters
    ----------
    function
        Function whose docstring contains placeholders of fragments.

    Returns
    -------
    The same function with the filled docstring.

    Raises
    ------
    KeyError
        If the docstring names a fragment that does not exist.
    """
    if function.__doc__ is not None:  # under `python -OO` there is none
        function.__doc__ = _PLACEHOLDER.sub(_fragment, inspect.cleandoc(function.__doc__))
    return function


def _fragment(match: re.Match[str]) -> str:
    return textwrap.indent(inspect.cleandoc(FRAGMENTS[match["name"]]), match["indent"])
