"""``scpi de``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._options import AsJson, Cells, Debug, Force, Layer, Mod, Out, Quiet, Title
from scpi.cli._say import records

if TYPE_CHECKING:
    import pandas as pd

_LIMMA = "limma"
_OF_LIMMA = (
    "Counts of the cells of each sample were summed, and groups of samples were compared by limma-voom (Law et al., Genome Biol. 15:R29, "
    "2014; Ritchie et al., Nucleic Acids Res. 43, 2015)."
)
_OF_GROUPS = ("group", "n_samples", "n_reference", "n_donors", "df_residual", "n_genes")
_CELLS = (
    "Cells were counted as independent, which cells of one donor or culture are not: p-values are too small where the groups differ "
    "between samples. Name the samples by --sample-key."
)


def de(
    file: Cells,
    out: Out,
    groupby: Annotated[str, typer.Option(help="Column of obs with the group of each cell.", show_default=False)],
    reference: Annotated[
        str | None,
        typer.Option(help="Group to compare with.", show_default="the rest; needed with --sample-key"),
    ] = None,
    groups: Annotated[
        list[str] | None, typer.Option("--group", help="Group to test; may be repeated.", show_default="all")
    ] = None,
    sample_key: Annotated[
        str | None,
        typer.Option(
            help="Column of obs with the sample (donor, culture) of each cell.", show_default="cells are tested"
        ),
    ] = None,
    covariates: Annotated[
        list[str] | None,
        typer.Option("--covariate", help="Column of obs to adjust for; may be repeated.", show_default=False),
    ] = None,
    split_by: Annotated[
        str | None, typer.Option(help="Column of obs to test within, such as the cell type.", show_default=False)
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Test: limma, or one of `scpi.de.methods`.", show_default="limma of samples, wilcoxon of cells"
        ),
    ] = None,
    layer: Layer = None,
    mod: Mod = None,
    pval_cutoff: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Adjusted p-value at which a gene counts as changed.")
    ] = 0.05,
    title: Title = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find genes that differ between groups of cells or samples; write a table and a report.

    Example, between samples: scpi de cells.h5ad --groupby condition --reference ctrl --sample-key donor --split-by cell_type -o de

    Example, markers of clusters: scpi de cells.h5ad --groupby leiden --out markers
    """
    with clear_errors(debug=debug, quiet=quiet) as warned:
        from scpi import de as tests
        from scpi import get, pl
        from scpi.cli._results import results_folder, show_results, write_page, write_table
        from scpi.screen import read_screen

        method = method or (_LIMMA if sample_key else "wilcoxon")
        if sample_key is None and (split_by or method == _LIMMA):
            msg = f"{'--split-by' if split_by else '--method limma'} compares samples, and needs --sample-key."
            raise ValueError(msg)
        if sample_key and reference is None:
            msg = "Samples are compared with those of a group: name it by --reference."
            raise ValueError(msg)
        options: dict[str, Any] = {
            "groups": groups or "all",
            "sample_key": sample_key,
            "covariates": covariates or (),
            "split_by": split_by,
            "layer": layer,
            "mod": mod,
        }
        settings = {"file": str(file), "groupby": groupby, "reference": reference, "method": method} | options
        with results_folder(out, force=force) as folder:
            data = read_screen(file)
            if method == _LIMMA:
                tests.limma(data, groupby, reference=reference, key_added="de", **options)
            else:
                against: dict[str, Any] = {} if reference is None else {"reference": reference}
                tests.rank_genes(data, groupby, method=method, key_added="de", **against, **options)
            table = get.de_df(data, key="de", mod=mod)
            figure: Any = pl.volcano(data, key="de", mod=mod, pval_cutoff=pval_cutoff, show=False, return_fig=True)
            figure.savefig(folder / "volcano.png", dpi=200, bbox_inches="tight")
            write_table(table, folder / "de.csv")
            counts = tested_groups(data, mod).merge(changed_genes(table, pval_cutoff), on="group")
            page = _page(table, counts, figure, settings, pval_cutoff)
            page["tiles"] += [(f"{len(data.obs):,}", "cells")]
            page["notes"] += warned
            write_page(folder, title=title or file.stem, **page)
        files = {"table": "de.csv", "volcano": "volcano.png"}
        said = {"verdict": page["verdict"], "notes": page["notes"], "method": method, "groups": records(counts)}
        show_results(out, files, table=counts, quiet=quiet, as_json=as_json, **said)


