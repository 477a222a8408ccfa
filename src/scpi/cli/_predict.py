"""``scpi predict``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._options import (
    Accelerator,
    AcceleratorOption,
    AsJson,
    Cells,
    Control,
    Debug,
    Force,
    Layer,
    MaxEpochs,
    Mod,
    Out,
    Quiet,
    Seed,
    Title,
    on_device,
)
from scpi.cli._say import records

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

# What predicts unless another model is named, and what it is compared with: the model that the user guide starts with
_TO_CONTEXTS = ("WeightedDelta", ("NoChange", "MeanDelta", "RidgeDelta"))
_OF_COMBINATIONS = ("Linear", ("NoChange", "MeanDelta", "Additive"))
_NULL = "NoChange"
_KNOWN = "{} cells of what was asked for are measured: the model was trained on them, and that they agree is no test."
_METRICS = ("pearson", "rmse")
_PAIRS = ("split", "context", "perturbation", "dose")
_SHOWN = ["model", "metric", "n", "mean", "difference", "low", "high"]


def predict(
    file: Cells,
    out: Out,
    perturbation: Annotated[
        list[str],
        typer.Option(help="Perturbation, or combination 'A+B', to predict; may be repeated.", show_default=False),
    ],
    context: Annotated[
        str | None,
        typer.Option(
            help="Predict for control cells of this context, such as a cell type.", show_default="all control cells"
        ),
    ] = None,
    perturbation_key: Annotated[
        str, typer.Option(help="Column of obs with the labels: 'A', 'A+B', or the control.")
    ] = "perturbation",
    control: Control = None,
    delimiter: Annotated[
        str,
        typer.Option(help="String that separates the members of a combination; '' if there are no combinations."),
    ] = "+",
    context_key: Annotated[
        str | None, typer.Option(help="Column of obs with the contexts, such as cell types.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model that predicts, of `scpi.model`.",
            show_default="WeightedDelta to contexts, Linear of combinations",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Further model to compare with; may be repeated.", show_default="simple baselines only"),
    ] = None,
    n_cells: Annotated[
        int | None,
        typer.Option(min=1, help="Number of cells per perturbation.", show_default="control cells, at most 1,000"),
    ] = None,
    layer: Layer = None,
    mod: Mod = None,
    max_epochs: MaxEpochs = None,
    accelerator: AcceleratorOption = Accelerator.auto,
    seed: Seed = 0,
    title: Title = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Predict cells of a perturbation in a context, or of a combination, that was not measured.

    The same models predict contexts, or combinations, that were measured and are left out in turn: a table of scores beside baselines says
    how far to trust the prediction. The model is not chosen by these scores.

    Example: scpi predict cells.h5ad --perturbation stim --context "B cells" --context-key cell_type --control ctrl --out predicted
    """
    with clear_errors(debug=debug, quiet=quiet):
        if (context is None) != (context_key is None):
            msg = "--context is a value of the column --context-key: give both, or none to predict combinations."
            raise ValueError(msg)
        from scpi import get, tl
        from scpi._quiet import quiet_lightning
        from scpi.benchmark import ModelSpec, evaluate, splits, summarise
        from scpi.cli._results import results_folder, show_results, write_page, write_table
        from scpi.screen import read_screen

        first, others = _OF_COMBINATIONS if context is None else _TO_CONTEXTS
        chosen = model or first
        names = list(dict.fromkeys([chosen, *(compare or ()), first, *others]))
        keys: dict[str, Any] = {
            "perturbation_key": perturbation_key,
            "control": control or "control",
            "delimiter": delimiter or None,
            "context_key": context_key,
        }
        training: dict[str, Any] = {"max_epochs": max_epochs} | on_device(accelerator)
        with results_folder(out, force=force) as folder:
            classes = {name: model_class(name) for name in names}
            adata = log_normalised(read_screen(file), layer=layer, mod=mod)
            check_names(adata, perturbation, context, **keys)
            leave_out = splits.leave_combinations_out if context is None else splits.leave_context_out
            divided = leave_out(adata, rng=seed, **keys)
            quietly = training | {"enable_progress_bar": False}
            specs = {name: ModelSpec(model=cls, train=quietly) for name, cls in classes.items()}
            with quiet_lightning():
                scores = evaluate(adata, specs, divided, seeds=(seed,), progress=not quiet, **keys)
                classes[chosen].setup_anndata(
                    adata, **{name: key for name, key in keys.items() if key or name == "delimiter"}
                )
                trained = classes[chosen](adata)
                trained.train(seed=seed, enable_progress_bar=not quiet, **training)
                asked: dict[str, Any] = {"context": context, "n_cells": n_cells, "rng": seed}
                predicted = trained.predict(perturbation=perturbation, **asked)
                tl.predict_perturbation(adata, trained, perturbation=perturbation, **asked)
            pairs = [name for name in _PAIRS if scores[name].notna().any()]
            summary = summarise(scores, baseline=_NULL, metrics=[*_METRICS], pair_by=pairs, rng=seed)
            change = changes(get.predicted_change(adata))
            for name, table in {"scores": scores, "summary": summary, "change": change}.items():
                write_table(table, folder / f"{name}.csv")
            predicted.write_h5ad(folder / "predicted.h5ad", compression="gzip")
            trained.save(folder / "model")
            what = f"{', '.join(perturbation)}{'' if context is None else f' in {context}'}"
            settings = {
                "file": str(file),
                "perturbation": perturbation,
                "context": context,
                "model": chosen,
                "compare": compare,
            }
            settings |= keys | {"n_cells": n_cells, "layer": layer, "mod": mod, "max_epochs": max_epochs, "seed": seed}
            page = _page(scores, summary, change, settings, pairs)
            page["questions"] = [
                ("What was predicted?", f"{predicted.n_obs:,} cells of {what}, by {chosen}."),
                *page["questions"],
            ]
            page["methods"] = _methods(chosen, chosen == first, context is not None)
            write_page(folder, title=title or f"{file.stem}: {what}", settings=settings, **page)
        files = {"cells": "predicted.h5ad", "scores": "scores.csv", "change": "change.csv", "model": "model"}
        said = {"verdict": page["verdict"], "notes": page["notes"], "model_name": chosen, "summary": records(summary)}
        show_results(out, files, quiet=quiet, as_json=as_json, **said)


