"""The page of the user guide that shows what happens to each kind of input: `python -m tests.inputs.page` writes it."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from .functions import Call, data
from .kinds import LARGE, ODD, SAME

PAGE = Path(__file__).parents[2] / "docs" / "user_guide" / "inputs.md"
CALLS = {"de.rank_genes": "`scpi.de.rank_genes`", "de.pseudobulk": "`scpi.de.pseudobulk`", "MeanDelta": "a model"}
INTRODUCTION = """# Kinds of input

How does scpi treat data in an unusual format, or with unusual values? Each call has one of two outcomes: a result, in the first table the same
numbers as for CSR in memory, or an error with the text shown, and nothing is written.

Three calls represent the rest: `scpi.de.rank_genes` for functions that read log-normalised expression, `scpi.de.pseudobulk` for functions that
read counts from a layer, and {class}`scpi.model.MeanDelta` for the models. The other functions of `scpi.tl`, `scpi.de`, `scpi.benchmark` and
`scpi.screen` and the other models agree with them: a test runs all of them on all of these data. Metrics take arrays, lists and pandas tables;
metrics of cells also take sparse matrices. They are tested in the same way.

## Data that are not in memory

| | in a file (`backed`), lazy, or dask arrays |
|---|---|
| `scpi.de.pseudobulk`, `scpi.de.limma` with `sample_key`, `scpi.de.rank_genes` with "wilcoxon", "t-test", "t-test_overestim_var", "poisson", "edger" or "deseq2", `scpi.de.thin_counts` with `out`, `scpi.tl.pathway_activity`, `scpi.tl.saliency`, `scpi.tl.rank_genes_gradients`, `scpi.tl.score_prediction`, `scpi.benchmark.evaluate` and `noise_ceiling`, models | read some cells or genes at a time ({doc}`larger_than_memory`) |
| training of `scpi.model.SCButterfly`, and of `scpi.model.MultiTaskAE` by optimal transport | an error that says how to load the data |
| `scpi.screen.run_screen`, which keeps a copy, and the other functions, which read cells more than once | load the matrix that they read |

## Where counts are read

Functions that need counts read the layer named by `layer=`. Without a name they read `adata.X`. If `X` does not hold counts and
`adata.layers["counts"]` does, they read this layer, and record this in the log and in the stored result: in the registry of a model, or among
the parameters of a result. This rule applies to the models of counts, {func}`scpi.tl.cluster`, {func}`scpi.tl.rank_genes_gradients`,
{func}`scpi.de.thin_counts`, {func}`scpi.de.pseudobulk`, {func}`scpi.de.limma`, the tests of {func}`scpi.de.rank_genes` that take counts, and
{func}`scpi.design.power`. A model that was set up with counts in one of the two places accepts new cells with counts in the other.
{class}`scpi.model.SENAVAE` and {class}`scpi.model.MultiTaskAE` also have likelihoods that do not take counts, so their count likelihoods need the
name in `setup_anndata`.

Models that predict perturbations from log-normalised expression warn if `adata.X` holds whole numbers only, which look like raw counts, or raise
an error if they cannot use counts at all. Name the layer to use counts without the warning.

Every model raises an error for expression that is zero everywhere or the same in all cells, because there is nothing to learn. Models that
normalise counts to the depth also raise an error if cells differ in depth alone. Single cells and genes without counts are read.

This page is made from the tables of `tests/inputs` by `python -m tests.inputs.page`.
"""


def outcome(name: str, kind: str) -> str:
    """Whether a call gives a result for a kind of input, or the text of the error."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        adata = (SAME | ODD)[kind](data(), Path(folder))
        try:
            Call(name, adata)()
        except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            text = str(error.args[0] if error.args else error)
            return _cell(f"{type(error).__name__}: {text}")
        finally:
            if adata.isbacked:
                adata.file.close()
    # Warnings of the package name the line of the caller
    said = dict.fromkeys(str(one.message) for one in caught if Path(one.filename).parent == Path(__file__).parent)
    return _cell(" ".join(["the same" if kind in SAME else "a result", *(f"(warning: {text})" for text in said)]))


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "\\<")


def row(kind: str) -> str:
    return f"| {kind} | {' | '.join(outcome(name, kind) for name in CALLS)} |"


def rows() -> dict[str, list[str]]:
    """Kinds of input, by the titles of their tables."""
    tables = {"The same numbers, held in another way": SAME, "Unusual numbers, names and labels": ODD}
    # Kinds that need an optional package, or much time, are in the tests alone
    left_out = {"lazy", "dask", "dask of CSR"} | LARGE
    return {title: [kind for kind in kinds if kind not in left_out] for title, kinds in tables.items()}


def page() -> str:
    header = f"| kind | {' | '.join(CALLS.values())} |\n|---|{'---|' * len(CALLS)}"
    parts = [f"## {title}\n\n{header}\n" + "\n".join(map(row, kinds)) + "\n" for title, kinds in rows().items()]
    return "\n".join([INTRODUCTION, *parts])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
