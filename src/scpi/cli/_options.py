"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class Likelihood(StrEnum):
    """Likelihoods of a model."""

    normal = "normal"
    nb = "nb"


class Accelerator(StrEnum):
    """What networks are trained on."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"
    mps = "mps"


Cells = Annotated[Path, typer.Argument(help="Cells: .h5ad, .zarr, or .h5mu with --mod.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the files.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace the results of an earlier run in the folder.")]
Control = Annotated[
    list[str] | None,
    typer.Option(help="Label of the unperturbed cells; may be repeated.", show_default="control"),
]
GeneSets = Annotated[
    str | None,
    typer.Option(
        help="GMT file, or a collection of human gene sets: basic, hallmark, go_bp, reactome (`scpi.datasets.gene_sets`).",
        show_default="the gene sets of the cells, if any",
    ),
]
Layer = Annotated[str | None, typer.Option(help="Layer with counts or log-normalised values.", show_default="X")]
Mod = Annotated[
    str | None, typer.Option(help="Modality of an .h5mu file that contains the expression.", show_default=False)
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was not finished in the folder.")]
Seed = Annotated[int, typer.Option(help="Seed of the split, the weights and the training.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show full tracebacks and all warnings.")]
MaxEpochs = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of training epochs.", show_default="of the model")
]
LikelihoodOption = Annotated[Likelihood, typer.Option(help="'normal' on log-normalised expression, or 'nb' on counts.")]
AcceleratorOption = Annotated[
    Accelerator, typer.Option("--accelerator", help="Train on this device; 'auto' takes a GPU if there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only, and what --json asks for.")]
Title = Annotated[str | None, typer.Option(help="Title of the report.", show_default="name of the file")]


def on_device(accelerator: Accelerator) -> dict[str, Any]:
    """Arguments of a training for a device; none if it is to be chosen."""
    return {} if accelerator is Accelerator.auto else {"accelerator": accelerator.value}
