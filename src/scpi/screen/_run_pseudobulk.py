"""The analysis of a screen whose rows are profiles of conditions."""

from __future__ import annotations

import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd

from scpi import benchmark
from scpi import model as models
from scpi._keys import Key
from scpi._quiet import quiet_lightning
from scpi._rng import as_generator
from scpi._run_folder import RunFolder, output_folder
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi._screen._labels import Labelling
from scpi._sequence import as_list
from scpi._versions import versions
from scpi.screen._prepare_pseudobulk import describe_profiles, prepare_profiles
from scpi.screen._progress import RunProgress
from scpi.screen._pseudobulk_report import write_pseudobulk
from scpi.screen._pseudobulk_result import PseudobulkResult, Ranking
from scpi.screen._pseudobulk_tables import RANKED
from scpi.screen._run import BASELINES, plain

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from rich.console import Console

    from scpi._screen._labels import Control
    from scpi._screen._split import Split

_STAGES = ("Check the data", "Evaluate baselines", "Predict", "Write")
_LEFT_OUT = (
    "No network was trained: SENAVAE learns how cells are distributed, and there is one profile per condition. Its causal graph, factors and "
    "activities of gene sets are left out with it.",
    "Metrics that compare cells (energy distance, MMD, spread) or test genes in them (overlap of DE genes), weighted R², whose weights are t "
    "statistics of cells, and tests of the effects of perturbations on cells and genes are left out: means have no cells.",
)


def run_pseudobulk(
    data: AnnData | MuData,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    halves: tuple[str, str] | None = None,
    mod: str | None = None,
    held_out: Sequence[str] | str = "auto",
    n_splits: int = 5,
    predict: Sequence[str] | str = (),
    seed: int = 0,
    title: str = "Pseudobulk screen",
    console: Console | None = None,
) -> PseudobulkResult:
    """Predict the combinations of a screen whose rows are profiles of conditions (pseudobulk), and write a report.

    Combinations are held out fold by fold, predicted by the baselines from the other profiles, and compared by metrics of
    means, beside the ceiling that the noise of the profiles sets. For a screen of cells there is
    :func:`scpi.screen.run_screen`. The data that is given is not changed.

    Parameters
    ----------
    data
        Profiles: sums of counts, means of log-normalised values, or changes of these with
        :func:`scpi.screen.with_zero_control`. A condition may have several rows, its replicates.
    out
        Folder to write ``report.html``, ``profiles.h5ad``, ``predicted.h5ad`` and tables to; nothing is written if
        ``None``.
    overwrite
        Whether to replace the results of an earlier run in that folder. Other files stay.
    perturbation_key
        Column of ``obs`` with the label of each row: a perturbation, several joined by ``delimiter`` in any order, or the
        control.
    control
        Label or labels of the control.
    delimiter
        What separates the perturbations of a combination.
    context_key
        Column of ``obs`` with a second factor, such as a cell type: changes are against controls of the same context.
    dose_key
        Column of ``obs`` with the dose of each condition.
    layer
        Layer with the profiles; ``X`` if ``None``.
    halves
        Two layers with profiles of independent halves of the cells of each row, NaN where a row has none, for the noise
        ceiling.
    mod
        Modality of a MuData that holds the profiles.
    held_out
        Combinations to hold out, all at once. ``"auto"`` holds out all, a fold at a time.
    n_splits
        Number of folds; at most one per combination.
    predict
        Conditions to predict from all profiles, measured or not.
    seed
        Seed of the folds.
    title
        Title of the report.
    console
        Where progress is shown; nowhere if ``None``.

    Returns
    -------
    Results, as AnnData and tables.

    Raises
    ------
    KeyError
        If a column, layer or modality is not there.
    ValueError
        If the values are neither counts, logarithms nor changes, the control has no row, there is no combination to hold
        out, or conditions are unknown.
    OSError
        If ``out`` is a file, holds files that are not to be replaced, or cannot be written to.
    """
    arguments = {name: value for name, value in locals().items() if name not in {"data", "out", "overwrite", "console"}}
    target = None if out is None else output_folder(out, overwrite=overwrite, resume=False)
    folder = RunFolder(target, resume=False)
    started = time.perf_counter()
    labelling = Labelling.of(control, delimiter)
    notes: list[str] = []
    with quiet_lightning(), _without_advice_on_cells(), RunProgress(_STAGES, console=console) as progress:
        progress.next_stage()
        adata = prepare_profiles(
            data,
            perturbation_key=perturbation_key,
            context_key=context_key,
            dose_key=dose_key,
            labelling=labelling,
            layer=layer,
            halves=halves,
            mod=mod,
            notes=notes,
        )
        setup: dict[str, Any] = {
            "perturbation_key": perturbation_key,
            "control": labelling.control,
            "delimiter": delimiter,
            "context_key": context_key,
            "dose_key": dose_key,
        }
        wanted = [labelling.canonical(label) for label in as_list(predict)]
        _check_known(adata.obs[perturbation_key], wanted, labelling)
        understood = describe_profiles(adata, perturbation_key=perturbation_key, labelling=labelling, halves=halves)
        progress.say([f"{topic}: {sentence}" for topic, sentence in understood])
        splits = _splits(adata, setup, held_out, n_splits=n_splits, labelling=labelling, seed=seed, notes=notes)
        folder.begin(plain(arguments))

        progress.next_stage()
        names = _baselines(adata, splits, perturbation_key, labelling, notes)
        scores = benchmark.evaluate(
            adata,
            {name: getattr(models, BASELINES[name]) for name in names},
            splits,
            **setup,
            rows="conditions",
            halves=halves,
            seeds=seed,
            progress=False,
        )
        scores, summary, rankings = _ranked(scores, seed)
        progress.next_stage()
        result = PseudobulkResult(
            adata=adata,
            scores=scores,
            summary=summary,
            folds=benchmark.fold_table(scores),
            baseline=rankings[0].best,
            rankings=rankings,
            predicted=_predict(adata, names, wanted, setup) if wanted else None,
            held_out=sorted(scores[Key.obs.PERTURBATION].unique()),
            design=understood,
            notes=[*notes, *_LEFT_OUT],
            settings={**plain(arguments), "versions": versions()},
        )
        progress.next_stage()
        result.settings["seconds"] = round(time.perf_counter() - started, 1)
        if target is not None:
            write_pseudobulk(result, folder)
            result.out = target
    return result


