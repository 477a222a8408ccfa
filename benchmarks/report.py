"""Tables of the results in ``benchmarks/results``, as Markdown.

The documentation inserts them into the pages of ``docs/benchmarks`` when it is built; this command prints them::

    python benchmarks/report.py
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESULTS = Path(__file__).parent / "results"
METRICS = ("pearson", "pearson_top", "rmse", "r2", "sign_accuracy", "mmd", "energy_distance")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Markdown table; a column is right-aligned if all of its cells are numbers."""
    cells = [[show(value) for value in row] for row in rows]
    raw = [[is_number(text) for text in row] for row in cells]
    numeric = [all(row[i] for row in raw) for i in range(len(columns))]
    lines = [list(columns), ["--:" if right else "---" for right in numeric], *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(value: Any) -> str:
    """A value with three significant digits, or more if it is large."""
    if value is None or value != value:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    # No zero is negative
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value + 0.0:.3g}"


def is_number(text: str) -> bool:
    """Whether a formatted cell is a number, or missing."""
    return text == "–" or text.replace(",", "").replace("e-", "").replace("-", "").replace(".", "").isdigit()


def mean(rows: Iterable[Mapping[str, Any]], key: str) -> float | None:
    """Mean over the rows that have a value."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return fmean(values) if values else None


def fidelity(result: Any) -> str:
    presets = [name for name, value in result.items() if isinstance(value, dict) and name != "parts"]
    parts = table(("part", "difference"), list(result["parts"].items()))
    names = dict.fromkeys(name for preset in presets for name in result[preset])
    rows = [(name, *(result[preset].get(name) for preset in presets)) for name in names]
    of_presets = table(("quantity", *(f'preset "{preset}"' for preset in presets)), rows)
    return f"{parts}\n\n{of_presets}\n\nLargest difference **{show(result['largest'])}**."


def training_speed(result: Any) -> str:
    rows = [
        (i, *(run[key] for key in ("published_cells_per_s", "scpi_cells_per_s", "ratio", "ratio_with_setup")))
        for i, run in enumerate(result["runs"], start=1)
    ]
    columns = (
        "run",
        "published formulation, cells/s",
        "scpi, cells/s",
        "ratio",
        "ratio including the set-up, four epochs",
    )
    medians = [show(result[key]) for key in ("median_ratio", "median_ratio_with_setup")]
    return (
        f"{table(columns, rows)}\n\nMedian ratio **{medians[0]}**, including the set-up **{medians[1]}**; threads: "
        f"{result['threads']}."
    )


def memory(result: Any) -> str:
    sizes = sorted({int(key) for row in result["calls"] for key in row if key.isdigit()})
    columns = ("call", *(f"{n:,} cells, MB" for n in sizes), "slope")
    rows = [
        (row["call"], *(row.get(str(n), {}).get("above_mb") for n in sizes), row["slope"]) for row in result["calls"]
    ]
    return table(columns, rows)


def larger_than_memory(result: Any) -> str:
    columns = ("call", "file, GB", "where", "processor time, s", "per 1e8 values, s", "ratio to memory", "peak, MB")
    keys = ("cpu_seconds", "cpu_seconds_per_1e8_values", "ratio", "peak_mb")
    rows = [
        (row["call"], row["gb"], "memory" if row["in_memory"] else "disk", *(row[key] for key in keys))
        for row in result["statistics"]
    ]
    training = [
        ("memory" if run["memory"] else "disk", run["cells_per_cpu_second"], run["mb_before"], run["peak_mb"])
        for run in result["training"]
    ]
    losses = [(run["seed"], run["processes"], run["loss"]) for run in result["processes"]]
    return "\n\n".join(
        [
            table(columns, rows),
            table(("where", "cells per processor second", "before training, MB", "peak, MB"), training),
            table(("seed", "processes", "loss"), losses),
        ]
    )


def predicted_cells(result: Any) -> str:
    columns = {
        "de_jaccard": "Jaccard of significant genes",
        "de_pr_auc": "average precision",
        "genes": "significant genes",
        "genes_measured": "significant genes, measured cells",
        "zeros": "excess of zeros",
        "negative": "negative values",
        "variance_error": "error of log2 variances",
        "correlation_error": "error of correlations",
        "pearson": "correlation of the change",
        "r2_weighted": "weighted R²",
    }
    scores = table(
        ["data", "model", *columns.values()],
        (
            [data, model, *(show(row[key][0]) for key in columns)]
            for data, of in result["scores"].items()
            for model, row in of.items()
        ),
    )
    paired = table(
        ["metric", "model", "baseline", "model minus baseline", "95 % interval"],
        (
            [
                row["metric"],
                row["model"],
                row["baseline"],
                row["difference"],
                f"{show(row['low'])} to {show(row['high'])}",
            ]
            for row in result["paired"]
        ),
    )
    return f"{scores}\n\nPaired differences over the cell types of both data sets of blood cells:\n\n{paired}"


def predict_speed(result: Any) -> str:
    seconds = result["seconds"]
    columns = list(next(iter(seconds.values())))
    return table(["model", *columns], ([name, *row.values()] for name, row in seconds.items()))


def kill_anywhere(result: Any) -> str:
    def ends(row: Mapping[str, Any]) -> str:
        return ", ".join(f"{how} {n}" for how, n in row["ends"].items())

    rows = [(row["job"], row["way"], sum(row["ends"].values()), ends(row), len(row["problems"])) for row in result]
    return table(("job", "interrupted by", "times", "outcome", "files lost or damaged"), rows)


def grid_kills(result: Any) -> str:
    columns = ("tasks", "killed", "attempts", "finished", "finished twice", "lost or rewritten", "same table")
    killed = ", ".join(what for what, _ in result["kills"])
    keys = ("attempts", "finished", "finished_twice", "lost_or_written_again", "same_table")
    return table(columns, [(result["tasks"], killed, *(result[key] for key in keys))])


def tuning_kills(result: Any) -> str:
    columns = ("trials", "killed", "complete", "still running", "same trials", "same best")
    killed = ", ".join(what for what, _ in result["kills"])
    return table(
        columns,
        [(result["trials"], killed, *(result[key] for key in ("complete", "running", "same_trials", "same_best")))],
    )


def grid_workers(result: Any) -> str:
    columns = ("workers", "seconds", "speed-up", "same table")
    rows = result["runs"]
    return table(columns, [(row["workers"], row["seconds"], row["speed_up"], row["same_table"]) for row in rows])


def simulated_scm(result: Any) -> str:
    def group(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return row["mechanism"], row["n_factors"], row["n_genes"]

    found, doubles = [], []
    for setting, members in groupby(sorted(result, key=group), key=group):
        rows = list(members)
        n = len({row["seed"] for row in rows})
        of_graph = ("targets_recovered", "edge_ap", "edge_ap_chance", "shd_at_0.2", "shd_empty")
        found.append((*setting, n, *(mean(rows, key) for key in of_graph)))
        of_cells = ("mmd_model", "mmd_additive", "mmd_no_change", "mmd_floor")
        doubles.append((*setting, n, *(mean(rows, key) for key in of_cells)))
    setting_columns = ("mechanism", "factors", "genes", "seeds")
    return "\n\n".join(
        (
            table(
                (*setting_columns, "targets found", "edge AP", "AP by chance", "SHD at 0.2", "SHD of an empty graph"),
                found,
            ),
            "Unseen doubles, absolute value of the unbiased MMD² (the floor is that between halves of the real cells):",
            table((*setting_columns, "SENAVAE", "additive", "no change", "floor"), doubles),
        )
    )


def planted_screen(result: Any) -> str:
    models = list(result["summary"][0]["pearson"])
    scores = [
        (row["interaction"], row["n_seeds"], *(row["pearson"][name] for name in models)) for row in result["summary"]
    ]
    differences = [
        (row["interaction"], key, *(value[k] for k in ("mean", "low", "high")))
        + (f"{value['seeds_above']} of {row['n_seeds']}",)
        for row in result["summary"]
        for key, value in row.items()
        if " minus " in key
    ]
    first = [
        (interaction, *(mean([task["own_set_first"] for task in tasks], kind) for kind in ("learned", "plain_mean")))
        for interaction, tasks in by_interaction(result["tasks"]).items()
    ]
    return "\n\n".join(
        (
            "Pearson correlation of the change, mean over unseen doubles and seeds:",
            table(("interaction", "seeds", *models), scores),
            "Differences, paired over seeds, with a 95 % bootstrap interval:",
            table(("interaction", "models", "difference", "low", "high", "seeds above 0"), differences),
            "Fraction of single perturbations whose own program ranks first among the sets by differential activity:",
            table(("interaction", "learned activity", "unweighted mean"), first),
        )
    )


def genome_wide(result: Any) -> str:
    """Time and memory of the command on a genome-wide screen."""
    row = tuple(result[key] for key in ("seconds", "processor_seconds", "peak_gigabytes", "n_factors"))
    return table(("wall time, s", "processor time, s", "peak memory, GB", "factors chosen"), [row])


def likelihoods(result: Any) -> str:
    """Scores of both likelihoods and of the baselines, by interaction."""
    rows = []
    for interaction, tasks in by_interaction(result["tasks"]).items():
        for name in dict.fromkeys(task["model"] for task in tasks):
            own = [task for task in tasks if task["model"] == name]
            keys = ("predict", "evaluate", "evaluate without targets", "error_ratio", "energy_distance", "seconds")
            rows.append((interaction, name, len(own), *(mean(own, key) for key in keys)))
    columns = ("interaction", "model", "seeds", "Pearson, predict", "Pearson, evaluate", "evaluate without targets")
    return table((*columns, "error ratio", "energy distance", "training, s"), rows)


def by_interaction(tasks: Iterable[Mapping[str, Any]]) -> dict[float, list[Mapping[str, Any]]]:
    groups: dict[float, list[Mapping[str, Any]]] = {}
    for task in sorted(tasks, key=lambda task: task["interaction"]):
        groups.setdefault(task["interaction"], []).append(task)
    return groups


def papalexi(result: Any) -> str:
    return "\n\n".join(
        (
            "Rank of the interferon-gamma response among the sets, with Welch's t in brackets:",
            activities(result),
            "Held-out cells, mean over knock-outs and seeds:",
            scores_of(result["held_out_cells"]),
        )
    )


def activities(result: Any) -> str:
    """Rows of activity and cells, columns of knock-outs."""
    learned = result["learned"]
    sources = {"unweighted mean": result["plain_mean"]} | {
        f"learned, seed {seed}": [row for row in learned if row.get("seed") == seed]
        for seed in sorted({row.get("seed", 0) for row in learned})
    }
    groups = list(dict.fromkeys(row["group"] for row in result["plain_mean"]))
    rows = []
    for name, entries in sources.items():
        for cells in dict.fromkeys(entry["cells"] for entry in entries):
            by_group = {entry["group"]: entry for entry in entries if entry["cells"] == cells}
            rows.append((name, cells, *(activity_cell(by_group.get(group)) for group in groups)))
    return table(("activity", "cells", *groups), rows)


def activity_cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    if "rank" in entry:
        return f"{entry['rank']} ({entry['t']:.1f})"
    return f"{entry['significant_sets']} of {entry['n_sets']} sets significant"


def scifi(result: Any) -> str:
    settings = {key.replace("_", " "): value for key, value in result.items() if is_plain(value)}
    about = ", ".join(f"{name} {show(value)}" for name, value in settings.items())
    return f"Mean over held-out combinations and splits ({about}):\n\n{scores_of(result['scores'])}"


def scores_of(models: Mapping[str, Mapping[str, Any]]) -> str:
    """Metrics of models."""
    known = [name for name in METRICS if any(name in scores for scores in models.values())]
    columns = known or list(dict.fromkeys(key for scores in models.values() for key in scores))
    return table(
        ("model", *columns), [(name, *(scores.get(key) for key in columns)) for name, scores in models.items()]
    )


def generic(result: Any) -> str:
    """Tables of results of any shape: records, numbers by name, or these under titles."""
    if isinstance(result, list) and result and all(isinstance(row, dict) for row in result):
        columns = list(dict.fromkeys(key for row in result for key, value in row.items() if is_plain(value)))
        return table(columns, [[row.get(key) for key in columns] for row in result])
    if isinstance(result, dict):
        if result and all(isinstance(value, dict) and all(map(is_plain, value.values())) for value in result.values()):
            return scores_of(result)
        plain = {key: value for key, value in result.items() if is_plain(value)}
        parts = [table(("", ""), list(plain.items()))] if plain else []
        for key, value in result.items():
            if not is_plain(value):
                parts += [f"*{str(key).replace('_', ' ')}*", generic(value)]
        return "\n\n".join(parts)
    return show(result) if is_plain(result) else ", ".join(map(str, result))


def rank_genes_speed(result: Any) -> str:
    seconds = ("scpi_wilcoxon_s", "illico_s", "illico_as_scanpy_s", "scanpy_wilcoxon_s", "scanpy_wilcoxon_ties_s")
    rows = [
        (f"{run['n_cells']:,} x {run['n_genes']:,}", "rest" if run["reference"] == "rest" else "control")
        + tuple(run[key] for key in seconds)
        + (run["over_illico"], run["over_illico_as_scanpy"])
        for run in result["runs"]
    ]
    columns = ("cells x genes", "reference", "scpi", "illico", "illico, stored as by scanpy", "scanpy", "scanpy, ties")
    t_tests = [
        (f"{run['n_cells']:,} x {run['n_genes']:,}", "rest" if run["reference"] == "rest" else "control")
        + (run["scpi_t_test_s"], run["scanpy_t_test_s"], run["faster_than_scanpy_t_test"])
        for run in result["runs"]
    ]
    return "\n\n".join(
        (
            "Rank-sum test, seconds:",
            table((*columns, "scpi / illico", "scpi / illico, stored as by scanpy"), rows),
            "t-test, seconds:",
            table(("cells x genes", "reference", "scpi", "scanpy", "ratio"), t_tests),
        )
    )


def many_groups_speed(result: Any) -> str:
    keys = ("rounds", "scpi_s", "illico_s", "over_illico", "data_gb", "scpi_gb", "illico_gb")
    rows = [(name, *(row[key] for key in keys)) for name, row in result.items()]
    columns = (
        "rounds",
        "scpi, s",
        "illico, s",
        "scpi / illico",
        "data, GB",
        "scpi, GB above the data",
        "illico, GB above the data",
    )
    return table(("cells x genes, reference", *columns), rows)


def calibration(result: Any) -> str:
    rows = [
        (
            row["case"],
            row["data"],
            row["method"],
            row["n_repetitions"],
            row["rate"],
            f"{show(row['low'])} to {show(row['high'])}",
        )
        for row in sorted(result["results"], key=lambda row: (row["case"], row["data"]))
    ]
    return table(("case", "data", "test", "repetitions", "p < 0.05", "95 % interval"), rows)


def vcc2026(result: Any) -> str:
    names = {"hard": "planted, few counts and cells", "papalexi": "Papalexi et al. (2021)"}
    columns = (
        "screen",
        "cells",
        "genes",
        "perturbations",
        "largest difference",
        "cell-eval2, s",
        "scpi, s",
        "speed-up",
    )
    rows = [
        (names[name], row["cells"], row["genes"], row["perturbations"], max(row["largest_difference"].values()))
        + (row["seconds"]["cell_eval2"], row["seconds"]["scpi"], row["seconds"]["cell_eval2"] / row["seconds"]["scpi"])
        for name, row in result.items()
    ]
    return table(columns, rows)


def rates_by_way(result: Any) -> str:
    """Type I error, false discovery rate and power of several ways in several situations, with intervals over data sets."""
    names = ("type I", "FDR", "power")
    in_r = result.get("R", {})

    def cells(situation: str, way: str, found: Mapping[str, Any]) -> Iterable[str | None]:
        yield from (f"{show(found[n]['mean'])} ± {show(found[n]['half'])}" if n in found else None for n in names)
        if in_r:
            both = result["same"][situation][way], in_r[situation][way]
            yield "; ".join(" / ".join(f"{one[n]['mean']:.3f}" for n in names if n in one) for one in both)

    rows = [
        (situation, way, *cells(situation, way, found))
        for situation, ways in result["summary"].items()
        for way, found in ways.items()
    ]
    n = result.get("r_seeds")
    columns = ("situation", "test", *names, *([f"scpi; R, first {n} data sets"] if in_r else []))
    return f"{result['seeds']} data sets per situation.\n\n" + table(columns, rows)


def few_samples(result: Any) -> str:
    rows = [
        (row["df"], "above 20" if row["strong"] else "20 or less", row["n"])
        + tuple(row[key] for key in ("below 0.05", "below 0.001", "any", "false"))
        for row in result
    ]
    columns = ("residual df", "prior df", "data sets", "p < 0.05", "p < 0.001", "with a gene at 5 % FDR", "such genes")
    return table(columns, rows)


def limma_speed(result: Any) -> str:
    against_r = [
        ("robust" if run["robust"] else "plain", run["scpi_seconds"], run["r_seconds"], run["speedup"])
        + (run["largest_relative_difference_of_t"],)
        for run in result["against_r"]
    ]
    large = [
        (label, result[key]["n_contrasts"], result[key]["seconds"]["total"], result[key]["peak_gb"])
        for label, key in (("steps", "large_screen"), ("de.limma", "large_screen_through_anndata"))
    ]
    return "\n\n".join(
        (
            "3,000 genes x 105 samples:",
            table(("eBayes", "scpi, s", "R, s", "ratio", "largest relative difference of t"), against_r),
            "2,000 samples in 600 groups, 10,000 genes:",
            table(("call", "contrasts", "seconds", "peak memory, GB"), large),
        )
    )


def double_dipping(result: Any) -> str:
    tests = ("wilcoxon", "t-test", "logistic", "zinb")
    rows = []
    for world, kinds in result["summary"].items():
        for kind, values in kinds.items():
            if not isinstance(values, dict) or "t-test, null" not in values:
                continue
            rates = [values.get(f"{test}, null") for test in tests]
            cells = [
                f"{show(rate['mean'])} ({show(rate['low'])} to {show(rate['high'])})" if rate else "–" for rate in rates
            ]
            power = values.get("t-test, power")
            rows.append((world, kind, kinds["n_seeds"], *cells, power and power["mean"]))
    return table(("cells", "counts tested", "data sets", *tests, "power of the t-test"), rows)


def clusters_of_depth(result: Any) -> str:
    tests = ("wilcoxon, not thinned", "wilcoxon", "t-test", "default")

    def cell(found: Any) -> str | None:
        return found and f"{show(found['mean'])} ({show(found['low'])} to {show(found['high'])})"

    def second(row: Mapping[str, Any], test: str) -> str | None:
        return cell(row[test][1]) if len(row[test]) > 1 else None

    simulated = [row for row in result if "permutation" not in row]
    null, planted = ([row for row in simulated if (len(row["default"]) > 1) is known] for known in (False, True))
    first = [(row["cells"], row["n"], *(cell(row[test][0]) for test in tests), row["groups named"]) for row in null]
    power = [
        (row["cells"], row["n"], *(cell(row["default"][i]) for i in range(2)), second(row, "wilcoxon"))
        + (row["groups named"], row["batch named"])
        for row in planted
    ]
    cut = (*tests, "permutation", "default, permuted")
    real = [
        (row["cells"], row["n"], *(cell(row[name][0]) for name in cut), row["groups named"])
        for row in result
        if "permutation" in row
    ]
    return "\n\n".join(
        (
            table(("cells", "data sets", *tests, "groups named"), first),
            table(
                (
                    "cells",
                    "data sets",
                    "default, unchanged genes",
                    "power of the default",
                    "power of wilcoxon",
                    "groups named",
                    "batch named",
                ),
                power,
            ),
            table(("cells", "splits", *cut, "groups named"), real),
        )
    )


def replication(result: Any) -> str:
    tops = [key for key in result["results"][0] if key.startswith("top_") and not key.endswith("interval")]

    def cell(row: Mapping[str, Any], key: str) -> str:
        half = row.get(f"{key}_half_interval")
        return show(row[key]) + ("" if half is None else f" ± {show(half)}")

    rows = [(row["method"], *(cell(row, key) for key in tops)) for row in result["results"]]
    return table(("ranking", *(key.replace("_", " ") for key in tops)), rows)


def gradient_study(result: Any) -> str:
    depths = ("30", "100", "all", "mean")
    clusterings = [
        (row["labels"], row["tasks"], row["ari_median"], row["ari_q1"], row["ari_min"], row["seconds_3000_cells"])
        for row in result["clusterings"]
    ]
    columns = ("clusters", "tasks", "median", "lower quartile", "lowest", "seconds for 3,000 cells")
    parts = ["Agreement of the clusters with the groups (adjusted Rand index):", table(columns, clusterings)]
    titles = {
        ("all", "factor"): "All 2,500 genes, truth: factor of the group",
        ("all", "rest"): "All 2,500 genes, truth: group over the other groups",
        ("hvg", "factor"): "500 most variable genes, truth: factor of the group",
        ("hvg", "rest"): "500 most variable genes, truth: group over the other groups",
    }
    for (universe, truth), title in titles.items():
        rows = [row for row in result["accuracy"] if row["universe"] == universe and row["truth"] == truth]
        for labels in dict.fromkeys(row["labels"] for row in rows):
            found = sorted((row for row in rows if row["labels"] == labels), key=lambda row: -row["mean"])
            cells = [(row["method"], *(row[k] for k in depths), row["sets"], row["seconds"]) for row in found]
            parts += [
                f"{title}; labels: {labels}",
                table(("method", "first 30", "100", "all", "mean", "data sets", "seconds"), cells),
            ]
    compared = [
        (f"{row['universe']}, {row['truth']}", row["labels"], row["rival"], row["difference"])
        + (f"{row['sets_above']} of {row['sets']}", row["signed_rank_pval"])
        for row in result["comparisons"]
        if row["labels"] in ("networks", "true labels")
    ]
    columns = ("genes, truth", "labels", "other method", "difference", "data sets above 0", "signed-rank p")
    return "\n\n".join((*parts, "The decoder minus each other method, paired by data set:", table(columns, compared)))


def network_genes(result: Any) -> str:
    """Accuracies of rankings of the same labels, and their paired differences from those of the t-test."""
    columns = ("ranking", "first 30", "100", "all", "mean", "minus t-test", "95 % interval", "data sets above 0")
    titles = {"factor": "factor of the group", "rest": "group over the other groups"}
    parts = []
    for (network, truth), rows in groupby(result["rows"], key=lambda row: (row["network"], row["truth"])):
        found = sorted(rows, key=lambda row: -row["mean"])
        cells = [
            (row["method"], *(row[k] for k in ("30", "100", "all", "mean", "difference")))
            + (f"{show(row['low'])} to {show(row['high'])}", f"{row['sets_above']} of {row['sets']}")
            for row in found
        ]
        parts += [f"Labels: {network}; truth: {titles[truth]}", table(columns, cells)]
    return "\n\n".join(parts)


def gradient_study_published(result: Any) -> str:
    """Clusterings with the published settings, and the accuracy of the rankings of their clusters."""
    clusterings = [
        (row["labels"], row["tasks"], row["ari_median"], row["ari_q1"], row["ari_min"], row["seconds"])
        for row in result["clusterings"]
    ]
    columns = ("clusters", "data sets", "median", "lower quartile", "lowest", "seconds")
    compared = [
        (
            row["labels"],
            row["rival"],
            row["difference"],
            f"{row['sets_above']} of {row['sets']}",
            row["signed_rank_pval"],
        )
        for row in result["comparisons"]
        if (row["universe"], row["truth"]) == ("all", "factor") and "decoder" not in row["rival"]
    ]
    header = ("labels", "other method", "difference", "data sets above 0", "signed-rank p")
    return "\n\n".join(
        (
            "Agreement of the clusters with the groups (adjusted Rand index):",
            table(columns, clusterings),
            "The decoder minus each other method on these clusters, over all genes, by the factor of the group:",
            table(header, compared),
        )
    )


def gradient_markers(result: Any) -> str:
    methods = list(dict.fromkeys(row["method"] for row in result["summary"]))
    summary = [
        (row["data"], row["method"], f"{show(row['within'])} of {row['markers']}", interval(row, "within"))
        + (row["median_rank"], interval(row, "median_rank"), row["few_cells"])
        for row in result["summary"]
    ]
    ranks: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in result["ranks"]:
        ranks.setdefault((row["data"], row["group"], row["gene"]), {})[row["method"]] = row["rank"]
    rows = [(*key, *(found[method] for method in methods)) for key, found in ranks.items()]
    columns = ("data", "ranking", "among the first 20", "same, draws", "median rank", "same, draws", "few cells")
    return "\n\n".join((table(columns, summary), table(("data", "group", "marker", *methods), rows)))


def interval(row: Any, name: str) -> str:
    """Mean over draws, with its interval."""
    return f"{show(row[f'{name}_draws'])} ± {show(row[f'{name}_half_interval'])}"


def confounded_markers(result: Any) -> str:
    rows = [(row["way"], f"{show(row['accuracy'])} ± {show(row['half_interval'])}") for row in result["summary"]]
    regained = f"{result['data_sets']} data sets. The adjustment regains {100 * result['regained']:.0f} % of the lost accuracy."
    return "\n\n".join((table(("design", "accuracy"), rows), regained))


def with_error(interval: Sequence[float | None]) -> str:
    """Mean and half of the interval, where there is one."""
    mean, half = (None if value is None else round(value, 2) + 0.0 for value in interval)
    return f"{mean:.2f}" if half is None else f"{mean:.2f} ± {half:.2f}"


def clusters_of_network(result: Any) -> str:
    """Fractions of p-values below 0.05 between two clusters of one population."""
    rows = [
        (row["cells"], row["network"], row["batch given to"], row["n"])
        + (with_error(row["rejected"]), with_error(row["with the batch"]))
        for row in result
    ]
    columns = ("cells", "network", "batch given to", "data sets", "p < 0.05", "correlation with the batch")
    return table(columns, rows)


def clusters_real(result: Any) -> str:
    numbers = {"None": "", "found": ", number found", "known": ", number of labels"}
    rows = [
        (row["cells"], row["method"] + numbers[row["number"]], row["n_seeds"], row["labels"])
        + tuple(with_error(row[key]) if key in row else None for key in ("n", "ari", "ari of both"))
        for row in result
    ]
    columns = ("cells", "method", "seeds", "labels", "clusters", "adjusted Rand index")
    return table((*columns, "index of type and condition"), rows)


def clusters_batches(result: Any) -> str:
    rows = [
        (
            row["cells"],
            row["batch"],
            row["n"],
            *(with_error(row[key]) for key in ("group", "of batch", "group and batch")),
        )
        for row in result
    ]
    columns = ("cells", "batch", "seeds", "index with labels", "index with batches", "index of labels and batches")
    return table(columns, rows)


def gradient_calibration(result: Any) -> str:
    rows = [
        (row["network"], row["pvals"], row["data_sets"])
        + (f"{show(row['share_below_0.05'])} ± {show(row['half_interval'])}",)
        + (row["ks_rejects_at_0.05"], row["sets_with_discoveries"])
        for row in result["summary"]
    ]
    columns = (
        "network",
        "p-values",
        "data sets",
        "p < 0.05",
        "KS test rejects",
        "data sets with discoveries at FDR 5 %",
    )
    return table(columns, rows)


def gradient_speed(result: Any) -> str:
    rows = [(row["call"], row["seconds"], row["over_scanpy"]) for row in result["ranking"]]
    trained = [(row["network"], row["seconds"], row["ari"]) for row in result["training"]]
    size = f"{result['n_cells']:,} cells x {result['n_genes']:,} genes, {result['n_groups']} groups"
    return "\n\n".join(
        (
            f"Ranking, {size}, threads: {result['threads']}:",
            table(("call", "seconds", "ratio to scanpy's t-test"), rows),
            f"Training, 3,000 cells x 2,500 genes, threads: {result['training_threads']}:",
            table(("network", "seconds", "adjusted Rand index"), trained),
        )
    )


def is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def attribution_speed(result: Any) -> str:
    asked = {"all": "every output in every cell", "own": "output of the group"}
    keys = ("n_cells", "scpi_s", "scpi_without_projection_s", "captum_s", "faster", "largest_difference")
    rows = [
        (asked[run["question"]], run["method"].replace("_", " "), *(run[key] for key in keys)) for run in result["runs"]
    ]
    columns = ("question", "method", "cells", "scpi, s", "without projection, s", "captum, s", "ratio", "difference")
    threads = "one thread" if result["threads"] == 1 else f"{result['threads']} threads"
    return f"{table(columns, rows)}\n\n{result['n_genes']:,} genes, {result['n_groups']} outputs, {threads}."


def saliency_speed(result: Any) -> str:
    captum = [run for name, run in result.items() if name.startswith("captum_")]
    keys = ("n_cells", "scpi_s", "captum_s", "faster", "largest_difference")
    rows = [(run["method"].replace("_", " "), *(run[key] for key in keys)) for run in captum]
    parts = [table(("method, mean over cells", "cells", "scpi, s", "captum, s", "ratio", "difference"), rows)]
    hooks = result["hooks"]
    rows = [
        (run["what"], run["s"], hooks["loop_s"], run["faster"], run["faster_than_lean"], run.get("largest_difference"))
        for run in hooks["scpi"]
    ]
    columns = (
        "aggregate",
        "scpi, s",
        "loop with hooks, s",
        "ratio",
        "ratio to a lean loop",
        "difference from the loop",
    )
    parts.append(table(columns, rows))
    rows = [(run["what"], run["n_cells"], run["mib"]) for run in result["memory"]]
    parts.append(table(("memory above the counts", "cells", "MiB"), rows))
    return "\n\n".join(parts)


def xor(result: Any) -> str:
    rows = [
        (row["n_cells"], row["fold"], row["ranking"].replace("_", " "))
        + (f"{show(row['recall'])} ± {show(row['recall_half'])}", row["recall_min"], row["auroc"], row["seeds"])
        for row in result["summary"]
    ]
    columns = ("cells", "fold", "ranking", f"fraction of {result['n_drivers']} drivers", "minimum", "AUROC", "seeds")
    classified = [
        (row["n_cells"], row["fold"], row["classifier"], f"{show(row['accuracy'])} ± {show(row['accuracy_half'])}")
        for row in result["accuracy"]
    ]
    accuracy = table(("cells", "fold", "classifier", "accuracy"), classified)
    return "\n\n".join((table(columns, rows), "Accuracy in held-out cells:", accuracy))


def gene_programs(result: Any) -> str:
    keys = ("lms", "msgs", "lms_smi", "mig", "auroc", "loglik", "silent", "tasks")
    titles = ("LMS", "MSGS", "LMS of SMI", "MIG", "AUROC", "log-likelihood", "silent units", "tasks")
    by_times = sorted(result["by_times"], key=lambda row: (row["times"], -row["lms"]))
    rows = [(row["times"], row["method"], *(row[key] for key in keys)) for row in by_times]
    parts = [table(("units per program", "method", *titles), rows)]
    rows = [
        (row["measure"].upper(), row["rival"], row["difference"], f"{show(row['low'])} to {show(row['high'])}")
        + (f"{row['above']} of {row['tasks']}",)
        for row in result["comparisons"]
    ]
    columns = ("measure", "other method", "difference", "95 % interval", "tasks above 0")
    return "\n\n".join((*parts, "GeneProgramAE minus each other method:", table(columns, rows)))


def impact_calibration(result: Any) -> str:
    """Fractions of p-values and of recovered programs, by the score of the genes and the statistic of the set."""
    rows = [
        (row["method"].replace("_", " "), row["statistic"])
        + tuple(row[f"null.{key}"] for key in ("share", "ks_rejected", "discoveries"))
        + tuple(row[f"{kind}.{key}"] for kind in ("whole", "half wrong") for key in ("power", "first", "named"))
        for row in result["means"]
    ]
    columns = (
        "score of the genes",
        "statistic",
        "random sets: p < 0.05",
        "random: KS rejects",
        "random: significant of 8,000",
    )
    found = tuple(
        f"{kind}: {what}" for kind in ("complete sets", "half wrong") for what in ("significant", "first", "named")
    )
    return table((*columns, *found), rows)


def kang_programs(result: Any) -> str:
    """Ranks and p-values of the two interferon sets, over seeds, and without a model."""
    rows = [
        (row["dataset"], row["cells"], row["scope"], f"{row['first_two']} of {row['seeds']}")
        + tuple(f"{row[name]['median_rank']:g} ({row[name]['worst_rank']})" for name in ("alpha", "gamma"))
        + tuple(row[name]["largest_fdr"] for name in ("alpha", "gamma"))
        + (row["significant"],)
        + tuple(row[name]["worst_rank_by_z"] for name in ("alpha", "gamma"))
        for row in result["summary"]
    ]
    columns = ("data", "cells", "scope", "both first", "median rank of alpha (worst)", "median rank of gamma (worst)")
    more = (
        "largest FDR, alpha",
        "largest FDR, gamma",
        "sets with FDR < 0.01",
        "worst rank by z, alpha",
        "worst rank by z, gamma",
    )
    plain = []
    for row in result["without_model"]:
        of_set = {found["set"]: found for found in row["expected"]}
        found = [of_set[f"HALLMARK_INTERFERON_{name}_RESPONSE"] for name in ("ALPHA", "GAMMA")]
        ranks = tuple(one["rank"] for one in found)
        plain.append(
            (row["dataset"], row["cells"], row["scope"], *ranks, max(one["fdr"] for one in found), row["n_significant"])
        )
    header = ("data", "cells", "scope", "rank of alpha", "rank of gamma", "larger FDR", "sets with FDR < 0.01")
    parts = (table((*columns, *more), rows), "Differences of mean logarithms, without a model:", table(header, plain))
    return "\n\n".join(parts)


def unit_names(result: Any) -> str:
    """Counts of named units, verdicts by eye, and the names that were read."""
    keys = {
        "dataset": "data",
        "seeds": "seeds",
        "units": "units",
        "significant": "with a significant best set",
        "named_by_best": "fraction named by this set",
        "lowered": "named by a lowered set",
        "impact": "raise a set by the impact alone",
        "median_lead": "median margin",
    }
    counts = table(list(keys.values()), [[row[key] for key in keys] for row in result["counts"]])
    verdicts = table(list(result["verdicts"][0]), [list(row.values()) for row in result["verdicts"]])
    rows = [
        (
            row["dataset"],
            ("\N{MINUS SIGN} " if row["z"] < 0 else "") + row["set"].removeprefix("HALLMARK_"),
            row["q"],
            row["lead"],
            " ".join(row["genes"]),
            f"{row['follows']} ({row['auroc']:.2f})" if row["follows"] else "",
            f"{row['verdict'] or 'none yet'}{': ' if row['reason'] else ''}{row['reason']}",
        )
        for row in result["read"]
    ]
    read = table(("data", "name", "q", "margin", "first genes", "follows (AUROC)", "verdict"), rows)
    stale = len(result["stale_verdicts"])
    note = f"\n\n{stale} verdicts refer to names that no longer exist." if stale else ""
    return f"{counts}\n\nNames of the first seed, read by eye:\n\n{verdicts}{note}\n\n{read}"


def unit_name_rules(result: Any) -> str:
    """Right and wrong names on simulated cells by the number of leading genes."""
    keys = ("right", "wrong", "lowered", "missed", "no set")
    rows = [
        (row["seeds"], row["n_seeds"], row["n_leading"] or "impact alone", *(row[key] for key in keys))
        for row in result["summary"]
    ]
    columns = (
        "seeds",
        "data sets",
        "leading genes",
        "right",
        "wrong",
        "by a lowered set",
        "missed",
        "none fits",
    )
    return table(columns, rows)


def paul15_programs(result: Any) -> str:
    """Mutual information of units and labels, and the rank of haem metabolism."""
    scores = [f"{label}_{score}" for label in ("cell_type", "paul15_clusters") for score in ("lms", "msas", "msgs")]
    rows = [
        (row["method"], row["alive"], *(row[key] for key in scores))
        + (row["erythroid_smi"], row.get("rank"), row["seconds"])
        for row in result["means"]
    ]
    titles = tuple(f"{score}, {of}" for of in ("lineages", "clusters") for score in ("LMS", "MSAS", "MSGS"))
    contrasts = [
        (task["seed"], found["rank"], found["z"], found["fdr"])
        for task in result["tasks"]
        for found in (task["methods"]["GeneProgramAE"]["contrast"],)
    ]
    last = ("information about erythroid cells", "rank of haem metabolism", "seconds")
    parts = (
        table(("method", "live units", *titles, *last), rows),
        "Erythroid cells compared with the rest, units of GeneProgramAE:",
        table(("seed", "rank of haem metabolism", "z", "FDR of both tests"), contrasts),
    )
    return "\n\n".join(parts)


def program_stability(result: Any) -> str:
    """Fractions of units that are found again in other runs."""
    keys = ("units", "cosine_within_run", "share_0.5", "programs_0.5", "share_0.8", "programs_0.8")
    rows = [(row["form"], row["method"], row["runs"], *(row[key] for key in keys)) for row in result["summary"]]
    columns = ("cells", "method", "runs", "units", "cosine to the nearest unit of the run", "recurring, cosine 0.5")
    return table((*columns, "programs, cosine 0.5", "recurring, cosine 0.8", "programs, cosine 0.8"), rows)


def confounded_batches(result: Any) -> str:
    """Accuracy with balanced and confounded batches, by simulator and method."""
    measures = ("program", "all programs", "genes of the program", "genes", "batch")
    rows = [
        (row["simulator"], row["batches"], row["method"])
        + tuple(plus_minus(row[measure]) for measure in measures)
        + (row["program"]["n"],)
        for row in result
    ]
    columns = ("simulator", "batches", "method", "the program", "all programs", "genes of the program", "all genes")
    return table((*columns, "a unit and the batch", "seeds"), rows)


def plus_minus(found: Mapping[str, Any]) -> str:
    """A mean with half of its 95 % interval."""
    return f"{found['mean']:.3f}" + ("" if found["half"] is None else f" ± {found['half']:.3f}")


def unit_labels(result: Any) -> str:
    """Best units of labels and nearest neighbours, by data, and differences from GeneProgramAE."""
    rows = [
        (row["data"], "best unit" if row["kind"] == "auroc" else "neighbours", row["question"], row["method"])
        + (row["mean"], row["std"], row["size"])
        for row in result["means"]
    ]
    columns = ("data", "measure", "labels", "method", "mean", "standard deviation over seeds", "seeds")
    paired = [
        (
            "best unit" if row["kind"] == "auroc" else "neighbours",
            row["method"],
            with_interval(row, "mean", "low", "high"),
        )
        + (f"{row['ahead']} of {row['n']}",)
        for row in result["paired"]
    ]
    title = f"GeneProgramAE minus the other method, paired over data and seeds ({result['n_units']} units each):"
    header = ("measure", "method", "difference", "GeneProgramAE is ahead")
    return f"{table(columns, rows)}\n\n{title}\n\n{table(header, paired)}"


def unit_numbers(result: Any) -> str:
    """Likelihood of held-out counts, similarity of units and what they say of labels, by the number of units."""
    columns = (
        "cells",
        "units",
        "seeds",
        "log-likelihood per held-out count",
        "similarity of units",
        "best unit (AUROC)",
    )
    keys = ("data", "n_units", "n", "likelihood", "similarity", "auroc", "accuracy")
    return table((*columns, "neighbours"), [tuple(row[key] for key in keys) for row in result["means"]])


def with_interval(
    row: Mapping[str, Any] | None, key: str = "mean", low: str = "mean_low", high: str = "mean_high"
) -> str:
    if row is None or row.get(key) is None:
        return "–"
    # A single held-out context has no interval
    return (
        show(row[key])
        if row.get("n") == 1 or row[low] is None
        else f"{show(row[key])} ({show(row[low])} to {show(row[high])})"
    )


def of_models(result: Any, metrics: Mapping[str, str], *, reference: str) -> str:
    """Means of models with intervals, ordered by mean rank, and the difference from a baseline."""
    found = {(row["model"], row["metric"]): row for row in result["summary"]}
    rank, among = result["rank"], result["rank_of_networks"]
    names = [*sorted(rank, key=rank.__getitem__), *(name for name in result["models"] if name not in rank)]
    first = next(iter(metrics))
    rows = []
    for name in names:
        cells = [with_interval(found.get((name, metric))) for metric in list(metrics)[:2]]
        difference = with_interval(found.get((name, first)), "difference", "low", "high")
        others = [(found.get((name, metric)) or {}).get("mean") for metric in list(metrics)[2:]]
        own = result["models"][name]
        rows.append((name, rank.get(name), among.get(name), *cells, difference, *others, len(own["seeds"])))
    columns = (
        "model",
        "mean rank",
        "rank among networks",
        *list(metrics.values())[:2],
        f"{metrics[first]} minus {reference}",
    )
    return table((*columns, *list(metrics.values())[2:], "seeds"), rows)


PREDICTED = {
    "pearson": "Pearson",
    "error_ratio": "error ratio",
    "pearson_perturbed": "Pearson relative to the mean of treated cells",
    "energy_distance": "energy distance",
    "de_lfc_error": "fold-change error",
    "de_pr_auc": "PR-AUC",
    "variance_error": "variance error",
    "correlation_error": "correlation error",
}


def predict_contexts(result: Any) -> str:
    titles = {
        "kang_harmony": "Interferon in blood cells, 2,000 genes (kang_harmony), five cell types",
        "kang_muscat": "Interferon in blood cells, 1,267 genes (kang_muscat), five cell types",
        "both": "Both, ten cell types",
        "gbm": "Panobinostat in glioblastoma, 300 genes, five patients",
    }
    parts = [f"{title}:\n\n{predicted(result, name)}" for name, title in titles.items() if name in result]
    return "\n\n".join(parts)


def predicted(result: Any, name: str) -> str:
    return of_models(result[name], PREDICTED, reference="WeightedDelta")


def multitask_settings(result: Any) -> str:
    """Settings by their predictions of cell types that are held out in addition to the one to predict."""
    names = list(next(iter(result.values()))["inner"])
    columns = [f"{name}, {what}" for name in result for what in ("Pearson", "error ratio")]
    rows = [
        (name, *(of["inner"][name][key] for of in result.values() for key in ("pearson", "error_ratio")))
        for name in names
    ]
    rows.append(
        (
            "error of the default minus that of the chosen setting, maximum of five",
            *(cell for of in result.values() for cell in ("", max(of["default_minus_chosen"].values()))),
        )
    )
    return table(("setting, weight of fold changes", *columns), rows)


def predict_doses(result: Any) -> str:
    metrics = {key: PREDICTED[key] for key in ("pearson", "error_ratio", "energy_distance", "variance_error")}
    titles = {
        "interpolated cells": "Five intermediate doses, predicted cells",
        "extrapolated cells": "The largest dose, predicted cells",
        "interpolated means": "Five intermediate doses, predicted means",
        "extrapolated means": "The largest dose, predicted means",
    }
    return "\n\n".join(
        f"{title}:\n\n{of_models(result[name], metrics, reference='LinearDose')}" for name, title in titles.items()
    )


def dose_noise(result: Any) -> str:
    ways = ("straight line", "mean of all doses", "proportional", "kriging")
    rows = []
    for screen, dose in dict.fromkeys((row["screen"], row["dose"]) for row in result):
        own = [row for row in result if (row["screen"], row["dose"]) == (screen, dose)]
        rows.append((screen, f"{dose:g}", *(mean(own, way) for way in ways)))
    return table(("simulated screen", "held-out dose", *ways), rows)


def predict_combinations(result: Any) -> str:
    parts = []
    left_out = {"doubles": "doubles held out at random", "genes": "one gene in no training double"}
    for of in result:
        found = {(row["model"], row["metric"]): row for row in of["summary"]}
        rows = [
            (name, with_interval(found[name, "pearson"]), with_interval(found[name, "error_ratio"]))
            + (found[name, "pearson_perturbed"]["mean"],)
            + (with_interval(found[name, "error_ratio"], "difference", "low", "high"),)
            for name in dict.fromkeys(row["model"] for row in of["summary"])
        ]
        columns = (
            "prediction",
            "Pearson",
            "error ratio",
            "Pearson relative to the mean double",
            "error ratio minus additive",
        )
        parts.append(f"{of['data']}, {left_out[of['left_out']]}, {of['doubles']} doubles:\n\n{table(columns, rows)}")
    return "\n\n".join(parts)


def unseen_perturbations(result: Any) -> str:
    parts = []
    for of in result:
        # Models that made the same predictions are one, under all of their names
        found = {(name, row["metric"]): row for row in of["summary"] for name in row["model"].split(" = ")}
        rows = [
            (name, with_interval(found[name, "pearson_perturbed"]), of["ratio"][name])
            + (found[name, "squared_error"]["mean"], found[name, "discrimination"]["mean"])
            + (with_interval(found[name, "pearson_perturbed"], "difference", "low", "high"),)
            for name in of["ratio"]
        ]
        what = (
            f"{of['n']} single perturbations"
            if of["kind"] == "single"
            else f"{of['n']} pairs, new members: {of['n_new']}"
        )
        compared = "first try" if of["kind"] == "single" else "sum"
        columns = (
            "model",
            "Pearson relative to the mean",
            "squared error / that of the mean, summed",
            "same, per condition",
            "discrimination",
            f"Pearson minus {compared}",
        )
        parts.append(f"{of['data']}, {what}:\n\n{table(columns, rows)}")
    return "\n\n".join(parts)


def intervals(result: Any) -> str:
    means = [of for of in result if of.get("coverage")]
    width = {of["data"]: of["width"] for of in means if of["model"] == "MeanDelta"}
    columns = (
        "data",
        "model",
        "n",
        "coverage",
        "strong half",
        "predicted strong half",
        "width / that of the mean",
        "confidence",
        "cost",
    )
    rows = [
        (of["data"], of["model"], of["n"], of["coverage"], of["strong"], of["predicted_strong"])
        + (
            of["width"] / width[of["data"]],
            with_interval(of, "confidence", "confidence_low", "confidence_high"),
            of["cost"],
        )
        for of in means
    ]
    parts = ["Intervals of 0.9:", table(columns, rows)]
    columns = (
        "data",
        "model",
        "condition",
        "hits",
        "false, mean over conditions",
        "false, of all hits",
        "recall",
        "replicate: false",
        "replicate: recall",
    )
    rows = [
        (of["data"], of["model"], of.get("label", "all"))
        + tuple(of.get(key) for key in ("hits", "fdr", "fdr_of_all", "recall", "replicate_fdr", "replicate_recall"))
        for of in result
        if of["hits"]
    ]
    return "\n\n".join([*parts, "Hits at 0.05:", table(columns, rows)])


def strong_half(result: Any) -> str:
    keys = ("data", "model", "spread", "correlation", "measured", "expected", "needed")
    columns = (
        "data",
        "model",
        "sd of log magnitude",
        "correlation of the predicted magnitude",
        "coverage",
        "expected coverage",
    )
    return table((*columns, "correlation needed for 0.87"), [tuple(row[key] for key in keys) for row in result])


def predict_published(result: Any) -> str:
    columns = ("model", "common among 100 genes", "R²", "Euclidean ratio")
    published = [(row["model"], row["deg"], row["r2"], row["euclidean"]) for row in result["published"]]
    parts = ["Published, 18,868 cells x 6,998 genes, seven cell types:", table(columns, published)]
    more = ("distance relative to the measured change", "Pearson", "error ratio", "cell types")
    keys = ("deg", "r2", "euclidean", "euclidean_real", "pearson", "error_ratio", "contexts")
    for name, of in result.items():
        if name != "published":
            rows = [(row["model"], *(row[key] for key in keys)) for row in of["means"]]
            parts += [f"Here, {name}:", table((*columns, *more), rows)]
    return "\n\n".join(parts)


def predict_training(result: Any) -> str:
    keys = ("threads", "seconds", "processor_seconds", "parameters", "peak_gb_above_data", "epochs")
    rows = [(row["model"], *(row[key] for key in keys)) for row in result["training"] if row["epochs"]]
    columns = ("model", "threads", "seconds", "CPU seconds", "parameters", "peak memory above the data, GB")
    parts = [table((*columns, "epochs"), rows)]
    if result["levels"]:
        keys = ("models", "parameters", "processor_seconds", "peak_gb_above_data", "pearson", "error_ratio")
        rows = [(row["model"], *(row[key] for key in keys), row["runs"]) for row in result["levels"]]
        columns = ("model", "models", "parameters", "CPU seconds", "peak memory above the data, GB")
        parts += ["Eight doses:", table((*columns, "Pearson", "error ratio", "runs"), rows)]
    return "\n\n".join(parts)


def graph_stability(result: Any) -> str:
    """Stable edges of simulated graphs, and what is found again in a real screen."""
    rows = []
    for size_sd in dict.fromkeys(row["size_sd"] for row in result["simulated"]):
        own = [row for row in result["simulated"] if row["size_sd"] == size_sd]
        total = {key: sum(row[key] for row in own) for key in ("n_edges", "n_stable", "n_true", "n_reversed")}
        rows.append(
            (size_sd, len(own), mean(own, "chance"), mean(own, "ap"), mean(own, "ap_by_stability"))
            + (total["n_edges"], total["n_stable"], total["n_true"] / max(total["n_stable"], 1), total["n_reversed"])
        )
    columns = (
        "sd of log magnitudes",
        "graphs",
        "chance",
        "AP by weight",
        "AP by stability",
        "true edges",
        "stable edges",
    )
    parts = [table((*columns, "fraction true", "reversed"), rows)]
    if result["papalexi"]:
        rows = [
            (
                row["seed"],
                row["half"] + 1,
                row["n_factors"],
                row["most_stable"],
                ", ".join(f"{a} → {b}" for a, b, _ in row["drawn"]) or "none",
            )
            for row in result["papalexi"]
        ]
        parts.append(table(("seed", "half", "factors", "most stable edge", "edges drawn"), rows))
        rows = [
            (kind, found["shown"], found["drawn"], found["strong"]) for kind, found in result["found_again"].items()
        ]
        parts.append(table(("compared with", "edges drawn", "drawn again", "again among the strongest"), rows))
    return "\n\n".join(parts)


def perturbation_effect(result: Any) -> str:
    """False calls, calls of a real screen and time."""
    keys = ("pval_cells", "pval_guides", "pval")
    simulated = [
        ("simulated", row["spread"], row["cells_of_guide"], row["cells_of_control_guide"], *(row[key] for key in keys))
        for row in result["simulated"]
    ]
    fake = ("fake genes", None, None, None, *(result["fake_genes"][key] for key in keys))
    columns = (
        "genes",
        "spread",
        "cells per guide",
        "cells per control guide",
        "permuted cells",
        "permuted guides",
        "larger p-value",
    )
    parts = [table(columns, [*simulated, fake])]
    rows = [
        (row["perturbation"], row["n_cells"], row["n_guides"], row["score"], row["pval_cells"], row["pval_adj"])
        + ("yes" if row["active"] else "no", "yes" if row["active_without_guides"] else "no")
        + (f"{show(row['fraction'])} ({show(row['fraction_low'])} to {show(row['fraction_high'])})",)
        + (row["n_agreeing"], row["similarity"])
        for row in result["papalexi"]
    ]
    columns = (
        "knock-out",
        "cells",
        "guides",
        "score",
        "p, permuted cells",
        "adjusted p",
        "active",
        "active without guides",
    )
    parts.append(table((*columns, "responders", "guides that agree", "similarity"), rows))
    rows = [(row["with"].replace("_key", ""), row["seconds"], row["processor_seconds"]) for row in result["time"]]
    parts.append(table(("2,000 perturbations of 30 cells, with", "seconds", "processor seconds"), rows))
    return "\n\n".join(parts)


def perturbation_similarity(result: Any) -> str:
    """P-values and intervals in simulations, false calls in screens, pairs of a real screen and time."""
    keys = ("case", "strength", "cells", "controls", "batches", "p0.05", "p0.01", "p0.001")
    rows = [(*(row[key] for key in keys), row.get("error"), row.get("coverage")) for row in result["simulated"]]
    columns = ("effects", "strength", "cells", "controls", "batches", "p ≤ 0.05", "≤ 0.01", "≤ 0.001")
    parts = [table((*columns, "error of the similarity", "coverage of the interval"), rows)]
    rows = [(row["effects"], row["cells"], row["controls"], row["called"]) for row in result["screens"]]
    parts.append(table(("with an unrelated effect", "cells", "controls", "screens with a false pair"), rows))
    real = result["papalexi"]
    rows = [
        (row["perturbation"], row["other"], row["similarity"])
        + (f"{show(row['similarity_low'])} to {show(row['similarity_high'])}", row["pval"], row["pval_adj"])
        for row in real["first"]
    ]
    parts.append(
        f"{real['significant']} of {real['pairs']} pairs of the {len(real['with_effect'])} knock-outs with an effect are "
        f"significant. The first {len(rows)} pairs:"
    )
    parts.append(table(("knock-out", "other", "similarity", "95 %", "p", "adjusted p"), rows))
    spent = result["time"]
    parts.append(
        f"{spent['cells']:,} cells and {spent['pairs']:,} pairs: {show(spent['seconds'])} seconds, "
        f"{show(spent['processor_seconds'])} processor seconds."
    )
    return "\n\n".join(parts)


def op3_like(result: Any) -> str:
    """Means over screens, with the interval of the error, and how the order by tests agrees with that by the truth."""
    parts = []
    for division, found in result["divisions"].items():
        rows = {}
        for row in found["summary"]:
            rows.setdefault(row["model"], {})[row["metric"]] = row
        body = [
            (name, of["rmse"]["mean"], f"{show(of['rmse']['mean_low'])} to {show(of['rmse']['mean_high'])}")
            + tuple(of[metric]["mean"] for metric in ("pearson", "spearman", "pr_auc", "truth"))
            for name, of in rows.items()
        ]
        columns = ("method", "error", "95 % interval", "Pearson", "Spearman", "AUPRC", "Pearson with the truth")
        parts.append(
            f"Held out: {division}. Rank correlation between the rankings by Pearson and by the truth: "
            f"**{show(found['rank_agreement'])}**.\n\n{table(columns, body)}"
        )
    costs = f"{len(result['seeds'])} screens: {show(result['seconds'])} processor seconds in all, at most "
    return "\n\n".join([*parts, f"{costs}{show(result['memory_gb'])} GB."])


def generated_de(result: Any) -> str:
    """Means over cell types and halves, with the largest and smallest cell type."""
    body = []
    for name in dict.fromkeys(row["cells"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["cells"] == name]
        cells = [name]
        for key in ("spearman", "ratio", "sign"):
            types = dict.fromkeys(row["cell type"] for row in rows)
            means = [mean((row for row in rows if row["cell type"] == one), key) for one in types]
            cells.append(f"{show(mean(rows, key))} ({show(min(means))} to {show(max(means))})")
        body.append(cells)
    return table(("cells", "Spearman", "significant genes, ratio", "same sign"), body)


def null_compound(result: Any) -> str:
    """Fraction of p-values below 0.05, and how many screens have uniform ones."""
    groups: dict[tuple[str, float], list[Any]] = {}
    for row in result["rows"]:
        groups.setdefault((row["cells"], row["of measured"]), []).append(row)
    columns = ("cells", "per measured cell", "p < 0.05", "minimum", "maximum", "fraction of tests with uniform p")
    body = []
    for (name, part), rows in groups.items():
        below = [row["below .05"] for row in rows]
        body.append((name, part, fmean(below), min(below), max(below), mean(rows, "uniform")))
    return table(columns, body)


def l1000_lines(result: Any) -> str:
    rows: dict[str, dict[str, Any]] = {}
    for row in result["summary"]:
        rows.setdefault(row["model"], {})[row["metric"]] = row
    body = [
        (name, *(text for key in ("rmse", "pearson") for text in (f"{of[key]['mean']:.3f}", against(of[key]))))
        for name, of in rows.items()
    ]
    columns = (
        "method",
        "error",
        "minus half of the mean (95 % interval)",
        "Pearson",
        "minus half of the mean (95 % interval)",
    )
    return table(columns, body)


def against(row: Mapping[str, Any]) -> str:
    """A difference with its interval."""
    return f"{show(row['difference'])} ({show(row['difference_low'])} to {show(row['difference_high'])})"


def composition(result: Any) -> str:
    columns = (
        "held out",
        "method",
        "screen",
        "deviance",
        "coverage of 90 % intervals",
        "p of uniform ranks",
        "seconds",
    )
    keys = ("division", "method", "seed", "deviance", "coverage", "uniform_pval", "seconds")
    return table(columns, [tuple(row[key] for key in keys) for row in result])


def dgd_components(result: Any) -> str:
    columns = ("data", "types", "model", "seeds", "components", "ARI", "ARI, Leiden", "Leiden communities")
    rows = sorted(result["rows"], key=lambda row: (row["dataset"], row["model"]))
    means = []
    for (dataset, model), group in groupby(rows, key=lambda row: (row["dataset"], row["model"])):
        of = list(group)
        values = [mean(of, key) for key in ("n_components", "ari", "ari_leiden", "n_leiden")]
        means.append((dataset, of[0]["n_labels"], model, len(of), *values))
    return table(columns, means)


def generative_likelihood(result: Any) -> str:
    """Log-likelihood per count, and the gain over SCVI in percent of it."""
    body = []
    for row in sorted(result["rows"], key=lambda row: (row["dataset"], -row["likelihood"])):
        gain, interval = "–", "–"
        if row["model"] != "SCVI":
            gain = f"{100 * row['gain']:+.2f} %"
            if row["seeds"] > 1:
                interval = f"{100 * row['low']:+.2f} to {100 * row['high']:+.2f} %"
        body.append((row["dataset"], row["model"], row["seeds"], f"{row['likelihood']:.4f}", gain, interval))
    return table(("data", "model", "seeds", "log-likelihood per count", "gain over SCVI", "95 % interval"), body)


def generative_costs(result: Any) -> str:
    body = [
        (name, row["seconds"], row["epochs"], row["threads"], *row["above_mb"].values(), row["above_mb_large"])
        for name, row in result["models"].items()
    ]
    sizes = [f"{int(n):,} cells, MB" for n in next(iter(result["models"].values()))["above_mb"]]
    columns = ("model", "training, s", "epochs", "threads", *sizes, f"{result['n_large']:,} cells, MB (extrapolated)")
    return table(columns, body)


def next_perturbations(result: Any) -> str:
    """Errors over the rounds, and in how many of the seeds the goal is reached with fewer measurements."""
    n = result["seeds"]
    body = [
        (row["criterion"], *row["error"][1:], f"{show(row['less_than_random'])} ± {show(row['standard_error'])}")
        + (f"{row['within_total']} of {n}", f"{row['within_added']} of {n}")
        for row in result["rows"]
    ]
    columns = ("criterion", "24", "32", "40", "48", "56", "minus random, mean of rounds")
    return table((*columns, "60 % of all", "60 % of those added"), body)


def explanations(result: Any) -> str:
    planted = [
        (title, result[key]["recall"], result[key]["least"], result[key]["chance"], result[key]["n"])
        for key, title in (("mediators", "mediators of pairs"), ("features", "gene sets of unseen perturbations"))
    ]
    of_nulls = [
        (title, kind, row["n"], row["false"], row["below"], row["ks"])
        for key, title in (("null", "PerturbationGP"), ("network", "SENAVAE"))
        for kind, row in result[key].items()
    ]
    sets = [
        (
            row["perturbation"],
            row["cells"],
            row["rank"],
            row["q"],
            row["n_significant"],
            ", ".join(row["carriers"]),
            row["fidelity"],
        )
        for row in result["papalexi"]
    ]
    mechanisms = [
        (name, f"{hits} of {result['mechanisms']['n']}") for name, hits in result["mechanisms"]["hits"].items()
    ]
    tables = (
        table(("planted", "recall at 10", "minimum of the seeds", "chance", "seeds"), planted),
        table(
            ("model", "kind of part", "models", "models with q ≤ 0.05", "fraction with p ≤ 0.05", "p of uniformity"),
            of_nulls,
        ),
        table(
            ("perturbation", "its cells", "rank", "q", "sets with q ≤ 0.05", "largest contributions", "fidelity"), sets
        ),
        table(("chosen compound", "has the same mechanism"), mechanisms),
        table(("known perturbations", "genes", "seconds"), [tuple(row.values()) for row in result["time"]]),
    )
    return "\n\n".join(tables)


def power(result: Any) -> str:
    keys = ("data", "n_cells", "predicted", "realised", "difference", "largest", "detected", "really_detected")
    columns = (
        "data",
        "cells",
        "predicted",
        "realised",
        "difference",
        "maximum of a split",
        "groups with a gene, predicted",
    )
    return table((*columns, "groups with a gene, realised"), [tuple(row[key] for key in keys) for row in result])


def design_speed(result: Any) -> str:
    parts = ("fit", "reduction_1", "reduction_8", "uncertainty_1")
    keys = [f"{part}_{kind}" for part in parts for kind in ("seconds", "processor_seconds")]
    names = [
        f"{what}, {kind}"
        for what in ("fit", "one choice", "eight choices", "one choice by variance")
        for kind in ("s", "processor s")
    ]
    return table(
        ("known", "genes", "candidates", *names),
        [(row["known"], row["genes"], row["candidates"], *(row[key] for key in keys)) for row in result],
    )


def dgd_new_cells(result: Any) -> str:
    keys = ("training", "represented again", "new")
    rows = sorted(result["rows"], key=lambda row: (row["of_settings"], row["dataset"], row["seed"]))
    body = [
        (row["dataset"], row["seed"], row["cells"], *(row[key] for key in keys), f"{100 * row['gap']:+.1f} %")
        for row in rows
    ]
    return table(("data", "seed", "cells", "training cells", "represented again", "new cells", "gap"), body)


def op3_generated(result: Any) -> str:
    keys = ("rmse", "pearson", "spearman", "pr_auc", "truth")
    body = [(row["division"], row["model"], *(row[key] for key in keys)) for row in result["rows"]]
    columns = ("held out", "model", "error", "Pearson", "Spearman", "AUPRC", "Pearson with the truth")
    return f"{table(columns, body)}\n\nScreens: {len(result['seeds'])}."


def unseen_cells(result: Any) -> str:
    """Means over perturbations, with their intervals."""
    body = []
    for name in [key for key in result if key != "seeds"]:
        rows: dict[str, Any] = {}
        for row in result[name]:
            rows.setdefault(row["model"], {})[row["metric"]] = row
        for model, of in rows.items():
            metrics = ("pearson_perturbed", "error_ratio", "energy_distance")
            body.append((name, model, *(with_interval(of.get(metric)) for metric in metrics)))
    columns = ("data", "model", "Pearson relative to the mean", "error ratio", "energy distance")
    return f"{table(columns, body)}\n\nSeeds: {len(result['seeds'])}."


def of_grid(result: Any) -> str:
    """Ranked models of a grid in each data set and split: means, and the paired difference from the best baseline in the first metric."""
    seconds = {(row["data"], row["model"]): row["seconds"] for row in result["costs"]}
    parts = []
    for (data, scheme), members in groupby(result["rows"], key=lambda row: (row["data"], row["scheme"])):
        rows = [row for row in members if row["mean"] is not None]
        metrics = list(dict.fromkeys(row["metric"] for row in rows))
        of = {(row["model"], row["metric"]): row for row in rows}
        first = [row for row in rows if row["metric"] == metrics[0]]
        body = []
        for name in dict.fromkeys(row["model"] for row in [*first, *rows]):
            row = of.get((name, metrics[0]), {})
            cells = (with_interval(row), with_interval(row, "difference", "low", "high"), row.get("standing") or "–")
            others = (of.get((name, metric), {}).get("mean") for metric in metrics[1:])
            took = mean([{"s": value} for (_, model), value in seconds.items() if model == name], "s")
            body.append((name, *cells, *others, took))
        size = f"conditions: {first[0]['n_conditions']}, seeds: {first[0]['n_seeds']}"
        columns = ("model", metrics[0], f"minus {first[0]['baseline']}", "standing", *metrics[1:], "seconds")
        parts.append(f"{data}, {scheme}, {size}:\n\n{table(columns, body)}")
    left = result["tasks"] - result["finished"]
    return "\n\n".join([*parts, *([f"{left} of {result['tasks']} tasks have no result."] if left else [])])


def of_sena(result: Any) -> str:
    """Numbers of factors x weights of genes outside a set, one table for each metric, and the other models."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    for row in result["rows"]:
        name = re.fullmatch(r"(?P<model>.+) \(n_factors=(?P<n>\d+)(, leak=(?P<leak>[\d.]+))?\)", row["model"])
        if name and row["mean"] is not None:
            column = name["model"] if name["leak"] is None else f"lambda {name['leak']}"
            found.setdefault(row["metric"], {})[name["n"], column] = with_interval(row)
    parts = []
    for metric, cells in found.items():
        columns = sorted({column for _, column in cells}, key=lambda name: (name[:6] != "lambda", name))
        numbers = sorted({n for n, _ in cells}, key=int)
        body = [(n, *(cells.get((n, column), "–") for column in columns)) for n in numbers]
        parts.append(f"{metric}:\n\n{table(('factors', *columns), body)}")
    others = {"rows": [row for row in result["rows"] if "n_factors" not in row["model"]]}
    return "\n\n".join([*parts, of_grid(result | others)])


