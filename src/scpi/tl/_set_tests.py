"""Tests of gene sets in one comparison: in the samples of a linear model, or in a ranking of genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi import settings
from scpi._screen._matrix import sums
from scpi.de import camera, fry, roast
from scpi.metrics import overlap_log_pval
from scpi.tl._impact._statistics import gsea

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scpi.de import FittedComparison

OF_SAMPLES: dict[str, Callable[..., pd.DataFrame]] = {"camera": camera, "fry": fry, "roast": roast}
"""Tests of the samples of a linear model."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "camera": ("correlation", "use_ranks"),
    "fry": (),
    "roast": ("statistic", "n_rotations"),
    "ora": ("pval_cutoff", "log2fc_min"),
    "prerank": ("n_permutations",),
}
"""Options of each test, by its name."""


@dataclass(frozen=True)
class ComparedSamples:
    """Samples of a linear model."""

    fitted: FittedComparison
    """A contrast of the samples."""

    @property
    def genes(self) -> NDArray[np.intp]:
        """Genes that were tested."""
        return self.fitted.genes

    def test(self, method: str, membership: Any, *, rng: np.random.Generator, **options: Any) -> pd.DataFrame:
        """Test gene sets.

        Parameters
        ----------
        method
            Name of a test of samples.
        membership
            Genes that were tested x sets, sparse.
        rng
            Generator of random rotations.
        **options
            Options of the test.

        Returns
        -------
        One row per set, as returned by the test.
        """
        fitted = self.fitted
        # Camera uses a plain prior, as in R
        options |= {"trend": fitted.trend} if method == "camera" else {"trend": fitted.trend, "robust": fitted.robust}
        options |= {"rng": rng} if method == "roast" else {}
        return OF_SAMPLES[method](
            fitted.expression,
            fitted.design,
            membership,
            contrast=fitted.contrast,
            weights=fitted.weights,
            block=fitted.block,
            block_correlation=fitted.block_correlation,
            **options,
        )


@dataclass(frozen=True)
class RankedGenes:
    """Genes of one group of a ranking."""

    genes: NDArray[np.intp]
    """Genes that were tested."""
    scores: NDArray[np.float64]
    """Score of each gene."""
    log2fc: NDArray[np.float64]
    """Log2 fold change."""
    pval_adj: NDArray[np.float64]
    """Adjusted p-value."""

    def test(self, method: str, membership: Any, *, rng: np.random.Generator, **options: Any) -> pd.DataFrame:
        """Test gene sets.

        Parameters
        ----------
        method
            "ora" or "prerank".
        membership
            Genes that were tested x sets, sparse.
        rng
            Generator of random permutations.
        **options
            Options of the test.

        Returns
        -------
        One row per set: `n_genes`, `direction`, `pval` and other results of the test.
        """
        if method == "prerank":
            return preranked(self.scores, membership, seed=int(rng.integers(2**31)), **options)
        return over_representation(self._changes(**options), membership)

    def _changes(self, pval_cutoff: float = 0.05, log2fc_min: float = 0.0) -> NDArray[np.int_]:
        """Code the changed genes: 1 for upregulated, -1 for downregulated."""
        if np.isnan(self.pval_adj).all():
            msg = "Over-representation needs adjusted p-values, which the ranking lacks: use method='prerank'."
            raise ValueError(msg)
        listed = (self.pval_adj <= pval_cutoff) & (np.abs(self.log2fc) >= log2fc_min)
        return np.where(listed, np.sign(self.scores), 0).astype(int)


def over_representation(change: NDArray[np.int_], membership: Any) -> pd.DataFrame:
    """Test whether changed genes are over-represented in a set, for each direction, by the hypergeometric distribution.

    Parameters
    ----------
    change
        1 for an upregulated gene, -1 for a downregulated gene, 0 for an unchanged gene.
    membership
        Genes x sets, sparse.

    Returns
    -------
    One row per set: `n_genes`, `direction` (that of the smaller p-value), `n_changed` (members that change in it),
    `n_expected` (their number by chance), `pval` (twice the smaller one of the two directions).
    """
    sizes = sums(membership, axis=0)
    (up, n_up), (down, n_down) = (
        (sums(membership[change == sign], axis=0), int((change == sign).sum())) for sign in (1, -1)
    )
    log_up, log_down = (
        np.atleast_1d(overlap_log_pval(both, sizes, n, n_genes=len(change))) for both, n in ((up, n_up), (down, n_down))
    )
    goes_down = log_down < log_up
    return pd.DataFrame(
        {
            "n_genes": sizes.astype(int),
            "direction": np.where(goes_down, "down", "up"),
            "n_changed": np.where(goes_down, down, up).astype(int),
            "n_expected": sizes * np.where(goes_down, n_down, n_up) / len(change),
            "pval": np.minimum(2.0 * np.exp(np.minimum(log_up, log_down)), 1.0),
        }
    )


def preranked(scores: NDArray[np.float64], membership: Any, *, seed: int, n_permutations: int = 1000) -> pd.DataFrame:
    """Test whether the genes of a set are at one end of a ranking, by the enrichment score of gseapy.

    Parameters
    ----------
    scores
        Score of each gene.
    membership
        Genes x sets, sparse.
    seed
        Seed of the random sets.
    n_permutations
        Number of random sets.

    Returns
    -------
    One row per set: `n_genes`, `direction`, `nes` (normalised enrichment score) and `pval`.
    """
    score, pval = gsea(scores[:, None], membership, n_permutations=n_permutations, seed=seed, threads=settings.n_jobs)
    return pd.DataFrame(
        {
            "n_genes": sums(membership, axis=0).astype(int),
            "direction": np.where(score[0] < 0, "down", "up"),
            "nes": score[0],
            "pval": pval[0],
        }
    )
