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
    "setup_adata": """
        adata
            Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
        """,
    "registry": """
        registry
            Given by scvi-tools instead of data when a saved model is loaded without.
        """,
    "preset": """
        preset
            ``"scpi"`` (default), or the ``"published"`` settings.
        """,
    "restrict_to": """
        restrict_to
            Contexts to take shifts from; all if ``None``. Can be changed at any time (:attr:`restrict_to`).
        """,
    "model_seed": """
        seed
            Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
        """,
    "n_clusters": """
        n_clusters
            Number of clusters; found on the embedding if ``None``.
        """,
    "find_clusters": """
        find_clusters
            How it is found: ``"stability"`` by the agreement of two halves of the cells, ``"leiden"`` as the communities of
            a graph of neighbours, which needs the package igraph.
        """,
    "resolution": """
        resolution
            Resolution of Leiden.
        """,
    "n_latent": """
        n_latent
            Dimensions of the embedding; those of the preset if ``None``.
        """,
    "cells_adata": """
        adata
            Cells; the training data if ``None``.
        """,
    "indices": """
        indices
            Cells to take; all if ``None``.
        """,
    "batch_size": """
        batch_size
            Cells at a time.
        """,
    "draws_rng": """
        rng
            Seed or generator of the draws.
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
"""Fragments by name, in the indentation of this file. The name is that of the parameter, or ends in it."""


def fill(function: F) -> F:
    """Put the shared fragments into a docstring.

    Parameters
    ----------
    function
        Function, method or class whose docstring names fragments.

    Returns
    -------
    The same object, its docstring filled.

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