def of_doses(result: Any) -> str:
    """Means over the sets of doses of each size, in which every dose is as often, and the ranking over all sets."""
    rows = [row | {"n": row["split"].count(",") + 1} for row in result["divisions"]]
    metrics = list(dict.fromkeys(row["metric"] for row in result["rows"]))
    body = [
        (name, n, *(mean([row for row in rows if (row["model"], row["n"]) == (name, n)], metric) for metric in metrics))
        for name in dict.fromkeys(row["model"] for row in rows)
        for n in sorted({row["n"] for row in rows})
    ]
    return f"{table(('model', 'training doses', *metrics), body)}\n\n{of_grid(result)}"


def beside_published(name: str, show: Callable[[Any], str]) -> Callable[[Any], str]:
    """Table of a grid, and that of a publication below it."""

    def section(result: Any) -> str:
        known = json.loads((RESULTS.parent / "published.json").read_text(encoding="utf-8"))[name]
        rows = f"\n\n{table(known['columns'], known['rows'])}" if known["rows"] else ""
        return f"{show(result)}\n\nPublished. {known['source']}.{rows}"

    return section


def unseen_contexts(result: Any) -> str:
    """Errors by the number of measured perturbations, with the difference from the first model."""
    body = []
    for of in result:
        rows: dict[str, Any] = {}
        for row in of["summary"]:
            rows.setdefault(row["model"], {})[row["metric"]] = row
        for model, found in rows.items():
            error, pearson = found["squared_error"], found["pearson_perturbed"]
            less = with_interval(error, "difference", "low", "high") if error.get("difference") is not None else ""
            body.append((of["data"], of["n_known"], of["n"], model, error["mean"], less, with_interval(pearson)))
    columns = (
        "data",
        "measured perturbations",
        "contexts",
        "model",
        "squared error / that of the mean",
        "minus PerturbationGP",
    )
    return table((*columns, "Pearson relative to the mean"), body)


