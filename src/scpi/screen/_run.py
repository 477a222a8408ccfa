"""The main job: from a screen to predictions, explanations and a report."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from anndata import read_h5ad

from scpi import benchmark, tl
from scpi import model as models
from scpi._fingerprint import fingerprint
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._run_folder import RunFolder, output_folder
from scpi._scoring._conventions import N_CELLS
from scpi._screen._labels import Labelling
from scpi._sequence import as_list
from scpi._versions import versions
from scpi._warn import warn_user
from scpi.screen._design import Design, describe_design
from scpi.screen._effects import effect_table, find_genes, measure_effects, significant_genes, strongest, with_effect
from scpi.screen._prepare import COUNTS, prepare_screen
from scpi.screen._progress import RunProgress
from scpi.screen._result import ScreenResult
from scpi.screen._split import choose_held_out, split_screen, without_training_cells
from scpi.screen._truth import compare_with_truth
from scpi.screen._verdict import HONEST, compare_with_best, correlation_of_others
from scpi.screen._write import (
    MODEL,
    PREDICTED,
    SCORES,
    SCREEN,
    Scores,
    read_scores,
    write_cells,
    write_results,
    write_scores,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from rich.console import Console

    from scpi._screen._labels import Control
    from scpi._screen._split import Split
    from scpi.model.base import ScreenModel

NAME = "SENAVAE"
ADDITIVE = "additive"
_NOTES = "screen_notes"
_NO_CHANGE = (
    "SENAVAE predicts no change of {}, of which it has no training cell. `scpi.model.PerturbationGP` predicts perturbations without training cells, "
    "from features."
)
BASELINES = {ADDITIVE: "Additive", "linear": "Linear", "mean change": "MeanDelta", "no change": "NoChange"}
METRICS = (*HONEST, "pearson_top", "rmse", "error_ratio", "mmd")
"""Scores of a run."""
# Cells to predict of all conditions together, and of each even if there are thousands, to keep and to compare
_MOST_CELLS = 100_000
_FEW_KEPT, _FEW_COMPARED = 50, 100
# Predictions that are explained, each of which has a figure in the report, and units of networks that have learned nothing
_N_EXPLAINED, _N_NULL = 3, 100
_STAGES = (
    "Check the data",
    "Train SENAVAE",
    "Train baselines",
    "Compare",
    "Predict",
    "Explain",
    "Test effects",
    "Write",
)


def run_screen(
    data: AnnData | MuData,
    gene_sets: str | os.PathLike[str] | Mapping[str, Iterable[str]] | pd.DataFrame | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    unassigned: Sequence[str] | str = (),
    sample_key: str | None = None,
    batch_key: str | None = None,
    guide_key: str | None = None,
    context_key: str | None = None,
    dose_key: str | None = None,
    size_factor_key: str | None = None,
    layer: str | None = None,
    mod: str | None = None,
    min_size: int = 5,
    n_top_genes: int | None = 5000,
    likelihood: Literal["normal", "nb"] = "normal",
    held_out: Sequence[str] | str = "auto",
    held_out_fraction: float = 0.25,
    predict: Sequence[str] | str = (),
    exclude_targets: bool = True,
    max_epochs: int | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    train_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    title: str = "Perturbation screen",
    console: Console | None = None,
) -> ScreenResult:
    """Train a model on a screen, score its predictions against baselines, explain it, and write a report.

    Combinations are held out, or single cells where there are none; :class:`scpi.model.SENAVAE` and the baselines are
    trained on the rest and compared on the same test cells, beside the ceiling that the noise of these cells sets. Each
    perturbation is tested for an effect on its cells, within batches and by guides (:func:`scpi.tl.perturbation_effect`,
    :func:`scpi.tl.responders`, :func:`scpi.tl.guide_agreement`), and for an effect on every gene: by samples
    (:func:`scpi.de.limma`) where replicates are named and there are counts, else by cells (:func:`scpi.de.rank_genes`).
    The data that is given is not changed. For a screen whose rows are profiles of conditions there is
    :func:`scpi.screen.run_pseudobulk`.

    Parameters
    ----------
    data
        Screen: counts, or log-normalised values.
    gene_sets
        GMT file, or anything else that :func:`scpi.tl.gene_sets` takes. If ``None``, the sets that the screen has. Without any,
        the model starts with an ordinary layer (``encoder="mlp"``), and no gene set is tested.
    out
        Folder to write ``report.html``, ``screen.h5ad``, ``predicted.h5ad``, tables and the folder ``model`` to;
        nothing is written if ``None``. Each part is kept in the subfolder ``unfinished`` as soon as it is made; all
        move to their places together at the end.
    overwrite
        Whether to replace the results of an earlier run in that folder. Other files stay.
    resume
        Whether to go on with a run that was not finished in that folder: what it kept is read, not made again. The
        arguments and the data must be the same. Without such a run, one begins.
    perturbation_key
        Column of ``obs`` with the label of each cell: a perturbation, several joined by ``delimiter`` in any order, or
        the control.
    control
        Label or labels of the unperturbed cells.
    delimiter
        What separates the perturbations of a combination; ``None`` if there are no combinations.
    unassigned
        Labels of cells whose perturbation is unknown, which are left out, beside those that mean it anyway, such as
        ``"unassigned"``.
    sample_key
        Column of ``obs`` with the replicate of each cell: a donor, a culture, a well. With it genes are tested by
        samples, and effects within them where there is no ``batch_key``.
    batch_key
        Column of ``obs`` with the technical batch of each cell. Effects are tested within batches, and the model corrects
        for them.
    guide_key
        Column of ``obs`` with the guide of each cell.
    context_key
        Column of ``obs`` with a second factor, such as a cell type or a stimulus: changes are against controls of the
        same context.
    dose_key
        Column of ``obs`` with the dose of each perturbed cell.
    size_factor_key
        Column of ``obs`` with the depth of each cell, for ``likelihood="nb"``.
    layer
        Layer with the expression; ``X`` if ``None``.
    mod
        Modality of a MuData that holds the expression.
    min_size
        Minimum number of measured genes of a gene set.
    n_top_genes
        Maximum number of genes to use, those that vary most and those that are perturbed; all if ``None``.
    likelihood
        ``"normal"`` on log-normalised expression or ``"nb"`` on counts. Both are scored on the log scale.
    held_out
        Conditions that no model sees in training. ``"auto"`` draws a fraction of the combinations, if there are any.
    held_out_fraction
        That fraction.
    predict
        Further conditions to predict, measured or not.
    exclude_targets
        Whether genes that are perturbed themselves do not count as an effect: a knock-out lowers its own transcript. They
        are left out of the test of effects on cells, and of ``n_genes``, the number of changed genes.
    max_epochs
        Epochs of the training; that of the preset if ``None``.
    model_kwargs, train_kwargs
        Further arguments of :class:`scpi.model.SENAVAE` and of its ``train``.
    seed
        Seed of the split, the weights and the training.
    title
        Title of the report.
    console
        Where progress is shown; nowhere if ``None``.

    Returns
    -------
    Results, as AnnData, model and tables.

    Raises
    ------
    KeyError
        If a column, layer or modality is not there.
    ValueError
        If the expression is neither counts nor on a log scale, control cells are missing, each condition has one row,
        gene sets match nothing, conditions are unknown, or the run to go on with had other arguments or data.
    OSError
        If ``out`` is a file, holds files that are not to be replaced, or cannot be written to, before anything is trained.
    """
    arguments = {
        name: value
        for name, value in locals().items()
        if name not in {"data", "gene_sets", "out", "overwrite", "resume", "console"}
    }
    target = None if out is None else output_folder(out, overwrite=overwrite, resume=resume)
    folder = RunFolder(target, resume=resume)
    started = time.perf_counter()
    labelling = Labelling.of(control, delimiter)
    design = Design(
        perturbation_key=perturbation_key,
        sample_key=sample_key,
        batch_key=batch_key,
        guide_key=guide_key,
        context_key=context_key,
        dose_key=dose_key,
        size_factor_key=size_factor_key,
    )
    notes: list[str] = []
    with folder.said(), RunProgress(_STAGES, console=console) as progress:
        progress.next_stage()
        adata = prepare_screen(
            data,
            gene_sets,
            design=design,
            labelling=labelling,
            unassigned=as_list(unassigned),
            layer=layer,
            mod=mod,
            min_size=min_size,
            n_top_genes=n_top_genes,
            notes=notes,
        )
        if likelihood == "nb" and COUNTS not in adata.layers:
            msg = "`likelihood='nb'` needs counts, but the expression has fractions. Name the layer that holds counts."
            raise ValueError(msg)
        labels = adata.obs[perturbation_key]
        if exclude_targets and adata.var_names.isin(labelling.vocabulary(labels.cat.categories)).all():
            msg = "All genes are perturbed themselves, so that none is left to test effects with. Count them by `exclude_targets=False`."
            raise ValueError(msg)
        generator = as_generator(seed)
        held = choose_held_out(labels, held_out, share=held_out_fraction, labelling=labelling, rng=generator)
        split = split_screen(labels, held, labelling=labelling, rng=generator)
        tested = _tested(labels, split, held, labelling)
        if not held:
            notes.append("No combination was held out, but a fraction of the cells of every perturbation.")
        wanted = list(dict.fromkeys([*tested, *map(labelling.canonical, as_list(predict))]))
        _check_known(labels, wanted, labelling)
        n_kept, n_compared = (max(few, min(N_CELLS, _MOST_CELLS // len(wanted))) for few in (_FEW_KEPT, _FEW_COMPARED))
        if n_kept < N_CELLS:
            notes.append(
                f"Of each of the {len(wanted)} conditions, at most {n_compared} cells were compared, and {n_kept} predicted "
                "ones kept."
            )
        untrained = (
            without_training_cells(labels, split, wanted, labelling)
            if Key.uns.PERTURBATION_FEATURES not in adata.uns
            else []
        )
        if untrained:
            notes.append(_NO_CHANGE.format(", ".join(untrained)))
            warn_user(notes[-1])
        setup = {"perturbation_key": perturbation_key, "control": labelling.control, "delimiter": delimiter}
        setup |= design.setup
        understood = describe_design(adata, design, labelling)
        progress.say([*(f"{topic}: {sentence}" for topic, sentence in understood), *notes])
        settings = plain(arguments)
        folder.begin(_depends_on(settings, adata, labels))

        progress.next_stage()
        model = folder.part(
            MODEL,
            lambda: _train(
                adata,
                split,
                setup,
                progress,
                likelihood=likelihood,
                max_epochs=max_epochs,
                model_kwargs=model_kwargs or {},
                train_kwargs=train_kwargs or {},
                seed=seed,
            ),
            write=lambda model, path: model.save(path, overwrite=True),
            read=lambda path: models.SENAVAE.load(path, adata=adata),
        )

        progress.next_stage()
        scores = folder.part(
            SCORES,
            lambda: _compare(adata, model, split, setup, tested, labelling, progress, n_cells=n_compared, seed=seed),
            write=write_scores,
            read=read_scores,
        )
        notes += scores.notes

        progress.next_stage("Predict")
        predicted = folder.part(
            PREDICTED,
            lambda: _predict(adata, model, wanted, split, setup, n_cells=n_kept, seed=seed),
            write=write_cells,
            read=read_h5ad,
        )

        progress.next_stage("Explain")
        adata = folder.part(
            SCREEN,
            lambda: _explain(
                adata,
                model,
                [label for label in wanted if label not in untrained],
                design,
                labelling,
                progress,
                exclude_targets=exclude_targets,
                seed=seed,
            ),
            write=write_cells,
            read=read_h5ad,
        )
        notes += [str(note) for note in np.atleast_1d(adata.uns.get(_NOTES, []))]
        averaged = with_effect(adata, tested)
        if len(averaged) < len(tested):
            notes.append(
                f"Scores are averaged over the {len(averaged)} of {len(tested)} scored conditions that change cells: there is "
                "nothing to predict of the others."
            )
        table = scores.table[scores.table[Key.obs.PERTURBATION].isin(averaged)]
        baseline = best_baseline(table, scores.baselines)
        result = ScreenResult(
            adata=adata,
            predicted=predicted,
            model=model,
            scores=scores.table,
            averaged=averaged,
            summary=benchmark.summarise(table, baseline=baseline, rng=seed),
            baseline=baseline,
            comparisons=compare_with_best(table, NAME, scores.baselines, rng=seed),
            correlation_of_others=correlation_of_others(
                predicted, adata, split, perturbation_key=perturbation_key, tested=averaged
            ),
            design=understood,
            effects=effect_table(adata, labelling, exclude_targets=exclude_targets),
            genes=significant_genes(adata, labelling),
            held_out=held,
            untrained=untrained,
            split=split,
            truth=compare_with_truth(adata, held, labelling=labelling),
            notes=notes,
            settings={**settings, "versions": versions()},
        )

        progress.next_stage("Write")
        result.settings["seconds"] = round(time.perf_counter() - started, 1)
        if target is not None:
            write_results(result, folder)
            result.out = target
    return result


def _depends_on(settings: Mapping[str, Any], adata: AnnData, labels: pd.Series) -> dict[str, Any]:
    """What another run must have in common with this one to go on with it: all but the title of the report."""
    read = [adata.X, labels, adata.var_names, adata.varm.get(Key.varm.GENE_SETS), adata.uns.get(Key.uns.GENE_SETS)]
    same = {name: value for name, value in settings.items() if name != "title"}
    return {**same, "scpi": versions()["scpi"], "data": fingerprint(read)}


def _tested(labels: pd.Series, split: Split, held_out: Sequence[str], labelling: Labelling) -> list[str]:
    """Conditions to score: those held out, or all with enough cells in the test set."""
    counts = labels.iloc[split.test].value_counts()
    tested = [
        str(label)
        for label in labels.cat.categories
        if label != labelling.control and counts.get(label, 0) >= 2 and (not held_out or label in held_out)
    ]
    if not tested:
        msg = "No perturbation has two test cells or more: there is nothing to score a prediction with."
        raise ValueError(msg)
    return tested


def _check_known(labels: pd.Series, wanted: Sequence[str], labelling: Labelling) -> None:
    """Refuse unknown perturbations before minutes of training."""
    known = labelling.vocabulary(labels.cat.categories)
    unknown = sorted(set(labelling.vocabulary(wanted)) - set(known))
    if unknown:
        msg = f"Unknown perturbation {unknown[0]!r} in `predict`; the screen has {known[:12]}."
        raise ValueError(msg)


def best_baseline(scores: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Baseline with the largest mean correlation, which a model has to beat; ``None`` if none has one."""
    means = scores[scores["model"].isin(names)].groupby("model", sort=False)["pearson"].mean().dropna()
    return str(means.idxmax()) if len(means) else None


