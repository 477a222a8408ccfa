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
    "setup_adata": """
        adata
            Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
        """,
    "registry": """
        registry
            Given by scvi-tools instead of data when a saved model is loaded without.
        """,
    "model_seed": """
        seed
            Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
        """,
    "clustering_preset": """
        preset
            ``"scpi"`` (default), or the ``"published"`` settings.
        n_clusters
            Number of clusters; found on the embedding if ``None``.
        find_clusters
            How it is found: ``"stability"`` by the agreement of two halves of the cells, ``"leiden"`` as the communities of
            a graph of neighbours, which needs the package igraph.
        resolution
            Resolution of Leiden.
        n_latent
            Dimensions of the embedding; those of the preset if ``None``.
        seed
            Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
        """,
    "shift_preset": """
        preset
            ``"scpi"`` (default), or ``"published"`` for the settings and the arithmetic of the publication.
        restrict_to
            Contexts to take shifts from; all if ``None``. Can be changed at any time (:attr:`restrict_to`).
        seed
            Seed of the initial weights and of the training; ``scvi.settings.seed``, or 0, if ``None``.
        """,
    "preset_TypeError": """
        TypeError
            If the preset has no such attribute.
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
    "attribution_target": """
        target
            What is explained.
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
    "attribution_batch_size": """
        batch_size
            Cells at a time; as many as make good use of memory if `None`. It changes no result.
        device
            Where to compute, and where the network is; where the projection is, or the CPU, if `None`.
        rng
            Seed or generator of the random numbers, for the methods that draw some.
        **options
            Options of the method, as :func:`scpi.attribution.methods` lists them.
        """,
    "covariates": """
        covariates
            Column or columns of `obs` to adjust for. Numbers are slopes; text, categories and booleans are categories, with one
            coefficient per level but the first. Turn numbers that are names, such as those of donors, into text.
        """,
    "stored_key_added": """
        key_added
            Name of the entry in which the result is stored.
        mod
            Modality to use if a MuData is given.
        copy
            Whether to work on a copy and return it instead of modifying the given object.
        """,
    "written_key_added": """
        key_added
            Name of the entry in which the result is stored.
        mod
            Modality to use if a MuData is given.
        copy
            Whether to work on a copy and return it instead of modifying the given object.

        Returns
        -------
        Returns `None` if `copy=False`, else the copy. Sets the following fields:
        """,
    "written_mod": """
        mod
            Modality to use if a MuData is given.
        copy
            Whether to work on a copy and return it instead of modifying the given object.

        Returns
        -------
        Returns `None` if `copy=False`, else the copy. Sets the following fields:
        """,
    "panel_ax": """
        ax
            Axes to draw on; if ``None``, a new figure is created.
        figsize
            Width and height of the figure in inches.
        show
            Whether to show the figure. If ``None``, it is shown unless it is returned or ``ax`` is given.
        return_fig
            Whether to return the figure.

        Returns
        -------
        The axes if the figure is not shown, or the figure if `return_fig=True`.
        """,
    "panels_figsize": """
        figsize
            Width and height of the figure in inches.
        show
            Whether to show the figure. If ``None``, it is shown unless it is returned or ``ax`` is given.
        return_fig
            Whether to return the figure.

        Returns
        -------
        The axes, a list of them if there are several, if the figure is not shown; or the figure if `return_fig=True`.
        """,
    "rows_values": """
        values
            Rows x columns, dense or sparse.
        codes
            Group of each row: 0, 1, ...; rows with a negative code are left out.
        reference
            Code of the reference; each group is compared with all other rows if `None`.
        """,
    "decoder_target": """
        target
            The decoder.
        z
            Latent units of cells, cells x units.
        codes
            Group of each cell, from 0 on; a cell with a negative one is left out. One group if `None`.
        """,
    "decoder_units": """
        units
            Units, by name or place; all if `None`.
        absolute
            Average the absolute values too.
        write
            Called with the place of a unit in `units`, the places of some cells, and their attributions, cells x genes, as they
            are found.
        batch_size
            Cells at a time. It changes no result.
        device
            Where the decoder is; the CPU if `None`.

        Returns
        -------
        Means over the cells of each group, groups x units x genes.
        """,
}
"""Fragments by name, with the indentation of this file. The name is that of the first parameter, or ends in it."""


def fill(function: F) -> F:
    """Insert the shared fragments into a docstring.

    Parameters
    ----------
    function
        Function, method or class whose docstring contains placeholders of fragments.

    Returns
    -------
    The same object with the filled docstring.

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