SECTIONS: dict[str, Callable[[Any], str]] = {
    "fidelity": fidelity,
    "training_speed": training_speed,
    "memory": memory,
    "larger_than_memory": larger_than_memory,
    "predict_speed": predict_speed,
    "kill_anywhere": kill_anywhere,
    "grid_kills": grid_kills,
    "tuning_kills": tuning_kills,
    "grid_workers": grid_workers,
    "simulated_scm": simulated_scm,
    "graph_stability": graph_stability,
    "planted_screen": planted_screen,
    "likelihoods": likelihoods,
    "papalexi": papalexi,
    "perturbation_effect": perturbation_effect,
    "perturbation_similarity": perturbation_similarity,
    "scifi": scifi,
    "genome_wide": genome_wide,
    "rank_genes_speed": rank_genes_speed,
    "many_groups_speed": many_groups_speed,
    "limma_speed": limma_speed,
    "vcc2026": vcc2026,
    "attribution_speed": attribution_speed,
    "saliency_speed": saliency_speed,
    "xor": xor,
    "gene_programs": gene_programs,
    "confounded_batches": confounded_batches,
    "unit_labels": unit_labels,
    "unit_numbers": unit_numbers,
    "impact_calibration": impact_calibration,
    "kang_programs": kang_programs,
    "paul15_programs": paul15_programs,
    "unit_names": unit_names,
    "unit_name_rules": unit_name_rules,
    "program_stability": program_stability,
    "gradient_study": gradient_study,
    "gradient_study_published": gradient_study_published,
    "network_genes": network_genes,
    "gradient_markers": gradient_markers,
    "confounded_markers": confounded_markers,
    "gradient_calibration": gradient_calibration,
    "gradient_speed": gradient_speed,
    "calibration": calibration,
    "designs": rates_by_way,
    "sample_tests": rates_by_way,
    "few_samples": few_samples,
    "double_dipping": double_dipping,
    "clusters_batches": clusters_batches,
    "clusters_of_depth": clusters_of_depth,
    "clusters_of_network": clusters_of_network,
    "clusters_real": clusters_real,
    "replication": replication,
    "predict_contexts": predict_contexts,
    "multitask_settings": multitask_settings,
    "predict_published": predict_published,
    "predict_doses": predict_doses,
    "dose_noise": dose_noise,
    "predict_combinations": predict_combinations,
    "unseen_perturbations": unseen_perturbations,
    "unseen_contexts": unseen_contexts,
    "unseen_cells": unseen_cells,
    "predicted_cells": predicted_cells,
    "next_perturbations": next_perturbations,
    "power": power,
    "design_speed": design_speed,
    "intervals": intervals,
    "explanations": explanations,
    "strong_half": strong_half,
    "predict_training": predict_training,
    "op3_like": op3_like,
    "l1000_lines": l1000_lines,
    "composition": composition,
    "null_compound": null_compound,
    "generated_de": generated_de,
    "dgd_components": dgd_components,
    "dgd_new_cells": dgd_new_cells,
    "op3_generated": op3_generated,
    "generative_likelihood": generative_likelihood,
    "generative_costs": generative_costs,
    "grid_programs": of_grid,
    "grid_sena": beside_published("grid_sena", of_sena),
    "grid_sena_ablation": of_grid,
    **{name: beside_published(name, of_grid) for name in ("grid_multitask", "grid_splat")},
    "grid_doses": beside_published("grid_doses", of_doses),
}


def section(name: str, results: Path = RESULTS) -> str:
    """Table of one result, or a line that reports it as missing."""
    path = results / f"{name}.json"
    if not path.is_file():
        return f"*No result in this checkout: there is no `benchmarks/results/{name}.json`.*"
    result = json.loads(path.read_text(encoding="utf-8"))
    try:
        text = SECTIONS[name](result)
    except (KeyError, IndexError, TypeError):
        # Written by another version of the script: show the numbers in whatever shape they have
        text = generic(result)
    return text + made_by(path.with_suffix(".meta.json"))


def made_by(path: Path) -> str:
    """A line with the date, commit and versions of a result, where they are known."""
    if not path.is_file():
        return ""
    meta = json.loads(path.read_text(encoding="utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in meta["versions"].items())
    commit = (meta["commit"] or "unknown")[:8]
    return f"\n\n*Stored on {meta['date']} (commit {commit}; {versions}).*"


def main() -> None:
    for name in SECTIONS:
        print(f"## {name}\n\n{section(name)}\n")


if __name__ == "__main__":
    main()