@contextmanager
def _without_advice_on_cells() -> Iterator[None]:
    """Changes are negative, and the design says so: the advice to register log-normalised cells does not apply."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*holds negative values", category=UserWarning)
        yield


def _check_known(labels: pd.Series, wanted: Sequence[str], labelling: Labelling) -> None:
    known = set(labelling.vocabulary(labels.cat.categories))
    unknown = sorted(set(labelling.vocabulary(wanted)) - known)
    if unknown:
        msg = f"Unknown perturbation {unknown[0]!r} in `predict`; the screen has {sorted(known)[:12]}."
        raise ValueError(msg)


def _splits(
    adata: AnnData,
    setup: Mapping[str, Any],
    held_out: Sequence[str] | str,
    *,
    n_splits: int,
    labelling: Labelling,
    seed: int,
    notes: list[str],
) -> list[Split]:
    """Combinations that are held out together, in each fold: of those whose members were measured alone, if there are any."""
    labels = adata.obs[setup["perturbation_key"]]
    there = set(labels.astype(str))
    combined = [str(label) for label in labels.cat.categories if labelling.is_combination(label)]
    if not combined:
        msg = (
            "There is no combination among the conditions: where rows are conditions, a prediction needs one that is held out while its "
            "members are measured."
        )
        raise ValueError(msg)
    if n_splits < 1:
        msg = f"`n_splits` must be at least 1, but is {n_splits}."
        raise ValueError(msg)
    generator = as_generator(seed)
    additive = [label for label in combined if there.issuperset(labelling.members(label))]
    shuffled = generator.permutation(np.array(additive or combined, dtype=object))
    parts: list[Any] = np.array_split(shuffled, min(n_splits, len(shuffled)))
    if held_out != "auto":
        parts = [as_list(held_out)]
    elif 0 < len(additive) < len(combined):
        n = len(combined) - len(additive)
        notes.append(f"{n} combinations with a member that was not measured alone were not held out, but trained on.")
    columns = [] if setup["context_key"] is None else [adata.obs[setup["context_key"]].astype(str)]
    controls = adata.obs[(labels == labelling.control).to_numpy()].groupby(columns or labels.name, observed=True).size()
    # Of a single control profile nothing can be set aside
    share = 0.5 if controls.min() > 1 else 0.0
    given = {name: value for name, value in setup.items() if name != "dose_key"}
    return [
        replace(split, name=f"fold {number}")
        for number, part in enumerate(parts, start=1)
        for split in benchmark.splits.leave_combinations_out(
            adata, combinations=sorted(part), reference_fraction=share, rng=generator, **given
        )
    ]


def _baselines(adata: AnnData, splits: Sequence[Split], key: str, labelling: Labelling, notes: list[str]) -> list[str]:
    """Names of the baselines that can predict what is held out."""
    labels = adata.obs[key].astype(str).to_numpy()
    missing = {
        member
        for split in splits
        for label in set(labels[split.test])
        for member in labelling.members(label)
        if member not in labels[split.train]
    }
    if not missing:
        return list(BASELINES)
    few = ", ".join(sorted(missing)[:5])
    notes.append(f"The additive baseline does not apply, as single effects were not measured: {few}.")
    return [name for name in BASELINES if name != "additive"]


def _ranked(scores: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, list[Ranking]]:
    """Scores with the best baseline first, their summary, and the baselines in each metric."""
    if scores.loc[scores["model"] == CEILING, "pearson"].isna().all():
        scores = scores[~scores["model"].isin([CEILING, PERFECT])]
    # Baselines with the same scores are one
    pair_by = ["context", Key.obs.PERTURBATION, "dose"]
    own = scores[~scores["model"].isin([CEILING, PERFECT])]
    perfect = scores[scores["model"] == PERFECT]
    rankings = []
    for metric in RANKED:
        plainly = benchmark.summarise(own, metrics=metric, pair_by=pair_by, n_bootstrap=1).set_index("model")
        means = plainly["mean"].dropna()
        if means.empty:
            continue
        best = str(means.idxmax() if plainly["higher_is_better"].iloc[0] else means.idxmin())
        paired = benchmark.summarise(own, baseline=best, metrics=metric, pair_by=pair_by, rng=seed)
        others = paired[(paired["model"] != best) & paired["difference"].notna()]
        is_level = ~((others["low"] > 0) | (others["high"] < 0))
        rankings.append(
            Ranking(
                metric,
                best,
                float(means[best]),
                float(perfect[metric].mean()),
                others.loc[is_level, "model"].tolist(),
                others.loc[~is_level, "model"].tolist(),
            )
        )
    first = rankings[0].best.split(" = ")
    order = [*first, *(name for name in scores["model"].unique() if name not in first)]
    scores = scores.sort_values("model", key=lambda column: column.map(order.index), kind="stable", ignore_index=True)
    summary = benchmark.summarise(scores, baseline=first[0], pair_by=["split", *pair_by], rng=seed)
    return scores, summary, rankings


def _predict(adata: AnnData, names: Sequence[str], wanted: Sequence[str], setup: Mapping[str, Any]) -> AnnData:
    """Profiles of conditions by every baseline, trained on all rows."""
    parts = []
    given = {name: value for name, value in setup.items() if value is not None or name == "delimiter"}
    for name in names:
        cls = getattr(models, BASELINES[name])
        cls.setup_anndata(adata, **given)
        model = cls(adata)
        model.train(train_size=1.0)
        predicted = model.predict(perturbation=list(dict.fromkeys(wanted)), output="mean")
        predicted.obs.insert(0, "model", name)
        predicted.obs_names = [f"{name} {row}" for row in predicted.obs_names]
        predicted.uns.clear()
        parts.append(predicted)
    joined = ad.concat(parts, merge="same")
    joined.obs["model"] = pd.Categorical(joined.obs["model"], categories=list(names))
    joined.X = np.asarray(joined.X, dtype=np.float32)
    return joined
