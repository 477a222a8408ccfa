"""Tables of the parts of one predicted change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi._explained._explanation import GENES, shares
from scpi._explained._fidelity import deletion_curve
from scpi._explained._significance import p_values
from scpi._explained._stability import part_stability, sign_stability
from scpi.de import false_discovery_control

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi._explained._explanation import Explanation

    Floats = NDArray[np.float64]

COMMON = "(common to all)"


class Tables(NamedTuple):
    """Explanation of one predicted change."""

    genes: pd.DataFrame
    parts: pd.DataFrame
    fidelity: pd.DataFrame
    columns: pd.DataFrame
    """Kinds and parts of the columns of the contributions."""
    contributions: Floats
    """Genes x columns: the common part, and the largest parts of each kind with the sum of the others."""


def fidelity_of(table: pd.DataFrame, kind: str) -> float:
    """Compute the mean loss without the largest parts of a kind, minus that without others; NaN with one part."""
    own = table[table["kind"] == kind]
    return float((own["lost"] - own["lost_random"]).mean())


def tables_of(
    explanation: Explanation,
    genes: Sequence[str],
    others: Sequence[Explanation],
    *,
    n_null: int,
    top_n: int,
    rng: np.random.Generator,
) -> Tables:
    """Make the tables of an explanation, with ``others`` of the same condition by models with other seeds."""
    found = p_values(explanation, n_null, rng)
    parts, columns, fidelity = [], [(GENES, COMMON)], []
    contributions = [explanation.common]
    for kind, own in explanation.parts.items():
        of_whole = shares(own.contributions, explanation.special)
        pval = np.full(len(own.names), np.nan)
        pval[own.is_tested] = found[kind][np.flatnonzero(own.is_tested)]
        table = pd.DataFrame(
            {
                "kind": kind,
                "part": np.array(own.names, dtype=object),
                "share": of_whole,
                "size": np.sqrt(np.square(own.contributions).mean(axis=1)),
                "weight": own.weights,
                "pval": pval,
                "qval": false_discovery_control(pval),
                "stability": part_stability(
                    own, [one.parts[kind] for one in others], by_name=not explanation.is_pooled
                ),
            }
        )
        used = own.is_named | (table["size"] > 0).to_numpy()
        order = np.lexsort((-of_whole, ~own.is_named))
        named = order[: int(own.is_named.sum())]
        parts.append(table.iloc[[place for place in order if used[place]]])
        fidelity.append(deletion_curve(explanation, kind, named, rng).assign(kind=kind))
        top, rest = named[:top_n], np.setdiff1d(order, named[:top_n])
        columns += [*((kind, own.names[place]) for place in top), (kind, f"({len(rest)} others)")]
        contributions += [*own.contributions[top], own.contributions[rest].sum(axis=0)]
    of_genes = pd.DataFrame(
        {
            "gene": np.array(genes, dtype=object),
            "change": explanation.change,
            "special": explanation.special,
            "pval": found[GENES],
            "qval": false_discovery_control(found[GENES]),
            "stability": sign_stability(explanation.change, [one.change for one in others]),
        }
    )
    return Tables(
        of_genes,
        pd.concat(parts, ignore_index=True),
        pd.concat(fidelity, ignore_index=True)[["kind", "n_removed", "lost", "lost_random", "lost_random_sd"]],
        pd.DataFrame(columns, columns=["kind", "part"], dtype=object),
        np.stack(contributions, axis=1),
    )