def _page(
    scores: pd.DataFrame, summary: pd.DataFrame, change: pd.DataFrame, settings: dict[str, Any], pairs: list[str]
) -> dict[str, Any]:
    """What the report shows."""
    from scpi._report._figures import comparison_figure, encode_figures
    from scpi._report._render import as_frame, as_gene_table
    from scpi._sequence import as_list
    from scpi._slots import listed

    n_left_out = len(scores[pairs].drop_duplicates())
    n_known = int(change.drop_duplicates("perturbation")["n_measured"].sum())
    to_contexts = settings["context"] is not None
    title, caption = (
        "The models where the answer is known",
        "Correlation of predicted and measured change of what was left out, one dot per condition. Bars are means. On grey what the noise of "
        "the measurement allows.",
    )
    return {
        "verdict": verdict(summary, settings["model"], n_left_out=n_left_out),
        "questions": [("Which genes change most?", ", ".join(change["gene"].drop_duplicates().head(10)))],
        "tiles": [(f"{scores['split'].nunique():,}", "parts left out"), (f"{n_left_out:,}", "conditions in them")],
        "design": [
            ("Labels", f"of obs['{settings['perturbation_key']}'], control {listed(as_list(settings['control']))}"),
            *([("Contexts", f"of obs['{settings['context_key']}']")] if to_contexts else []),
            (
                "Left out in turn",
                "each context with its perturbed cells" if to_contexts else "parts of the combinations",
            ),
        ],
        "notes": [_KNOWN.format(f"{n_known:,}")] if n_known else [],
        "figures": encode_figures([(title, caption, partial(comparison_figure, scores, by=pairs))]),
        "genes": as_gene_table(
            change,
            caption="Predicted change of the mean log-normalised expression against control cells, largest first.",
            file="change.csv",
        ),
        "tables": [("Scores of the models", as_frame(summary[_SHOWN]))],
    }


def model_class(name: str) -> Any:
    """A model that predicts perturbations, by its name in `scpi.model`."""
    import scpi.model
    from scpi.model.base import ScreenModel

    known = [
        one
        for one in dir(scpi.model)
        if isinstance(cls := getattr(scpi.model, one), type) and issubclass(cls, ScreenModel)
    ]
    if name not in known:
        msg = f"There is no model {name!r} that predicts perturbations; there are {', '.join(known)}."
        raise ValueError(msg)
    return getattr(scpi.model, name)


