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
    "metrics": """
        metrics
            Names of metrics, or one name, of :func:`scpi.benchmark.list_metrics`; all if ``None``.
        """,
    "reference_cells": """
        reference_cells
            Control cells that the measured change is taken against: with ``"apart"`` a random half, and predictions start
            from the other, so that the noise of a shared control does not pass for skill; with ``"all"`` all controls
            serve for both; or the positions of these cells, and predictions start from the other controls.
        """,
    "n_cells": """
        n_cells
            Maximum number of cells to predict per condition, and of cells of a kind, measured, predicted or control, in
            metrics that compare cells; more are drawn from. Means of measured cells are those of all.
        """,
    "n_components": """
        n_components
            Number of principal components in which distances between cells are taken, those of the training cells;
            distances are taken in genes if ``None``.
        """,
    "reference_share": """
        reference_share
            Fraction of the controls that is set aside, so that the measured change is taken against cells that no
            prediction started from. With 0 all of them serve for both.
        """,
    "cells": """
        cells
            Positions of the cells to divide, such as the training cells of another split, for settings that are chosen
            without a look at its test cells; all if ``None``.
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