def _train(
    adata: AnnData,
    split: Split,
    setup: Mapping[str, Any],
    progress: RunProgress,
    *,
    likelihood: Literal["normal", "nb"],
    max_epochs: int | None,
    model_kwargs: Mapping[str, Any],
    train_kwargs: Mapping[str, Any],
    seed: int,
) -> models.SENAVAE:
    models.SENAVAE.setup_anndata(adata, layer=COUNTS if likelihood == "nb" else None, **setup)
    if Key.varm.GENE_SETS not in adata.varm:
        model_kwargs = {"encoder": "mlp", **model_kwargs}
    model = models.SENAVAE(adata, likelihood=likelihood, seed=seed, **model_kwargs)
    epochs = model.preset_.max_epochs if max_epochs is None else max_epochs
    # An epoch's numbers are in the history of the model; files of a logger are for those who ask for one
    arguments: dict[str, Any] = {"enable_progress_bar": False, "callbacks": [progress.epochs(epochs)]}
    model.train(epochs, datasplitter_kwargs={"external_indexing": list(split.sets)}, **arguments | dict(train_kwargs))
    return model


def _compare(
    adata: AnnData,
    model: models.SENAVAE,
    split: Split,
    setup: Mapping[str, Any],
    tested: Sequence[str],
    labelling: Labelling,
    progress: RunProgress,
    *,
    n_cells: int,
    seed: int,
) -> Scores:
    """Scores of the model and of baselines on the same cells."""
    notes: list[str] = []
    baselines = _train_baselines(adata, split, setup, tested, labelling, notes)
    progress.next_stage()
    cells = np.union1d(split.test, np.union1d(split.start, split.reference))
    table = benchmark.compare_predictions(
        {NAME: model, **baselines},
        perturbation=tested,
        indices=cells,
        reference_cells=split.reference,
        metrics=METRICS,
        n_cells=n_cells,
        rng=seed,
    )
    return Scores(table, list(baselines), notes)


