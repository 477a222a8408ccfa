"""Parts of docstrings that several functions share, written once.

A docstring holds ``%(name)s`` alone on a line, such as ``%(adata)s`` under ``Parameters``, and the decorator :func:`fill`
puts the fragment of that name in its place, in the indentation of the line.
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
            Modality to use, where a MuData is given.
        """,
    "layer": """
        layer
            Entry of ``adata.layers`` to use in place of ``adata.X``.
        """,
    "key_added": """
        key_added
            Name under which the result is stored.
        """,
    "copy": """
        copy
            Work on a copy and return it, rather than writing to the given object.
        """,
    "rng": """
        rng
            Seed or generator of the random numbers; ``None`` draws fresh entropy.
        """,
    "perturbation_key": """
        perturbation_key
            Column of ``adata.obs`` that holds the label of the perturbation of each cell.
        """,
    "control": """
        control
            Label of the unperturbed cells.
        """,
    "delimiter": """
        delimiter
            What separates the single perturbations in the label of a combination.
        """,
    "gene_sets_key": """
        gene_sets_key
            Entry of ``adata.varm`` that holds the gene sets, as :func:`scpi.tl.gene_sets` writes it.
        """,
    "ax": """
        ax
            Axes to draw on; a new figure is made if ``None``.
        """,
    "figsize": """
        figsize
            Width and height of the figure in inches.
        """,
    "show": """
        show
            Show the figure. If ``None``, it is shown unless it is returned or ``ax`` was given.
        """,
    "return_fig": """
        return_fig
            Return the figure.
        """,
    "target": """
        target
            What is explained.
        """,
    "x": """
        x
            Registered expression, cells x genes, dense or sparse.
        """,
    "codes": """
        codes
            Group of each cell, from 0 on; a cell with a negative one is left out. One group if `None`.
        """,
    "outputs": """
        outputs
            Outputs to explain, by name or place; all if `None`.
        """,
    "attribution_method": """
        method
            Name of the method, as :func:`scpi.attribution.methods` lists them.
        """,
    "attribution_baseline": """
        baseline
            What cells are compared with, as for :func:`scpi.attribution.attribute_groups`.
        """,
    "attribution_batches": """
        batch_size
            Cells at a time; as many as make good use of memory if `None`. It changes no result.
        device
            Where to compute, and where the network is; where the projection is, or the CPU, if `None`.
        rng
            Seed or generator of the random numbers, for the methods that draw some.
        **options
            Options of the method, as :func:`scpi.attribution.methods` lists them.
        """,
}
"""Fragments by name, in the indentation of this file."""


def fill(function: F) -> F:
    """Put the shared fragments into a docstring.

    Parameters
    ----------
    function
        Function whose docstring names fragments.

    Returns
    -------
    The same function, its docstring filled.

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
