"""Names of the metrics of clusterings and of gene programs; higher is better for all."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, NamedTuple

from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTITION = ("ari", "nmi")
"""Agreement of clusters with known groups."""
PROGRAMS = ("lms", "msas", "msgs", "lms_smi", "mig", "auroc", "loglik")
"""Agreement of units with known programs, and the likelihood of held-out counts."""

_ACCURACY = re.compile(r"(?P<ranking>.+)@(?P<depth>all|[1-9][0-9]*)")
_CLUSTERING = {
    "honest": ("ari", "nmi", "sparse_decoder@all", "gradient@all", "wilcoxon@all"),
    "published": (
        *PARTITION,
        *(f"{name}@{k}" for name in ("gradient", "t-test", "wilcoxon") for k in ("30", "100", "all")),
    ),
}
_PROGRAMS = {"honest": ("lms", "msgs", "auroc", "loglik")}


class Accuracy(NamedTuple):
    """The fraction of the top true genes of a group that are among as many top genes of a ranking."""

    ranking: str
    """``"sparse_decoder"``, an attribution of :func:`scpi.attribution.methods`, or a test of :func:`scpi.de.methods`."""
    depth: int | None
    """Number of genes; the number of true genes if ``None``."""


def accuracy_of(metric: str) -> Accuracy | None:
    """The accuracy denoted by a metric name such as ``"gradient@100"``; ``None`` for other names."""
    found = _ACCURACY.fullmatch(metric)
    if found is None:
        return None
    return Accuracy(found["ranking"], None if found["depth"] == "all" else int(found["depth"]))


def check_clustering(given: Sequence[str] | str | None) -> list[str]:
    """Metrics of a clustering; a `ValueError` if one is unknown."""
    chosen = _chosen(given, _CLUSTERING, _CLUSTERING["honest"])
    rankings = _rankings()
    unknown = [name for name in chosen if name not in PARTITION and _ranking_of(name) not in rankings]
    if unknown or not chosen:
        msg = (
            f"{_wrong(unknown)}: choose from {listed(PARTITION)}, 'RANKING@NUMBER' or 'RANKING@all' with a ranking among "
            f"{listed(rankings, len(rankings))}, or the presets {listed(list(_CLUSTERING))}."
        )
        raise ValueError(msg)
    return chosen


def check_programs(given: Sequence[str] | str | None) -> list[str]:
    """Metrics of gene programs; a `ValueError` if one is unknown."""
    chosen = _chosen(given, _PROGRAMS, PROGRAMS)
    unknown = [name for name in chosen if name not in PROGRAMS]
    if unknown or not chosen:
        msg = f"{_wrong(unknown)}: choose from {listed(PROGRAMS, len(PROGRAMS))}, or the presets {listed(list(_PROGRAMS))}."
        raise ValueError(msg)
    return chosen


def _rankings() -> list[str]:
    """Names of all rankings of genes."""
    from scpi import attribution, de, tl

    tests = de.methods()
    decoder = inspect.signature(tl.rank_genes_gradients).parameters["method"].default
    return [decoder, *attribution.methods()["method"], *tests.loc[tests["unit"] == "cell", "method"]]


def _ranking_of(metric: str) -> str | None:
    found = accuracy_of(metric)
    return None if found is None else found.ranking


def _chosen(
    given: Sequence[str] | str | None, presets: Mapping[str, Sequence[str]], everything: Sequence[str]
) -> list[str]:
    asked = everything if given is None else [name for one in as_list(given) for name in presets.get(one, (one,))]
    return list(dict.fromkeys(asked))


def _wrong(unknown: Sequence[str]) -> str:
    return f"Unknown metrics {listed(unknown)}" if unknown else "`metrics` is empty"
