"""Statistics of a gene set on a unit with their own null hypotheses, and summaries of tables of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special, stats

from scpi._optional import import_extra
from scpi._screen._matrix import sums
from scpi.tl._impact._null import set_means

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse


def normal_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert the ranks of the genes in each unit to normal quantiles, genes x units; ties get their mean."""
    ranks = stats.rankdata(scores, axis=0)
    return np.asarray(special.ndtri((ranks - 0.5) / len(scores)))


def ulm(scores: NDArray[np.float64], membership: sparse.csr_matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute Student's t of the regression of scores on membership, over all genes, and its two-sided p-value."""
    n = len(scores)
    centred = scores - scores.mean(axis=0)
    share = sums(membership, axis=0) / n
    spread = np.sqrt(n * share * (1.0 - share))
    length = np.sqrt((centred**2).sum(axis=0))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = set_means(centred, membership) * (n * share) / (spread * length)
    r = np.clip(np.where((length > 0) & (spread > 0), r, 0.0), -1.0 + 1e-15, 1.0 - 1e-15)
    t = r * np.sqrt((n - 2) / (1.0 - r**2))
    return t, np.clip(2.0 * special.stdtr(n - 2, -np.abs(t)), np.finfo(np.float64).tiny, 1.0)


def gsea(
    scores: NDArray[np.float64], membership: sparse.csr_matrix, *, n_permutations: int, seed: int, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the normalised enrichment score of each set in the gene ranking of a unit, and its p-value, by gseapy.

    The p-value is the fraction of random sets of the same size and sign of score that score as high, at least
    1 / (n_permutations + 1).
    """
    gseapy = import_extra("gseapy")
    by_set = membership.tocsc()
    sets = {str(s): [str(g) for g in by_set[:, s].indices] for s in range(by_set.shape[1])}
    sizes = np.diff(by_set.indptr)
    score = np.zeros((scores.shape[1], by_set.shape[1]))
    pval = np.ones_like(score)
    for unit in range(scores.shape[1]):
        if np.ptp(scores[:, unit]) == 0:
            continue
        ranking = pd.Series(scores[:, unit], index=[str(g) for g in range(len(scores))])
        found = gseapy.prerank(
            rnk=ranking.sort_values(ascending=False, kind="stable"),
            gene_sets={name: list(genes) for name, genes in sets.items()},
            min_size=int(sizes.min()),
            max_size=int(sizes.max()),
            permutation_num=n_permutations,
            threads=threads,
            seed=seed,
            outdir=None,
            no_plot=True,
        ).res2d
        places = found["Term"].astype(int).to_numpy()
        score[unit, places] = found["NES"].astype(float).fillna(0.0)
        pval[unit, places] = np.maximum(found["NOM p-val"].astype(float).fillna(1.0), 1.0 / (n_permutations + 1))
    return score, pval


def as_zscore(sign: NDArray[np.float64], pval: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert two-sided p-values to normal deviates with the given signs."""
    return np.asarray(-np.sign(sign) * special.ndtri(pval / 2.0))


def double_centred(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the means of rows and columns: the rest is explained neither by the unit nor by the set alone."""
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    return np.asarray(table - rows - columns + table.mean())
