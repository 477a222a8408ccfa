"""Summary of the stored results, one line per task: the best method, its figure and a simple baseline.

The documentation inserts the table into ``docs/benchmarks.md``, and single lines into ``docs/user_guide/which_model.md``; this command
prints the table::

    python benchmarks/summary.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from report import RESULTS, show, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    Row: TypeAlias = Mapping[str, Any]

# Rows that bound what a prediction can reach, and no method
CEILINGS = {"split-half ceiling", "perfect prediction", "half of the cells"}


class Figures(NamedTuple):
    """The best method, its figure and the baseline with its own."""

    best: str
    figure: str
    baseline: str


@dataclass(frozen=True)
class Finding:
    """A task, its section, what was measured, and how to read the figures from the result."""

    task: str
    section: str
    measured: str
    result: str
    read: Callable[[Any], Figures]
    verdict: str

    def figures(self, results: Path = RESULTS) -> Figures:
        """Figures of the stored result."""
        return self.read(json.loads((results / f"{self.result}.json").read_text(encoding="utf-8")))


def between(mean: float, low: float, high: float) -> str:
    """A mean with its interval."""
    return f"{show(mean)} ({show(low)} to {show(high)})"


def around(mean: float, half: float) -> str:
    """A mean with half of the width of its interval."""
    return f"{show(mean)} ± {show(half)}"


def where(rows: Iterable[Row], **conditions: Any) -> Row:
    """The one row that has all of these values."""
    (row,) = [row for row in rows if all(row[key] == value for key, value in conditions.items())]
    return row


def of_models(rows: Iterable[Row], metric: str, baseline: str, *, least: bool = False) -> Figures:
    """Best model of a summary over conditions."""
    found = [
        row for row in rows if row["metric"] == metric and row["mean"] is not None and row["model"] not in CEILINGS
    ]
    best = (min if least else max)(found, key=lambda row: row["mean"])
    simple = where(found, model=baseline)
    figure = between(best["mean"], best["mean_low"], best["mean_high"])
    return Figures(best["model"], figure, f"{baseline} {show(simple['mean'])}")


def samples(result: Any) -> Figures:
    rows = [row for row in result["results"] if row["case"] == "simulated donors"]
    best, cells = where(rows, method="limma"), where(rows, method="wilcoxon")
    figure = between(best["rate"], best["low"], best["high"])
    return Figures("limma", figure, f"rank-sum test of cells {show(cells['rate'])}")


def speed(result: Any) -> Figures:
    run = where(result["runs"], n_cells=100_000, reference="rest")
    return Figures("scpi", show(run["scpi_wilcoxon_s"]), f"scanpy {show(run['scanpy_wilcoxon_s'])}")


def markers(data: str) -> Callable[[Any], Figures]:
    def read(result: Any) -> Figures:
        rows = [row for row in result["summary"] if row["data"] == data]
        best, simple = max(rows, key=lambda row: row["within_draws"]), where(rows, method="wilcoxon")
        figure = f"{around(best['within_draws'], best['within_half_interval'])} of {best['markers']}"
        return Figures(best["method"], figure, f"wilcoxon {show(simple['within_draws'])}")

    return read


def thinned(result: Any) -> Figures:
    rates = result["summary"]["negative binomial"]
    best = rates["thinned, estimated"]["wilcoxon, null"]
    same = rates["naive"]["wilcoxon, null"]["mean"]
    return Figures("thinned counts", between(best["mean"], best["low"], best["high"]), f"same counts {show(same)}")


def combinations_of_genes(result: Any) -> Figures:
    rows = [row for row in result["summary"] if (row["n_cells"], row["fold"]) == (2000, 4)]
    best = max(rows, key=lambda row: (row["recall"], row["auroc"]))
    simple = where(rows, ranking="wilcoxon")
    return Figures(best["ranking"], around(best["recall"], best["recall_half"]), f"wilcoxon {show(simple['recall'])}")


def acting_alike(result: Any) -> Figures:
    rows = {row["case"]: row for row in result["simulated"]}
    found = f"{show(rows['unrelated']['p0.05'])}, of alike effects {show(rows['alike']['p0.05'])}"
    return Figures("similarity", found, f"few controls {show(rows['unrelated, few controls']['p0.05'])}")


def clusters(result: Any) -> Figures:
    rows = [row for row in result if row["cells"] == "pbmc3k"]
    best, simple = max(rows, key=lambda row: row["ari"][0]), where(rows, method="k-means on PCs")
    return Figures(best["method"], around(*best["ari"]), f"{simple['method']} {show(simple['ari'][0])}")


def programs(result: Any) -> Figures:
    # Methods that are given sets do not compete
    rows = [row for row in result["means"] if "sets" not in row["method"]]
    best, simple = max(rows, key=lambda row: row["lms"]), where(rows, method="NMF")
    gain = where(result["comparisons"], measure="lms", rival="NMF")
    more = between(gain["difference"], gain["low"], gain["high"])
    return Figures(best["method"], f"{show(best['lms'])}, above NMF by {more}", f"NMF {show(simple['lms'])}")


def single_units(result: Any) -> Figures:
    row = where(result["paired"], kind="auroc", method="NMF")
    return Figures("GeneProgramAE", between(row["mean"], row["low"], row["high"]), "NMF 0")


def names(result: Any) -> Figures:
    raises, lowers = (where(result["verdicts"], names=f"{what} the set") for what in ("raises", "lowers"))
    of = [f"{row['right']} of {row['read']}" for row in (raises, lowers)]
    return Figures("raised sets", of[0], f"lowered sets {of[1]}")


def simulated_edges(result: Any) -> Figures:
    rows = [row for row in result if row["n_factors"] == 10]
    found, chance = (fmean(row[key] for row in rows) for key in ("edge_ap", "edge_ap_chance"))
    least = min(row["edge_ap"] for row in rows)
    return Figures("SENAVAE", f"{show(found)} (minimum {show(least)})", f"chance {show(chance)}")


def real_edges(result: Any) -> Figures:
    stable = [row["most_stable"] for row in result["papalexi"]]
    figure = f"{show(fmean(stable))} ({show(min(stable))} to {show(max(stable))})"
    return Figures("SENAVAE", figure, "random guess 0.5")


def pairs(result: Any) -> Figures:
    row = where(result["summary"], interaction=0.5)
    gain = row["SENAVAE minus Linear"]
    more = between(gain["mean"], gain["low"], gain["high"])
    of = row["pearson"]
    return Figures("SENAVAE", f"{show(of['SENAVAE'])}, above Linear by {more}", f"Linear {show(of['Linear'])}")


def numbers_of_cells(result: Any) -> Figures:
    of = {
        method: fmean(row["deviance"] for row in result if (row["division"], row["method"]) == ("OP3", method))
        for method in ("glm", "forest")
    }
    return Figures("CompositionModel", show(of["glm"]), f"forest {show(of['forest'])}")


def generated(result: Any) -> Figures:
    def spearman(cells: str) -> list[float]:
        return [row["spearman"] for row in result["rows"] if row["cells"] == cells]

    of = {cells: fmean(spearman(cells)) for cells in ("mean change", "NBVAE", "DGD")}
    best = max(of, key=lambda cells: of[cells])
    figure = f"{show(of[best])}; networks {show(of['NBVAE'])} and {show(of['DGD'])}"
    return Figures(best, figure, f"other half of the cells {show(fmean(spearman('the other half')))}")


def nothing_happens(result: Any) -> Figures:
    def rate(cells: str) -> float:
        return fmean(row["below .05"] for row in result["rows"] if row["cells"] == cells)

    return Figures("one draw of NBVAE", show(rate("draw")), f"expectations {show(rate('expectations'))}")


def likelihood(result: Any) -> Figures:
    rows = [row for row in result["rows"] if row["dataset"] == "kang_harmony"]
    best, simple = max(rows, key=lambda row: row["likelihood"]), where(rows, model="SCVI")
    return Figures(best["model"], f"{best['likelihood']:.3f}", f"SCVI {simple['likelihood']:.3f}")


def coverage(result: Any) -> Figures:
    rows = [
        row for row in result if row["model"] == "PerturbationGP" and row.get("coverage") and "," not in row["data"]
    ]
    of = [row["coverage"] for row in rows]
    simple = fmean(where(result, model="MeanDelta", data=row["data"])["coverage"] for row in rows)
    return Figures("PerturbationGP", f"{show(min(of))} to {show(max(of))}", f"MeanDelta {show(simple)}")


def next_perturbations(result: Any) -> Figures:
    best = min(result["rows"], key=lambda row: row["less_than_random"])
    figure = around(best["less_than_random"], best["standard_error"])
    return Figures(best["criterion"], f"{figure} (standard error)", "random choice 0")


def power(result: Any) -> Figures:
    off = max(abs(row["difference"]) for row in result)
    one = max(row["largest"] for row in result)
    return Figures("scpi.design.power", f"at most {show(off)} on average", f"a single pilot at most {show(one)}")


CONTEXTS = "correlation of the change"
FINDINGS = {
    "samples": Finding(
        "Genes that differ between conditions, with samples of donors",
        "false-positives",
        "false positives at p < 0.05 (nominal: 0.05)",
        "calibration",
        samples,
        "Test samples; tests of cells detect differences between donors.",
    ),
    "markers_blood": Finding(
        "Markers of blood cells",
        "gradient-markers",
        "markers among the first 20 genes",
        "gradient_markers",
        markers("pbmc3k_labelled"),
        "Use the default ranking; it needs no network.",
    ),
    "markers_lines": Finding(
        "Markers of cell lines",
        "gradient-markers",
        "markers among the first 20 genes",
        "gradient_markers",
        markers("mixology_sc_celseq2_5cl"),
        "Use a test; no ranking is best on all data.",
    ),
    "thinned": Finding(
        "Genes of clusters, tested after clustering",
        "false-positives",
        "false positives at p < 0.05 (nominal: 0.05)",
        "double_dipping",
        thinned,
        "Thin the counts, cluster one part, and test the other.",
    ),
    "xor": Finding(
        "Genes that matter only in combination",
        "xor-genes",
        "fraction of drivers found",
        "xor",
        combinations_of_genes,
        "Use attributions of a classifier; tests are at chance.",
    ),
    "clusters": Finding(
        "Clusters of blood cells",
        "clusters-real",
        "adjusted Rand index with the labels",
        "clusters_real",
        clusters,
        "No network is clearly better than a simple clustering.",
    ),
    "programs": Finding(
        "Planted gene programs",
        "known-programs",
        "correlation of programs with their units (LMS)",
        "gene_programs",
        programs,
        "Use GeneProgramAE; NMF is close in the genes of a program.",
    ),
    "units": Finding(
        "Units that follow labels of real cells",
        "unit-labels",
        "difference in the AUROC of the best unit",
        "unit_labels",
        single_units,
        "GeneProgramAE is slightly better than NMF.",
    ),
    "names": Finding(
        "Names of units",
        "unit-names",
        "correct names, judged by eye",
        "unit_names",
        names,
        "Look at the genes before you use a name.",
    ),
    "edges_simulated": Finding(
        "Causal graph, simulated screens",
        "simulated-screens",
        "average precision of edges",
        "simulated_scm",
        simulated_edges,
        "Edges are found if the assumptions hold.",
    ),
    "edges_real": Finding(
        "Causal graph, real screen",
        "graph-stability",
        "fraction of random halves with the most stable edge",
        "graph_stability",
        real_edges,
        "No edge is stable; interpret targets, not edges.",
    ),
    "alike": Finding(
        "Perturbations that act alike",
        "perturbation-similarities",
        "p < 0.05 of unrelated effects (0.05 is correct)",
        "perturbation_similarity",
        acting_alike,
        "The cosine of mean effects, corrected for noise and for shared controls.",
    ),
    "pairs_planted": Finding(
        "Unseen combinations, planted screens",
        "planted-screens",
        "correlation of the change",
        "planted_screen",
        pairs,
        "Use SENAVAE; the gain comes from shrinkage, not from its network.",
    ),
    "pairs_activation": Finding(
        "Unseen combinations, activation of genes",
        "doubles",
        "error ratio (no change: 1)",
        "predict_combinations",
        lambda result: of_models(
            where(result, data="norman2019", left_out="doubles")["summary"], "error_ratio", "additive", least=True
        ),
        "The plain sum is too large: shrink it.",
    ),
    "pairs_knockdown": Finding(
        "Unseen combinations, knock-down of genes",
        "doubles",
        "error ratio (no change: 1)",
        "predict_combinations",
        lambda result: of_models(
            where(result, data="wessels2023", left_out="doubles")["summary"], "error_ratio", "additive", least=True
        ),
        "Use linear regression on the measured doubles.",
    ),
    "cell_type": Finding(
        "Cell type without treated cells",
        "predicting-perturbations",
        CONTEXTS,
        "predict_contexts",
        lambda result: of_models(result["both"]["summary"], "pearson", "WeightedDelta"),
        "MultiTaskAE is slightly better.",
    ),
    "patient": Finding(
        "Patient without treated cells",
        "predicting-perturbations",
        CONTEXTS,
        "predict_contexts",
        lambda result: of_models(result["gbm"]["summary"], "pearson", "WeightedDelta"),
        "No model predicts patients well.",
    ),
    "dose": Finding(
        "Intermediate dose",
        "unmeasured-doses",
        "error ratio (no change: 1)",
        "predict_doses",
        lambda result: of_models(result["interpolated cells"]["summary"], "error_ratio", "interpolation", least=True),
        "For a weak response, shrinkage helps a little and interpolation hurts.",
    ),
    "gene_activation": Finding(
        "Gene never perturbed, activation",
        "never-measured",
        "correlation relative to the mean change",
        "unseen_perturbations",
        lambda result: of_models(
            where(result, data="norman2019", kind="single")["summary"], "pearson_perturbed", "mean"
        ),
        "Features of genes help a little.",
    ),
    "gene_knockdown": Finding(
        "Gene never perturbed, knock-down",
        "never-measured",
        "correlation relative to the mean change",
        "unseen_perturbations",
        lambda result: of_models(
            where(result, data="wessels2023", kind="single")["summary"], "pearson_perturbed", "mean"
        ),
        "Features of genes help.",
    ),
    "tables": Finding(
        "Compound in a cell type, from tables of test results",
        "tables-of-conditions",
        "mean row-wise RMSE",
        "op3_like",
        lambda result: of_models(result["divisions"]["OP3"]["summary"], "rmse", "context_mean", least=True),
        "Use ridge regression; the simulations are linear.",
    ),
    "cell_line": Finding(
        "Known compound in a new cell line",
        "cell-lines",
        "Pearson correlation",
        "l1000_lines",
        lambda result: of_models(result["summary"], "pearson", "half_perturbation_mean"),
        "Dose and time help a little.",
    ),
    "composition": Finding(
        "Numbers of cells per group",
        "numbers-of-cells",
        "deviance",
        "composition",
        numbers_of_cells,
        "The regression is better in every screen.",
    ),
    "generated": Finding(
        "Tests of generated cells",
        "generated-de",
        "rank correlation with the tests of measured cells",
        "generated_de",
        generated,
        "The mean change with the noise of counts is as good as the networks.",
    ),
    "null": Finding(
        "Generated cells of a compound without an effect",
        "null-compound",
        "false positives at p < 0.05 (nominal: 0.05)",
        "null_compound",
        nothing_happens,
        "Test draws, not expectations.",
    ),
    "likelihood": Finding(
        "Likelihood of held-out counts",
        "generative-likelihood",
        "log-likelihood per count",
        "generative_likelihood",
        likelihood,
        "Use NBVAE or DGD; LinearSCVI is as good on small data.",
    ),
    "intervals": Finding(
        "Intervals for the effects of unseen genes",
        "how-sure",
        "coverage of 90 % intervals",
        "intervals",
        coverage,
        "Coverage is correct on average and lower for strong changes.",
    ),
    "next": Finding(
        "What to measure next",
        "next-perturbations",
        "error minus that of random choice",
        "next_perturbations",
        next_perturbations,
        "Variance reduction saves measurements on average, not in every screen.",
    ),
    "power": Finding(
        "Power from a pilot",
        "power-pilot",
        "predicted minus realised fraction of genes",
        "power",
        power,
        "Predictions are close on average; a single pilot can be off.",
    ),
    "speed": Finding(
        "Rank-sum test of 100,000 cells against the rest",
        "de-speed",
        "seconds",
        "rank_genes_speed",
        speed,
        "scpi is as fast as illico, which it uses.",
    ),
}


def summary(results: Path = RESULTS) -> str:
    """Table of all findings; each task links to its section."""
    columns = ("task: what was measured", "best method", "simple baseline", "verdict")
    rows = []
    for of in FINDINGS.values():
        best, figure, baseline = of.figures(results)
        rows.append((f"{{ref}}`{of.task} <{of.section}>`: {of.measured}", f"{best}: {figure}", baseline, of.verdict))
    return table(columns, rows)


def finding(name: str, results: Path = RESULTS) -> str:
    """One finding as a phrase that links to its section."""
    of = FINDINGS[name]
    best, figure, baseline = of.figures(results)
    return f"{of.measured}: {best} {figure}, {baseline} ({{ref}}`table <{of.section}>`)"


if __name__ == "__main__":
    print(summary())
