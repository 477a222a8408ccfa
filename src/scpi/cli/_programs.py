"""``scpi programs``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._gene_sets import read_sets
from scpi.cli._options import (
    Accelerator,
    AcceleratorOption,
    AsJson,
    Cells,
    Debug,
    Force,
    GeneSets,
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

_N_GENES = 50


def programs(
    file: Cells,
    out: Out,
    gene_sets: GeneSets = None,
    n_units: Annotated[
        int | None, typer.Option(min=1, help="Number of latent units.", show_default="of the model")
    ] = None,
    batch_key: Annotated[
        str | None, typer.Option(help="Column of obs with the technical batch of each cell.", show_default=False)
    ] = None,
    obs_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--label-key", help="Column of obs to compare the units with; may be repeated.", show_default=False
        ),
    ] = None,
    min_size: Annotated[int, typer.Option(min=1, help="Minimum number of measured genes per gene set.")] = 5,
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
    """Find gene programs that vary between cells, and name them by gene sets; needs counts.

    Example: scpi programs cells.h5ad --gene-sets hallmark --label-key cell_type --out programs
    """
    with clear_errors(debug=debug, quiet=quiet):
        from scpi import tl
        from scpi._keys import Key
        from scpi._mudata import resolve_modality
        from scpi._quiet import quiet_lightning
        from scpi._slots import find_column
        from scpi.cli._results import results_folder, show_results, write_page, write_table
        from scpi.model import GeneProgramAE
        from scpi.screen import read_screen

        sets = read_sets(gene_sets)
        with results_folder(out, force=force) as folder:
            adata = resolve_modality(read_screen(file), mod)
            if sets is not None:
                tl.gene_sets(adata, sets, min_size=min_size)
            if obs_keys and Key.varm.GENE_SETS not in adata.varm:
                msg = "--label-key compares the units that gene sets name, and needs --gene-sets."
                raise ValueError(msg)
            for column in obs_keys or ():
                find_column(adata, column, argument="obs_keys")
            GeneProgramAE.setup_anndata(adata, layer=layer, batch_key=batch_key)
            model = GeneProgramAE(adata, n_units=n_units, seed=seed)
            with quiet_lightning():
                model.train(max_epochs, enable_progress_bar=not quiet, **on_device(accelerator))
            adata.obsm["X_scpi"] = model.get_latent_representation()
            tl.saliency(adata, model, rng=seed)
            if Key.varm.GENE_SETS in adata.varm:
                tl.gene_set_impact(adata, min_size=min_size, rng=seed)
                tl.annotate_units(adata, obs_keys=obs_keys)
            genes, units = _tables(adata)
            write_table(genes, folder / "programs.csv")
            write_table(units, folder / "units.csv")
            model.save(folder / "model")
            adata.write_h5ad(folder / "cells.h5ad", compression="gzip")
            page = _page(adata, genes, units, model)
            settings = {
                "file": str(file),
                "gene_sets": gene_sets,
                "n_units": n_units,
                "batch_key": batch_key,
                "label_key": obs_keys,
                "layer": layer,
                "mod": mod,
                "max_epochs": max_epochs,
                "seed": seed,
            }
            write_page(folder, title=title or file.stem, settings=settings, **page)
        files = {"genes": "programs.csv", "units": "units.csv", "cells": "cells.h5ad", "model": "model"}
        said = {"verdict": page["verdict"], "notes": page["notes"], "programs": records(units)}
        show_results(out, files, quiet=quiet, as_json=as_json, **said)


def _page(adata: AnnData, genes: pd.DataFrame, units: pd.DataFrame, model: Any) -> dict[str, Any]:
    """What the report shows."""
    from scpi import pl
    from scpi._report._figures import encode_figures
    from scpi._report._render import as_frame, as_gene_table

    is_named = "set" in units
    title, caption = (
        "Genes of the programs",
        "Genes that each unit raises most, by its effect on the logarithm of expression.",
    )
    draw = partial(pl.program, adata, show=False, return_fig=True)
    return {
        "verdict": _verdict(units),
        "questions": [
            (row.name, ", ".join(genes["gene"][genes["unit"] == row.unit].head(8)))
            for row in units[["unit", "name"]].head(12).itertuples(index=False)
        ],
        "tiles": [(f"{adata.n_obs:,}", "cells"), (f"{adata.n_vars:,}", "genes"), (f"{len(units):,}", "units")],
        "design": [("Model", "a non-negative latent unit for each program, from counts")],
        "notes": []
        if is_named
        else ["There are no gene sets, so that units have no names: give a file or a collection by --gene-sets."],
        "figures": encode_figures([(title, f"{caption} At most eight units are drawn.", draw)]),
        "genes": as_gene_table(
            genes[["name", "gene", "unit", "rank", "score"]],
            caption=f"The first {_N_GENES} genes of each program, those that it raises before those that it lowers. The score is the mean effect of the "
            "unit on the gene.",
            file="programs.csv",
        ),
        "tables": [("Units", as_frame(units))],
        "methods": _methods(model, is_named=is_named),
    }


def _tables(adata: AnnData) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes of each unit, with the name of the unit, and the units; both tables have the column `unit`."""
    from scpi import get
    from scpi._keys import Key

    genes = get.programs(adata, top_n=_N_GENES)
    if Key.uns.UNIT_ANNOTATION in adata.uns:
        units = get.unit_annotation(adata)
    else:
        units = genes[["unit"]].drop_duplicates(ignore_index=True).assign(name=lambda table: table["unit"])
    names = dict(zip(units["unit"], units["name"], strict=True))
    genes.insert(1, "name", [names[unit] for unit in genes["unit"]])
    return genes, units


def _verdict(units: pd.DataFrame) -> str:
    if "set" not in units:
        return f"{len(units):,} gene programs were found."
    n = int((units["set"] != "").sum())
    return (
        f"{len(units):,} gene programs were found, and a gene set names {n:,} of them, at an adjusted p-value of 0.05."
    )


def _methods(model: Any, *, is_named: bool) -> str:
    from scpi.cli._results import software

    sentences = [
        f"An autoencoder of counts with {len(model.units_)} non-negative latent units and a decoder that is linear in the logarithm "
        f"(scpi.model.GeneProgramAE; after Kinalis et al., BMC Bioinformatics 20, 2019) was trained for {max(map(len, model.history.values()))} epochs.",
        "The effect of a unit on a gene is the mean derivative of the logarithm of its expected expression.",
    ]
    if is_named:
        sentences.append(
            "Gene sets were compared with random sets of genes of similar mean expression, and tested for over-representation among the genes "
            "that lead the unit. The larger p-value of the two was adjusted over sets and units (Benjamini & Hochberg, 1995). Each unit was named by the significant "
            "set of the largest z-score that it raises, or by one that it lowers if there is none or if that z-score is at least three times as large."
        )
    return " ".join([*sentences, f"Software: {software()}."])
