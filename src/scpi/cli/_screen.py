"""``scpi screen``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._gene_sets import read_sets
from scpi.cli._options import (
    Accelerator,
    AcceleratorOption,
    AsJson,
    Cells,
    Control,
    Debug,
    Force,
    GeneSets,
    Layer,
    Likelihood,
    LikelihoodOption,
    MaxEpochs,
    Mod,
    Out,
    Quiet,
    Resume,
    Seed,
    Title,
    on_device,
)
from scpi.cli._run import run, run_pseudobulk

_MODEL = "Model"


class Preset(StrEnum):
    """Settings of SENAVAE that belong together."""

    scpi = "scpi"
    sena = "sena"
    zhang = "zhang"


class Encoder(StrEnum):
    """First parts of an encoder."""

    gene_sets = "gene_sets"
    mlp = "mlp"
    linear = "linear"


class Mechanism(StrEnum):
    """Structural causal models."""

    linear = "linear"
    relu = "relu"
    none = "none"


class Rows(StrEnum):
    """What the rows of a file are."""

    cells = "cells"
    conditions = "conditions"
    changes = "changes"


class Logger(StrEnum):
    """Loggers of Lightning that write files."""

    csv = "csv"
    tensorboard = "tensorboard"


def screen(
    file: Cells,
    out: Out,
    perturbation_key: Annotated[
        str, typer.Option(help="Column of obs with the labels: 'A', 'A+B', or the control.")
    ] = "perturbation",
    control: Control = None,
    delimiter: Annotated[
        str,
        typer.Option(help="String that separates the members of a combination; '' if there are no combinations."),
    ] = "+",
    unassigned: Annotated[
        list[str] | None,
        typer.Option(help="Label of cells whose perturbation is unknown; may be repeated.", show_default=False),
    ] = None,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs with the replicate or donor of each cell.", show_default=False)
    ] = None,
    batch_key: Annotated[
        str | None, typer.Option(help="Column of obs with the technical batch of each cell.", show_default=False)
    ] = None,
    guide_key: Annotated[
        str | None, typer.Option(help="Column of obs with the guide of each cell.", show_default=False)
    ] = None,
    context_key: Annotated[
        str | None,
        typer.Option(
            help="Column of obs with a second factor, such as the cell type or a stimulus.", show_default=False
        ),
    ] = None,
    dose_key: Annotated[
        str | None, typer.Option(help="Column of obs with the dose of each perturbed cell.", show_default=False)
    ] = None,
    size_factor_key: Annotated[
        str | None, typer.Option(help="Column of obs with the depth of each cell, for counts.", show_default=False)
    ] = None,
    gene_sets: GeneSets = None,
    layer: Layer = None,
    rows: Annotated[
        Rows,
        typer.Option(
            help="Rows are 'cells', profiles of 'conditions' (pseudobulk), or 'changes' of these against a control without a row."
        ),
    ] = Rows.cells,
    halves: Annotated[
        list[str] | None,
        typer.Option(
            help="Layers with profiles of two halves of the cells of each condition: give it twice.", show_default=False
        ),
    ] = None,
    mod: Mod = None,
    min_size: Annotated[int, typer.Option(min=1, help="Minimum number of measured genes per gene set.")] = 5,
    n_top_genes: Annotated[
        int, typer.Option(min=0, help="Maximum number of most variable genes to use; 0 for all.")
    ] = 5000,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Condition to hold out; may be repeated. By default, a fraction of the combinations."),
    ] = None,
    held_out_fraction: Annotated[
        float, typer.Option(help="Fraction of the combinations to hold out by default.")
    ] = 0.25,
    predict: Annotated[
        list[str] | None, typer.Option(help="Further condition to predict, measured or not; may be repeated.")
    ] = None,
    exclude_targets: Annotated[
        bool,
        typer.Option(
            "--exclude-targets/--no-exclude-targets",
            help="Genes that are perturbed themselves do not count as an effect.",
        ),
    ] = True,
    max_epochs: MaxEpochs = None,
    likelihood: LikelihoodOption = Likelihood.normal,
    preset: Annotated[Preset, typer.Option(help="Settings of the model.", rich_help_panel=_MODEL)] = Preset.scpi,
    n_factors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of causal factors.", show_default="chosen by cross-validation", rich_help_panel=_MODEL
        ),
    ] = None,
    encoder: Annotated[
        Encoder | None,
        typer.Option(help="First part of the encoder.", show_default="of the preset", rich_help_panel=_MODEL),
    ] = None,
    mechanism: Annotated[
        Mechanism, typer.Option(help="How causes act in the causal graph.", rich_help_panel=_MODEL)
    ] = Mechanism.linear,
    graph_penalty: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Weight of the L1 penalty on the edges.", show_default="of the preset", rich_help_panel=_MODEL
        ),
    ] = None,
    logger: Annotated[
        Logger | None,
        typer.Option(
            help="Log the training to files in a folder beside that of the report.",
            show_default="nowhere",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    title: Title = None,
    seed: Seed = 0,
    accelerator: AcceleratorOption = Accelerator.auto,
    force: Force = False,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train on a screen, compare predictions with baselines, explain them, and write a report.

    Example: scpi screen cells.h5ad --control non-targeting --gene-sets hallmark --out report
    """
    with clear_errors(debug=debug, quiet=quiet):
        from scpi.screen import read_screen

        sets = read_sets(gene_sets)
        data = read_screen(file)
        if rows is not Rows.cells:
            run_pseudobulk(
                data,
                changes=rows is Rows.changes,
                # Without a meaning where there are no cells, if they are not as they are by default
                needing_cells={
                    "--gene-sets": gene_sets,
                    "--sample-key": sample_key,
                    "--batch-key": batch_key,
                    "--guide-key": guide_key,
                    "--size-factor-key": size_factor_key,
                    "--unassigned": unassigned,
                    "--no-exclude-targets": not exclude_targets,
                    "--max-epochs": max_epochs,
                    "--likelihood": likelihood is Likelihood.nb,
                    "--preset": preset is not Preset.scpi,
                    "--n-factors": n_factors,
                    "--encoder": encoder,
                    "--mechanism": mechanism is not Mechanism.linear,
                    "--graph-penalty": graph_penalty,
                    "--logger": logger,
                    "--accelerator": accelerator is not Accelerator.auto,
                    "--resume": resume,
                },
                out=out,
                overwrite=force,
                debug=debug,
                quiet=quiet,
                as_json=as_json,
                perturbation_key=perturbation_key,
                control=control or "control",
                delimiter=delimiter or None,
                context_key=context_key,
                dose_key=dose_key,
                layer=layer,
                halves=None if halves is None else tuple(halves),
                mod=mod,
                held_out=held_out or "auto",
                predict=predict or (),
                title=title or file.stem,
                seed=seed,
            )
            return
        if halves:
            msg = "--halves names layers of profiles, and needs --rows conditions or --rows changes."
            raise ValueError(msg)
        settings = {
            "preset": preset.value,
            "n_factors": n_factors,
            "encoder": None if encoder is None else encoder.value,
            "mechanism": mechanism.value,
            "graph_penalty": graph_penalty,
        }
        run(
            data,
            sets,
            model_kwargs={name: value for name, value in settings.items() if value is not None},
            train_kwargs=on_device(accelerator) | ({} if logger is None else {"logger": _logger(logger, out)}),
            unassigned=unassigned or (),
            sample_key=sample_key,
            batch_key=batch_key,
            guide_key=guide_key,
            context_key=context_key,
            dose_key=dose_key,
            size_factor_key=size_factor_key,
            out=out,
            overwrite=force,
            resume=resume,
            debug=debug,
            quiet=quiet,
            as_json=as_json,
            perturbation_key=perturbation_key,
            control=control or "control",
            delimiter=delimiter or None,
            layer=layer,
            mod=mod,
            min_size=min_size,
            n_top_genes=n_top_genes or None,
            held_out=held_out or "auto",
            held_out_fraction=held_out_fraction,
            predict=predict or (),
            exclude_targets=exclude_targets,
            max_epochs=max_epochs,
            likelihood=likelihood.value,
            title=title or file.stem,
            seed=seed,
        )


def _logger(kind: Logger, out: Path) -> Any:
    """A logger that writes to a folder beside that of the report."""
    from lightning.pytorch import loggers

    cls = loggers.CSVLogger if kind is Logger.csv else loggers.TensorBoardLogger
    folder = out.expanduser().absolute()
    return cls(save_dir=str(folder.with_name(f"{folder.name}-logs")), name="")