def _page(
    table: pd.DataFrame, counts: pd.DataFrame, figure: Any, settings: dict[str, Any], pval_cutoff: float
) -> dict[str, Any]:
    """What the report shows."""
    from scpi._report._figures import encode_figures
    from scpi._report._render import as_frame, as_gene_table

    reference, sample_key, covariates = (settings[name] for name in ("reference", "sample_key", "covariates"))
    caption = (
        f"One dot per gene. Coloured genes have an adjusted p-value below {pval_cutoff:g} and change at least twofold. At most six groups "
        "are drawn."
    )
    return {
        "verdict": verdict(counts, reference, pval_cutoff),
        "questions": [
            (f"Which genes differ in {row.group}?", _sentence(row.up, row.down)) for row in counts.head(12).itertuples()
        ],
        "tiles": [(_span(counts["n_genes"]), "genes tested per group"), (f"{len(counts):,}", "groups tested")],
        "design": [
            ("Groups", f"of obs['{settings['groupby']}'], each against {reference or 'all other cells'}"),
            ("Observations", f"samples of obs['{sample_key}']" if sample_key else "cells"),
            *([("Adjusted for", ", ".join(covariates))] if covariates else []),
            *([("Within", f"each value of obs['{settings['split_by']}']")] if settings["split_by"] else []),
        ],
        "notes": [] if sample_key else [_CELLS],
        "figures": encode_figures([("P-values and fold changes", caption, lambda: figure)]),
        "genes": as_gene_table(
            table.sort_values(["pval_adj", "pval"], kind="stable"),
            caption="All groups and genes, by p-value. Fold changes are on the log2 scale.",
            file="de.csv",
        ),
        "tables": [("Observations, tested and changed genes of each group", as_frame(counts))],
        "methods": _methods(settings["method"], pval_cutoff),
        "settings": settings,
    }


def tested_groups(data: Any, mod: str | None) -> pd.DataFrame:
    """What each group was tested with: samples, donors and residual degrees of freedom, or cells; and the number of genes."""
    import numpy as np
    import pandas as pd

    from scpi._mudata import resolve_modality
    from scpi._slots import find_column

    adata = resolve_modality(data, mod)
    stored = adata.uns["de"]
    if stored["params"]["method"] == _LIMMA:
        table = stored["groups"]
        return table[[name for name in _OF_GROUPS if name in table]].astype({"group": str})
    names = list(stored["names"].dtype.names)
    cells = find_column(data, stored["params"]["groupby"], mod=mod).astype(str).value_counts()
    n_genes = [int(np.isfinite(stored["pvals"][name]).sum()) for name in names]
    return pd.DataFrame({"group": names, "n_cells": [int(cells.get(name, 0)) for name in names], "n_genes": n_genes})


def _span(numbers: pd.Series) -> str:
    """Smallest and largest of some numbers, or the one that all are."""
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def changed_genes(table: pd.DataFrame, pval_cutoff: float) -> pd.DataFrame:
    """Numbers of genes that rise and fall in each group."""
    is_changed = table["pval_adj"] <= pval_cutoff
    counted = table.assign(up=is_changed & (table["log2fc"] > 0), down=is_changed & (table["log2fc"] < 0))
    return (
        counted.groupby("group", sort=False, observed=True)[["up", "down"]].sum().reset_index().astype({"group": str})
    )


def verdict(counts: pd.DataFrame, reference: str | None, pval_cutoff: float) -> str:
    """The result in a sentence."""
    n = counts["up"] + counts["down"]
    most = counts["group"][n.idxmax()]
    against = reference or "the rest"
    if len(counts) == 1:
        return f"{n[0]:,} genes differ between {most} and {against}, at an adjusted p-value of {pval_cutoff:g}."
    return (
        f"Between {n.min():,} and {n.max():,} genes differ in each of {len(counts)} groups from {against}, most in {most}, at an adjusted "
        f"p-value of {pval_cutoff:g}."
    )


def _sentence(up: int, down: int) -> str:
    return f"{up:,} genes are higher and {down:,} lower." if up or down else "None was found."


def _methods(method: str, pval_cutoff: float) -> str:
    from scpi.cli._results import software
    from scpi.de import methods

    if method == _LIMMA:
        what = _OF_LIMMA
    else:
        known = methods().set_index("method").loc[method]
        unit = "samples" if known["unit"] == "sample" else "cells"
        what = f"Groups of {unit} were compared by the test '{method}' ({known['source']})."
    return (
        f"{what} P-values were adjusted over the genes of each group (Benjamini & Hochberg, 1995), and genes with an adjusted p-value of at most "
        f"{pval_cutoff:g} are called changed. Software: {software()}."
    )