def _train_baselines(
    adata: AnnData,
    split: Split,
    setup: Mapping[str, Any],
    tested: Sequence[str],
    labelling: Labelling,
    notes: list[str],
) -> dict[str, ScreenModel]:
    """Baselines on the same cells, of those that can predict what is tested."""
    trained: dict[str, ScreenModel] = {}
    for name, class_name in BASELINES.items():
        cls = getattr(models, class_name)
        cls.setup_anndata(adata, **setup)
        baseline = cls(adata)
        baseline.train(datasplitter_kwargs={"external_indexing": list(split.sets)})
        missing = set(labelling.vocabulary(tested)) - set(baseline.trained_conditions_)
        if name == ADDITIVE and missing:
            few = ", ".join(sorted(missing)[:5])
            notes.append(f"The additive baseline does not apply, as single effects were not measured: {few}.")
        else:
            trained[name] = baseline
    return trained


def _predict(
    adata: AnnData,
    model: models.SENAVAE,
    wanted: Sequence[str],
    split: Split,
    setup: Mapping[str, Any],
    *,
    n_cells: int,
    seed: int,
) -> AnnData:
    """Predicted cells on the log scale, scored with the measured ones."""
    controls = np.union1d(split.start, split.reference)
    predicted = model.predict(
        perturbation=wanted, n_cells=min(n_cells, len(controls)), indices=controls, output="log", rng=seed
    )
    tl.score_prediction(
        predicted,
        adata,
        perturbation_key=setup["perturbation_key"],
        control=setup["control"],
        reference_cells=split.reference,
        train_cells=np.union1d(split.train, split.validation),
        delimiter=setup["delimiter"],
        metrics=METRICS,
        n_cells=n_cells,
        rng=seed,
    )
    return predicted


