"""``scpi demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._options import (
    Accelerator,
    AcceleratorOption,
    AsJson,
    Debug,
    Force,
    Likelihood,
    LikelihoodOption,
    Out,
    Quiet,
    Resume,
    Seed,
    on_device,
)
from scpi.cli._run import run


def demo(
    out: Out,
    interaction: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0: effects are additive. 1: they interact fully.")
    ] = 0.5,
    effect_size: Annotated[float, typer.Option(min=0.0, help="Log2 fold change of the strongest effect.")] = 1.5,
    n_cells: Annotated[int, typer.Option(min=10, help="Number of cells per perturbation and pair.")] = 150,
    max_epochs: Annotated[int, typer.Option(min=1, help="Maximum number of training epochs.")] = 30,
    likelihood: LikelihoodOption = Likelihood.normal,
    seed: Seed = 0,
    accelerator: AcceleratorOption = Accelerator.auto,
    force: Force = False,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Plant a screen with known truth into real blood cells, and recover it. Needs no internet connection.

    Pairs of perturbations are held out, predicted by a SENAVAE and by simple baselines, and compared with the held-out
    cells.

    Example: scpi demo --out demo
    """
    with clear_errors(debug=debug, quiet=quiet):
        from scpi.datasets import plant_screen

        # Every change is relative to control cells: a large number of them reduces the noise at little cost
        adata = plant_screen(
            n_cells=n_cells, n_control=10 * n_cells, interaction=interaction, effect_size=effect_size, rng=seed
        )
        run(
            adata,
            out=out,
            overwrite=force,
            resume=resume,
            debug=debug,
            quiet=quiet,
            as_json=as_json,
            train_kwargs=on_device(accelerator),
            likelihood=likelihood.value,
            max_epochs=max_epochs,
            seed=seed,
            title="Recovery of a planted screen",
        )
