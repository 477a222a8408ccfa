"""Fragments of docstrings that several functions share.

If a line of a docstring consists of ``%(name)s``, such as ``%(adata)s`` under ``Parameters``, the decorator :func:`fill`
replaces it by the fragment of that name, with the indentation of the line. A fragment may contain such lines itself.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import TYPE_CHECKING, TypeVar

import scpi._own_init  # noqa: F401  # what every room imports checks whose files it is among

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
    "counts_layer": """
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` where ``X``
            does not hold counts.
        """,
    "key_added": """
        key_added
            Name of the entry in which the result is stored; the one given below if ``None``.
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
            Names of metrics, or one name, of :func:`scpi.benchmark.list_metrics`, or of presets of these (``"honest"``,
            ``"vcc2025"``, ``"vcc2026"``, ``"pertpy1035"``, ``"published"``); all if ``None``.
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
    "exclude_targets": """
        exclude_targets
            Whether to leave out genes that have the name of a perturbation: that a gene that was knocked down is low is no
            prediction. A condition is scored without the genes that its label names, and compared with others without
            those that any of their labels name.
        """,
    "rows": """
        rows
            What the rows of the data are. Where they are ``"conditions"``, each holds the mean of the cells of a condition
            (pseudobulk), or of one replicate of it: metrics that compare cells are left out, and predictions are means.
        """,
    "halves": """
        halves
            Two layers with profiles of independent halves of the cells of each row, NaN where a row has none, for the noise
            ceiling; only where ``rows`` are conditions. If ``None``, the rows of a condition are halved, and where it has
            one row there is no ceiling.
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
    "download_Parameters": """
        Parameters
        ----------
        base_url
            URL of another folder that contains the file, such as a mirror.
        progressbar
            Whether to show the progress of the download.
        """,
    "download_Raises": """
        Raises
        ------
        ConnectionError
            If the file cannot be downloaded.
        ValueError
            If the file is damaged or not the published one.
        """,
    "example_Parameters": """
        Parameters
        ----------
        base_url
            URL of another folder that contains the original file or files, such as a mirror.
        progressbar
            Whether to show the progress of the download.
        """,
    "example_Raises": """
        Raises
        ------
        ConnectionError
            If the file cannot be downloaded.
        ImportError
            If the package `rdata`, which reads files of R, is needed and not installed.
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
            How it is found: ``"valleys"`` by fewer cells between any two clusters than in them, ``"stability"`` by the
            agreement of two halves of the cells, ``"leiden"`` as the communities of a graph of neighbours, which needs the
            package igraph.
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
    "max_epochs": """
        max_epochs
            Maximum number of epochs; that of the preset if ``None``.
        """,
    "train_batch_size": """
        batch_size
            Maximum number of cells, or of pairs, in a batch; that of the preset if ``None``.
        """,
    "devices": """
        accelerator, devices
            As in :class:`lightning.pytorch.Trainer`.
        """,
    "validation_size": """
        train_size, validation_size
            Fractions of the cells, of those of every condition if there are conditions, the control included. What is left
            is the test set; all that is not for training is for validation if ``validation_size`` is ``None``.
        """,
    "held_out": """
        held_out
            Conditions, such as ``"A+B"``, that are not trained on: all their cells go to the test set.
        """,
    "restore_best": """
        restore_best
            Whether to return to the epoch with the lowest validation loss.
        """,
    "early_stopping": """
        early_stopping
            Whether to stop when the validation loss has not fallen for ``early_stopping_patience`` epochs.
        """,
    "early_stopping_patience": """
        early_stopping_patience
            Number of epochs without an improvement before training stops.
        """,
    "datasplitter_kwargs": """
        datasplitter_kwargs
            More arguments of the data splitter, such as ``external_indexing`` or ``num_workers``.
        """,
    "plan_kwargs": """
        plan_kwargs
            More arguments of the training plan.
        """,
    "train_seed": """
        seed
            Seed of the split and of the batches; that of the model if ``None``.
        """,
    "held_out_ValueError": """
        ValueError
            If a held-out condition has no cells, or the fractions leave nothing to train on.
        """,
    "trainer_kwargs": """
        **trainer_kwargs
            Passed to :class:`scvi.train.Trainer`, such as ``logger``, ``callbacks`` or ``precision``.
        """,
    "split_devices": """
        accelerator, devices
            As in :class:`lightning.pytorch.Trainer`.
        %(validation_size)s
        %(held_out)s
        """,
    "train_datasplitter_kwargs": """
        datasplitter_kwargs
            More arguments of the data splitter, such as ``external_indexing`` or ``num_workers``.
        %(plan_kwargs)s
        %(train_seed)s
        %(trainer_kwargs)s
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
    "attribution_Raises": """
        Raises
        ------
        TypeError
            If the method has no such option.
        ValueError
            As for :func:`scpi.attribution.attribute_groups`.
        """,
    "covariates": """
        covariates
            Column or columns of ``obs`` to adjust for. Numbers are slopes; text, categories and booleans are categories,
            with one coefficient per level but the first. Turn numbers that are names, such as those of donors, into text.
        """,
    "stored_key_added": """
        key_added
            Name of the entry in which the result is stored; the one given below if ``None``.
        %(mod)s
        %(copy)s
        """,
    "written_mod": """
        mod
            Modality to use if a MuData is given.
        %(copy)s

        Returns
        -------
        Returns `None` if `copy=False`, else the copy. Sets the following fields:
        """,
    "written_key_added": """
        key_added
            Name of the entry in which the result is stored; the one given below if ``None``.
        %(written_mod)s
        """,
    "cells_labels": """
        perturbation_key
            Column of ``adata.obs`` with the perturbation of each cell. That of a MuData may also stand in ``mdata.obs``.
        control
            Label of the control cells, or several.
        groups
            Perturbations to examine; all but the control if ``"all"``.
        """,
    "batch_key": """
        batch_key
            Column of ``adata.obs`` with the batch of each cell, such as the replicate. Each batch is centred on the mean of
            its cells.
        """,
    "cells_use_rep": """
        use_rep
            Entry of ``adata.obsm`` to use, such as ``"X_pca"``; principal components are computed if ``None``, from
            log-normalised expression. Counts are normalised first.
        n_components
            Number of principal components if ``use_rep=None``.
        %(layer)s
        %(delimiter)s
        min_cells
            Minimum number of cells of a perturbation. Smaller ones are left out with a warning, or are an error if they
            were named in ``groups``.
        """,
    "effect_pval_cutoff": """
        pval_cutoff
            Largest adjusted p-value that counts as significant.
        """,
    "cells_KeyError": """
        KeyError
            If a column or the representation is not there.
        ValueError
            If a group is unknown or too small, there are too few control cells, or the representation is not finite.
        """,
    "samples_groupby": """
        groupby
            Column of `adata.obs` with the group (condition, perturbation) of each cell. Cells without a label are left out.
            Not needed with a formula together with `coef` or `contrasts`.
        reference
            Group to compare with. With several, each group is compared with each of them (`"A - ctrl"`); with `"rest"`, with
            the mean of all other groups.
        groups
            Groups to test; all but the reference if `"all"`. The others still contribute to the variance.
        contrasts
            What to test instead of groups against a reference: text such as `"stim - ctrl"` or `"(A + B) / 2 - ctrl"`, of
            groups and of coefficients of the formula; weights by name, `{"stim": 1, "ctrl": -1}`; a vector with a weight of
            each coefficient; several of these in a list, in a mapping with their names, or as the columns of a DataFrame; or
            `"pairs"`, every group against every other. A group of a formula stands for the mean row of the design with all
            samples of the split in that group.
        coef
            What to test instead: a term of the formula, such as `"condition:sex"`, `"dose"` or `"bs(age, df=3)"`, whatever the
            order of its factors, a single coefficient, or a covariate. Of a number, the coefficient is the slope: the log2 fold
            change per unit. A term of several coefficients is a field for each of them.
        sample_key
            Column or columns with the sample (donor, culture) of each cell. One sample may have cells of several groups
            and cell types: the sums are those of each sample x group x split.
        donor_key
            Column with the donor, or what else is independent, of each sample. Several samples of a donor in the same group and
            split are technical replicates: they are summed, unless the donor is the ``block`` of :func:`scpi.de.limma`. If
            ``None``, a ``sample_key`` of one column is the donor. The result says whether comparisons are within donors
            (``pairing`` of its ``params``).
        %(covariates)s
            They have to be the same in all cells of a sample. A covariate with a single value changes nothing.
        formula
            Design instead of `covariates`, such as `"~ condition * age + donor"`, with columns that are the same in all
            cells of a sample; it has to name `groupby`, if that is given. Where the effect of a group depends on another
            column, comparisons of groups are averages over the samples, and a warning says so.
        split_by
            Column with the cell type, or what else to test within.
        joint
            Fit one model to the samples of all splits, with a mean for each split and group and shared covariates and
            variances; else each split has a model of its own. With a formula, that has to name `split_by` as well.
            Contrasts are those of groups within each split.
        min_cells
            Minimum number of cells of a sample; smaller ones are left out.
        """,
    "samples_ValueError": """
        ValueError
            If the values are not counts, a group, reference, contrast or coefficient is unknown, a group has no sample of
            enough cells, a covariate differs within a sample, the design is not of full rank or leaves no residual degrees
            of freedom, or there is nothing to test. A split in which there is no comparison is left out with a warning,
            unless none is left.
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
    "figure_ax": """
        ax
            Axes to draw on; if ``None``, a new figure is created.
        %(figsize)s
        %(show)s
        %(return_fig)s
        """,
    "panels_ax": """
        ax
            Axes to draw a single panel on; if ``None``, a new figure is created.
        %(figsize)s
        %(show)s
        %(return_fig)s
        """,
    "axes_Returns": """
        Returns
        -------
        The axes if the figure is not shown, or the figure if ``return_fig=True``.
        """,
    "panels_Returns": """
        Returns
        -------
        The axes (a list if there are several panels) if the figure is not shown, or the figure if ``return_fig=True``.
        """,
    "result_key": """
        key
            Entry of ``adata.uns`` to draw.
        """,
    "result_KeyError": """
        KeyError
            If the data has no such result.
        """,
    "ranking_KeyError": """
        KeyError
            If the data has no such ranking.
        """,
    "significant_pval_cutoff": """
        pval_cutoff
            Largest adjusted p-value that counts as significant.
        """,
    "ranking_keys": """
        keys
            Entries of ``adata.uns`` with rankings of genes, or a mapping from names to entries; all rankings if ``None``.
        """,
    "ranking_absolute": """
        absolute
            Whether to rank by the absolute value of the score, or by the score itself; if ``None``, as each ranking was
            computed.
        """,
    "tested_key": """
        key
            Entry of ``adata.uns`` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma`
            or :func:`scanpy.tl.rank_genes_groups`.
        groups
            Groups to draw, in this order; if ``None``, those with the most genes with an adjusted p-value of at most 0.05.
        n_panels
            Maximum number of groups to draw if ``groups=None``.
        """,
    "changed_genes": """
        genes
            Genes to label; if ``None``, those with the smallest p-values among the changed genes.
        n_genes
            Number of genes to label if ``genes=None``.
        pval_cutoff
            Largest adjusted p-value of a gene that counts as changed.
        log2fc_min
            Smallest absolute log2 fold change of a gene that counts as changed.
        log2fc_limit
            Genes with a larger absolute log2 fold change, for example those that one group does not express, are drawn as
            triangles at the edge.
        """,
    "activity_groups": """
        groups
            Perturbations to draw, in this order; if ``None``, those with the most significant gene sets.
        n_groups
            Maximum number of perturbations to draw if ``groups=None``.
        """,
    "impact_units": """
        units
            Units to draw, in this order; if ``None``, those with the largest absolute values.
        sets
            Gene sets to draw, in this order; if ``None``, the first of each unit, then the second of each, and so on.
        n_units
            Maximum number of units to draw if ``units=None``.
        n_sets
            Maximum number of gene sets to draw if ``sets=None``.
        """,
    "strongest_units": """
        units
            Unit or units to draw, in this order; if ``None``, those with the largest absolute scores.
        n_units
            Maximum number of units to draw if ``units=None``.
        """,
    "annotation_key": """
        annotation_key
            Entry of ``adata.uns`` written by :func:`scpi.tl.annotate_units`. If it exists, the gene set of each unit is
            appended to its name, with a minus sign if the unit lowers the genes of the set, and how sure that is: the
            adjusted p-value of the set, and the lead of its score over that of the next one.
        """,
}
"""Fragments by name, with the indentation of this file. The name is that of the first or last parameter, or ends in it."""


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
    text = _PLACEHOLDER.sub(_fragment, inspect.cleandoc(FRAGMENTS[match["name"]]))
    return textwrap.indent(text, match["indent"])