def check_names(
    adata: AnnData,
    perturbation: list[str],
    context: str | None,
    *,
    perturbation_key: str,
    control: str | list[str],
    delimiter: str | None,
    context_key: str | None,
) -> None:
    """Refuse columns and names that the cells do not have, before anything is trained."""
    from scpi._screen._labels import Labelling
    from scpi._slots import find_column, listed, read_labels

    find_column(adata, perturbation_key, argument="perturbation_key")
    labels, labelling = read_labels(adata, perturbation_key), Labelling.of(control, delimiter)
    read = labelling.read(labels)
    if labelling.control not in read.categories:
        msg = f"No cell of obs['{perturbation_key}'] is labelled {listed(labelling.control_names)} (`control`), only {listed(labels.categories, 12)}."
        raise ValueError(msg)
    known = labelling.vocabulary(read.categories)
    for asked in perturbation:
        unknown = [name for name in labelling.members(asked) if name not in known]
        if unknown or not labelling.members(asked):
            msg = (
                f"`perturbation` names {(unknown or [asked])[0]!r}, which is no perturbation of obs['{perturbation_key}']: there are "
                f"{listed(known, 12)}."
            )
            raise ValueError(msg)
    if context is None or context_key is None:
        return
    contexts = find_column(adata, context_key, argument="context_key").astype(str)
    controls = sorted(set(contexts[read == labelling.control]))
    if context not in controls:
        msg = f"`context` is {context!r}, which has no control cell in obs['{context_key}']: there are {listed(controls, 12)}."
        raise ValueError(msg)


def log_normalised(data: Any, *, layer: str | None, mod: str | None) -> AnnData:
    """Cells with log-normalised ``X``, and with their counts where these are known."""
    import numpy as np
    import scanpy as sc
    from scipy import sparse

    from scpi._keys import Key
    from scpi._mudata import resolve_modality
    from scpi._screen._checks import check_expression, is_counts
    from scpi._slots import find_layer, layer_name

    adata = resolve_modality(data, mod)
    expression = find_layer(adata, layer)
    check_expression(expression, what=layer_name(layer))
    adata.X = sparse.csr_matrix(expression, dtype=np.float32, copy=True)
    if is_counts(expression):
        adata.layers[Key.layers.COUNTS] = adata.X.copy()
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
    return adata


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """Predicted changes that are not zero, the largest first, with the measured ones where there are any."""
    columns = [
        "perturbation",
        "gene",
        *(["context"] if "context" in table else []),
        "predicted",
        "measured",
        "n_measured",
    ]
    moved = table.loc[table["predicted"] != 0, columns]
    return moved.sort_values("predicted", key=abs, ascending=False, ignore_index=True)


def verdict(summary: pd.DataFrame, chosen: str, *, n_left_out: int) -> str:
    """How good the predictions of the model were where the answer is known."""
    from scpi._model_names import find_model

    table = summary.set_index(["model", "metric"])
    names = list(summary["model"].unique())
    error = table.loc[(find_model(names, chosen), "rmse")]
    control = table.loc[(find_model(names, _NULL), "rmse"), "mean"]
    ratio = error["mean"] / control
    judged = (
        "better than no change"
        if error["high"] < 0
        else "worse than no change"
        if error["low"] > 0
        else "not clearly better than no change"
    )
    interval = f", 95 % interval {error['low']:.4f} to {error['high']:.4f}" if error["low"] <= error["high"] else ""
    conditions = "1 measured condition that was" if n_left_out == 1 else f"{n_left_out:,} measured conditions that were"
    return (
        f"On {conditions} left out, the error of {chosen} is {ratio:.2f} times that of no change: it is {judged} "
        f"(difference {error['difference']:.4f}{interval})."
    )


def _methods(chosen: str, is_first: bool, to_contexts: bool) -> str:
    from scpi.cli._results import software

    left_out = "each context with perturbed cells in turn" if to_contexts else "the combinations, in five parts"
    why = "the model that the user guide of scpi starts with" if is_first else "named by the user"
    return (
        f"Cells were predicted by scpi.model.{chosen}, {why}, trained on all cells. To judge it, it and others were trained without {left_out}, "
        "and predicted what was left out from control cells that no measured change refers to. Scores are of the change of the mean "
        "log-normalised expression; intervals are percentile intervals of 2,000 bootstrap samples of conditions, of paired differences "
        f"from predicting no change. Software: {software()}."
    )