def _explain(
    adata: AnnData,
    model: models.SENAVAE,
    wanted: Sequence[str],
    design: Design,
    labelling: Labelling,
    progress: RunProgress,
    *,
    exclude_targets: bool,
    seed: int,
) -> AnnData:
    """The cells with activities, graph, targets, the tests of what each perturbation does, and why some are predicted."""
    has_sets = bool(model.gene_set_names_)
    counts = adata.obs[design.perturbation_key].value_counts()
    if Key.varm.GENE_SETS in adata.varm:
        tl.pathway_activity(adata, model if has_sets else None)
        tl.differential_activity(
            adata,
            perturbation_key=design.perturbation_key,
            control=labelling.control,
            groups=[str(label) for label in counts.index[counts >= 2] if label != labelling.control],
            delimiter=labelling.delimiter,
        )
    tl.causal_graph(adata, model, n_sets=10 if has_sets else 0)
    progress.next_stage("Test effects")
    notes = measure_effects(adata, design, labelling, exclude_targets=exclude_targets, rng=seed) + find_genes(
        adata, design, labelling
    )
    if wanted:
        tl.explain_prediction(
            adata,
            model,
            strongest(adata, wanted)[:_N_EXPLAINED],
            gene_sets_key=Key.varm.GENE_SETS if has_sets else None,
            min_size=1,
            n_null=_N_NULL,
            rng=seed,
        )
    adata.uns[_NOTES] = np.array(notes, dtype=object)
    return adata


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON can hold them."""
    return json.loads(json.dumps(dict(arguments), default=str))
