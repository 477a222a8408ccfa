"""Cross-references at the end of each page of the reference: functions of the same name in other rooms, those in the table below, and the
page of the user guide that mentions it most."""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOMS = ("tl", "de", "get", "pl", "metrics", "benchmark", "design")
GUIDE = Path(__file__).parents[1] / "user_guide"
# Overviews, which mention everything
OVERVIEWS = {"figures", "glossary", "index", "which_model"}
RANKINGS = ("get.de_df", "pl.volcano", "pl.rank_genes_gradients")
RELATED = {
    "de.limma": (*RANKINGS, "pl.ma", "pl.voom", "tl.enrichment"),
    "de.pseudobulk": ("de.limma", "de.sample_expression"),
    "de.rank_genes": (*RANKINGS, "tl.rank_genes_gradients"),
    "de.sample_expression": ("pl.paired_expression",),
    "de.thin": ("de.thin_counts",),
    "de.thin_counts": ("de.rank_genes", "tl.cluster"),
    "model.DGD": ("pl.latent_mixture",),
    "model.GeneProgramAE": ("tl.saliency", "tl.annotate_units", "tl.consensus_programs"),
    "model.NBVAE": ("model.from_scvi", "pl.library_size"),
    "model.PerturbationGP": ("tl.perturbation_features", "design.next_perturbations"),
    "model.SENAVAE": ("tl.causal_graph", "tl.pathway_activity"),
    "tl.annotate_units": ("get.unit_annotation", "tl.gene_set_impact"),
    "tl.causal_graph": ("pl.intervention_targets", "pl.factor_wordcloud"),
    "tl.consensus_programs": ("get.programs", "pl.program"),
    "tl.explain_prediction": ("get.explained_prediction", "pl.perturbation_report"),
    "tl.pathway_activity": ("tl.differential_activity",),
    "tl.predict_perturbation": ("get.predicted_change", "pl.dose_response"),
    "tl.predicted_hits": ("get.risk_coverage",),
    "tl.rank_genes_gradients": ("get.de_df", "pl.attribution_heatmap", "de.rank_genes"),
    "tl.saliency": ("tl.gene_set_impact", "pl.program", "get.programs"),
    "tl.score_prediction": ("pl.prediction", "benchmark.evaluate"),
}


def related(name: str) -> list[str]:
    """Names of what belongs to a function or class, in both directions of the table."""
    room, _, last = name.rpartition(".")
    same = [f"{other}.{last}" for other in ROOMS if other != room and last in import_module(f"scpi.{other}").__all__]
    back = [key for key, names in RELATED.items() if name in names]
    return list(dict.fromkeys([*same, *RELATED.get(name, ()), *back]))


@cache
def pages() -> dict[str, tuple[str, str]]:
    """Title and text of the pages of the guide, without overviews."""
    texts = {
        path.stem: path.read_text(encoding="utf-8") for path in sorted(GUIDE.glob("*.md")) if path.stem not in OVERVIEWS
    }
    return {name: (re.search(r"^# (.*)$", text, flags=re.MULTILINE)[1], text) for name, text in texts.items()}


def guide(name: str) -> list[str]:
    """Reference to the page that mentions a function or class most, if any does."""
    mention = re.compile(rf"\bscpi\.{re.escape(name)}\b")
    counts = {page: len(mention.findall(text)) for page, (_, text) in pages().items()}
    best = max(counts, key=lambda page: counts[page])
    return [f":doc:`{pages()[best][0]} </user_guide/{best}>`"] if counts[best] else []


def append(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Add the references to a docstring."""
    short = name.removeprefix("scpi.")
    if what not in {"function", "class"} or short.count(".") != 1:
        return
    if references := [*(f":py:obj:`scpi.{other}`" for other in related(short)), *guide(short)]:
        lines += ["", f".. seealso:: {', '.join(references)}", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add references after napoleon, which is at 500."""
    app.connect("autodoc-process-docstring", append, priority=600)
    return {"parallel_read_safe": True}
