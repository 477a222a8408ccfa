"""Docstring fragments that several functions share.

The decorator :func:`fill` replaces each docstring line of the form ``%(name)s``, such as ``%(adata)s`` under
``Parameters``, by the fragment of that name, indented like the line. A fragment may contain such lines itself.
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
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X`` is used, or ``adata.layers["counts"]``
            if ``X`` does not hold counts.
        """,
    "key_added": """
        key_added
            Name of the entry in which to store the result. If ``None``, the default given below.
        """,
    "copy": """
        copy
            Whether to work on a copy and return it instead of modifying the given object.
        """,
    "rng": """
        rng
            Seed or random number generator. If ``None``, fresh entropy is drawn.
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
            Name or names of metrics, as :func:`scpi.benchmark.list_metrics` lists them, or of presets (``"honest"``,
            ``"vcc2025"``, ``"vcc2026"``, ``"pertpy1035"``, ``"published"``); all metrics if ``None``.
        """,
    "reference_cells": """
        reference_cells
            Control cells that define the measured change. With ``"apart"``, they are a random half of the controls, and
            predictions start from the other half, so that the noise of shared controls does not count as skill. With
            ``"all"``, all controls serve both purposes. Otherwise the positions of these cells; predictions then start
            from the other controls.
        """,
    "n_cells": """
        n_cells
            Maximum number of cells to predict per condition. Metrics that compare cells also use at most this many
            measured, predicted and control cells, drawn at random. Means of measured cells use all cells.
        """,
    "n_components": """
        n_components
            Number of principal components of the training cells in which distances between cells are computed. If
            ``None``, they are computed on the genes.
        """,
    "exclude_targets": """
        exclude_targets
            Whether to leave out genes that are named like a perturbation, because the low expression of a knocked-down
            gene is no prediction. A condition is scored without the genes that its label names. Comparisons with other
            conditions leave out the genes that any of their labels names.
        """,
    "rows": """
        rows
            What each row of the data represents. With ``"conditions"``, a row holds the mean of the cells of a
            condition (pseudobulk), or of one of its replicates. Metrics that compare cells are then left out, and
            predictions are means.
        """,
    "halves": """
        halves
            Two layers for the noise ceiling, with the profiles of two independent halves of the cells of each row, or
            NaN if a row has none. Only for ``rows="conditions"``. If ``None``, the rows of a condition are split into
            halves; a condition with one row has no ceiling.
        """,
    "reference_fraction": """
        reference_fraction
            Fraction of the controls to set aside. The measured change is computed against them, and no prediction
            starts from them. With 0, all controls serve both purposes.
        """,
    "cells": """
        cells
            Positions of the cells to split; all if ``None``. Pass the training cells of another split to choose
            settings without looking at its test cells.
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
        progress
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
        progress
            Whether to show the progress of the download.
        """,
    "example_Raises": """
        Raises
        ------
        ConnectionError
            If the file cannot be downloaded.
        ValueError
            If the file is damaged or not the published one.
        """,
    "setup_adata": """
        adata
            Data registered with :meth:`setup_anndata` or :meth:`setup_mudata`.
        """,
    "registry": """
        registry
            Registry that scvi-tools passes when it loads a saved model without data.
        """,
    "model_seed": """
        seed
            Seed of the initial weights and of training. If ``None``, ``scvi.settings.seed``, or else 0.
        """,
    "clustering_preset": """
        preset
            ``"scpi"`` (default), or the ``"published"`` settings.
        n_clusters
            Number of clusters; estimated from the embedding if ``None``.
        find_clusters
            How to estimate the number of clusters: ``"valleys"`` requires fewer cells between any two clusters than
            within them, ``"stability"`` uses the agreement of two halves of the cells, and ``"leiden"`` finds
            communities in a nearest-neighbor graph (``pip install igraph``).
        resolution
            Resolution of Leiden clustering.
        n_latent
            Number of dimensions of the embedding; that of the preset if ``None``.
        seed
            Seed of the initial weights and of training. If ``None``, ``scvi.settings.seed``, or else 0.
        """,
    "shift_preset": """
        preset
            ``"scpi"`` (default), or ``"published"`` for the settings and the arithmetic of the publication.
        restrict_to
            Contexts from which to estimate shifts; all if ``None``. Can be changed at any time (:attr:`restrict_to`).
        seed
            Seed of the initial weights and of training. If ``None``, ``scvi.settings.seed``, or else 0.
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
            Indices of the cells to use; all if ``None``.
        """,
    "batch_size": """
        batch_size
            Number of cells to process at a time.
        """,
    "normalized_transform_batch": """
        transform_batch
            Batch to decode all cells in, by name, or several, over which the result is averaged. If ``None``, each cell
            is decoded in its own batch.
        gene_list
            Genes to return; all if ``None``.
        library_size
            Total of each cell, or ``"latent"`` for its own total count.
        n_samples
            Number of draws from the posterior of each cell. If ``None``, the means of its latent units are decoded,
            without noise.
        n_samples_overall
            Number of draws in total, each from the posterior of a cell drawn at random, instead of ``n_samples``.
        """,
    "normalized_return_mean": """
        return_mean
            Whether to return the mean of ``n_samples`` draws instead of each.
        return_numpy
            Whether to return an array instead of a table. Draws that are not averaged are always an array.
        rng
            Seed or random number generator of the draws.
        **covariates
            Values of covariates to decode under, by column name; by default, those of the cells.
        """,
    "normalized_expression_Returns": """
        Returns
        -------
        Table of cells x genes; with ``n_samples`` and ``return_mean=False``, an array of shape (n_samples, n_cells,
        n_genes), and with ``n_samples_overall``, one of shape (n_samples_overall, n_genes).

        Raises
        ------
        KeyError
            If a gene is not in the model.
        ValueError
            If a covariate or a category is unknown, or the model was set up without a batch.
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
            Fractions of the cells for training and validation. If there are conditions, they apply to the cells of each
            condition, including the control. The remaining cells are the test set. If ``validation_size`` is ``None``,
            all cells that are not for training are for validation.
        """,
    "held_out": """
        held_out
            Conditions to hold out from training, such as ``"A+B"``. All their cells go to the test set.
        """,
    "restore_best": """
        restore_best
            Whether to restore the model of the epoch with the lowest validation loss.
        """,
    "early_stopping": """
        early_stopping
            Whether to stop if the validation loss has not decreased for ``early_stopping_patience`` epochs.
        """,
    "early_stopping_patience": """
        early_stopping_patience
            Number of epochs without improvement after which training stops.
        """,
    "datasplitter_kwargs": """
        datasplitter_kwargs
            Additional arguments of the data splitter, such as ``external_indexing`` or ``num_workers``.
        """,
    "plan_kwargs": """
        plan_kwargs
            Additional arguments of the training plan.
        """,
    "train_seed": """
        seed
            Seed of the data split and of the minibatches; that of the model if ``None``.
        """,
    "held_out_ValueError": """
        ValueError
            If a held-out condition has no cells, or the fractions leave no cells to train on.
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
            Additional arguments of the data splitter, such as ``external_indexing`` or ``num_workers``.
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
            Function whose outputs are explained.
        x
            Registered expression, cells x genes, dense or sparse.
        """,
    "codes": """
        codes
            Group of each cell, numbered from 0. Cells with a negative code are left out. If `None`, all are one group.
        """,
    "outputs": """
        outputs
            Outputs to explain, by name or position; all if `None`.
        """,
    "attribution_method": """
        method
            Name of a method listed by :func:`scpi.attribution.methods`.
        """,
    "attribution_baseline": """
        baseline
            Baseline that cells are compared with, as in :func:`scpi.attribution.attribute_groups`.
        """,
    "attribution_batch_size": """
        batch_size
            Number of cells to process at a time; chosen to suit the memory if `None`. It does not affect the results.
        device
            Device of the network and of the computation. If `None`, that of the projection, or else the CPU.
        rng
            Seed or random number generator, for methods that draw random numbers.
        **options
            Options of the method, as listed by :func:`scpi.attribution.methods`.
        """,
    "attribution_Raises": """
        Raises
        ------
        TypeError
            If the method has no such option.
        ValueError
            As in :func:`scpi.attribution.attribute_groups`.
        """,
    "covariates": """
        covariates
            Column or columns of ``obs`` to adjust for. A numeric column is fitted as a slope, unless it has two
            values only: these are two levels, whatever the numbers are. Text, categories and booleans are categorical,
            with one coefficient per level except the first. Convert numeric identifiers, such as those of donors, to
            text.
        """,
    "stored_key_added": """
        key_added
            Name of the entry in which to store the result. If ``None``, the default given below.
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
            Name of the entry in which to store the result. If ``None``, the default given below.
        %(written_mod)s
        """,
    "cells_perturbation_key": """
        perturbation_key
            Column of ``adata.obs`` with the perturbation of each cell. For a MuData, it may also be one of
            ``mdata.obs``.
        control
            Label or labels of the control cells.
        groups
            Perturbations to examine; all but the control if ``"all"``.
        """,
    "batch_key": """
        batch_key
            Column of ``adata.obs`` with the batch of each cell, such as the replicate. The mean of the cells of each
            batch is subtracted.
        """,
    "cells_use_rep": """
        use_rep
            Entry of ``adata.obsm`` to use, such as ``"X_pca"``. If ``None``, principal components of the log-normalised
            expression are computed; counts are normalised first.
        n_components
            Number of principal components if ``use_rep=None``.
        %(layer)s
        %(delimiter)s
        min_cells
            Minimum number of cells per perturbation. Smaller ones are left out with a warning, or raise an error if
            ``groups`` names them.
        """,
    "effect_pval_cutoff": """
        pval_cutoff
            Largest adjusted p-value that counts as significant.
        """,
    "cells_KeyError": """
        KeyError
            If a column or the representation does not exist.
        ValueError
            If a group is unknown or too small, there are too few control cells, or the representation is not finite.
        """,
    "samples_groupby": """
        groupby
            Column of `adata.obs` with the group (condition, perturbation) of each cell. Cells without a label are left out.
            Not needed with a formula together with `coef` or `contrasts`.
        reference
            Group to compare with. If several are given, each group is compared with each of them (`"A - ctrl"`). With
            `"rest"`, each group is compared with the mean of all other groups.
        groups
            Groups to test; all but the reference if `"all"`. The others still contribute to the variance.
        contrasts
            Contrasts to test instead of groups against a reference, in one of these forms:

            - text such as `"stim - ctrl"` or `"(A + B) / 2 - ctrl"`, of groups and of coefficients of the formula;
            - weights by name, `{"stim": 1, "ctrl": -1}`;
            - a vector with one weight per coefficient;
            - several of these in a list, in a mapping from names, or as the columns of a DataFrame;
            - `"pairs"`, every group against every other.

            In a formula, a group stands for the mean row of the design with all samples of the split in that group.
        coef
            Coefficients to test instead: a term of the formula, such as `"condition:sex"`, `"dose"` or
            `"bs(age, df=3)"`, with its factors in any order; a single coefficient; or a covariate. The coefficient of a
            numeric variable is its slope, the log2 fold change per unit. A term with several coefficients gives one
            field per coefficient.
        sample_key
            Column or columns with the sample (donor, culture) of each cell. A sample may have cells of several groups
            and cell types: counts are summed over each sample x group x split.
        donor_key
            Column with the donor, or other independent unit, of each sample. Several samples of a donor in the same
            group and split are technical replicates. They are summed, unless the donor is the ``block`` of
            :func:`scpi.de.limma`. If ``None``, a ``sample_key`` of one column is the donor. ``pairing`` in the
            ``params`` of the result records whether comparisons are within donors. Donors that are the slope of a
            numeric covariate are not.
        %(covariates)s
            Each must be constant within a sample. A covariate with a single value has no effect.
        formula
            Design instead of `covariates`, such as `"~ condition * age + donor"`. Its columns must be constant within a
            sample, and it must contain `groupby` if that is given. If the effect of a group depends on another column,
            comparisons of groups are averages over the samples, and a warning is issued.
        split_by
            Column with the cell type, or another grouping within which to test.
        joint
            Whether to fit one model to the samples of all splits, with a mean for each split and group and with shared
            covariates and variances. Otherwise, each split has its own model. A formula must then contain `split_by` as
            well. Contrasts compare groups within each split.
        min_cells
            Minimum number of cells per sample. Smaller samples are left out, and a warning names splits and groups that
            have no other.
        """,
    "samples_ValueError": """
        ValueError
            If the values are not counts; a group, reference, contrast or coefficient is unknown; a group has no sample
            with enough cells; a covariate differs within a sample; the design is not of full rank or leaves no residual
            degrees of freedom; or there is nothing to test. A split without a comparison is left out with a warning,
            unless none is left.
        """,
    "rows_values": """
        values
            Rows x columns, dense or sparse.
        codes
            Group of each row: 0, 1, ...; rows with a negative code are left out.
        reference
            Code of the reference. If `None`, each group is compared with all other rows.
        """,
    "decoder_target": """
        target
            The decoder.
        z
            Latent representation of the cells, cells x units.
        codes
            Group of each cell, numbered from 0. Cells with a negative code are left out. If `None`, all are one group.
        """,
    "decoder_units": """
        units
            Units to explain, by name or position; all if `None`.
        absolute
            Whether to average the absolute values too.
        write
            Callback that receives the attributions of single cells: the position of a unit in `units`, the positions of
            some cells, and their attributions, cells x genes.
        batch_size
            Number of cells to process at a time. It does not affect the results.
        device
            Device of the decoder; the CPU if `None`.

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
            Whether to rank by the absolute value of the score instead of the score itself. If ``None``, each ranking
            is taken as it was computed.
        """,
    "tested_key": """
        key
            Entry of ``adata.uns`` with a ranking of genes, as written by :func:`scpi.de.rank_genes`, :func:`scpi.de.limma`
            or :func:`scanpy.tl.rank_genes_groups`.
        groups
            Groups to draw, in this order. If ``None``, those with the most genes at an adjusted p-value of at most
            0.05, in the order of the ranking.
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
            Genes with a larger absolute log2 fold change are drawn as triangles at the edge, such as genes that one
            group does not express.
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
            Gene sets to draw, in this order; if ``None``, the top set of each unit, then the second of each, and so on.
        n_units
            Maximum number of units to draw if ``units=None``.
        n_sets
            Maximum number of gene sets to draw if ``sets=None``.
        """,
    "program_sign": """
        sign
            ``"both"`` ranks genes by the absolute score. Genes that a unit raises stand before all that it lowers if it
            cannot be negative, as those of :class:`scpi.model.GeneProgramAE`: it is what it raises. ``"positive"`` or
            ``"negative"`` is for genes of that sign only.
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
            appended to its name, with a minus sign if the unit lowers the genes of the set. Two measures of confidence
            follow: q, the adjusted p-value of the set, and the margin, by how much its score is above that of the next
            best set.
        """,
}
"""Fragments by name, indented as in this file. The name of a fragment is, or ends in, its first or last parameter."""


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
