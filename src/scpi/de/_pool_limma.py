from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import special

from scpi._keys import Key
from scpi._ranking import Ranking, read_ranking, write_ranking
from scpi.de._fdr import false_discovery_control
from scpi.de._pool_draws import pool_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scpi.de._pool_draws import Sets

_LEVEL = 0.95


def pool_limma(draws: Sequence[AnnData], *, sets: Sets = "generated", key: str = Key.uns.LIMMA) -> AnnData:
    """Pool the tests of :func:`limma` in several draws of the same samples.

    Samples of generated or imputed cells differ between draws. :func:`pool_draws` pools the tests: log fold changes are
    averaged, and their variance combines the variance within and between draws.

    Parameters
    ----------
    draws
        Samples x genes of each draw, with the tests of the same groups.
    sets
        Whether a model drew all cells (``"generated"``) or only missing values of measured samples (``"imputed"``), as
        in :func:`pool_draws`.
    key
        Entry of `uns` with the tests of each draw; the pooled tests are stored under the same name.

    Returns
    -------
    Samples of all draws, with the number of the draw in `.obs['draw']`. Sets the following field:

    `.uns['limma' | key]` : :class:`dict`
        The structure of :func:`limma`: `names`, `scores` (pooled t), `logfoldchanges`, `pvals`, `pvals_adj`
        (Benjamini-Hochberg), `log10_pvals`, `ave_expr`, `std_error`, `ci_low`, `ci_high`, `df`, and `between_fraction`,
        the fraction of the variance that is between draws. Genes that were not tested in all draws are NaN. `groups` is
        the table of the first draw, and `params` has `n_draws`.

    Raises
    ------
    KeyError
        If a draw has no tests.
    ValueError
        If there are fewer than two draws, they differ in their groups or genes, or `sets` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> draws = []
    >>> for seed in range(3):
    ...     counts = np.random.default_rng(seed).poisson(50, size=(8, 300))
    ...     counts[4:, 7] += 300
    ...     draws.append(AnnData(counts.astype(float), obs={"condition": ["ctrl"] * 4 + ["stim"] * 4}))
    ...     scpi.de.limma(draws[-1], "condition", reference="ctrl")
    >>> pooled = scpi.de.pool_limma(draws)
    >>> str(pooled.uns["limma"]["names"]["stim"][0]), pooled.n_obs
    ('7', 24)
    """
    if len(draws) < 2:
        msg = f"`draws` must hold at least two draws, got {len(draws)}."
        raise ValueError(msg)
    rankings = [read_ranking(draw, key) for draw in draws]
    first = rankings[0]
    for ranking in rankings[1:]:
        for name, own, others in (("groups", first.groups, ranking.groups), ("genes", first.genes, ranking.genes)):
            if not np.array_equal(own, others):
                msg = f"The draws must have tests of the same {name}, but these differ."
                raise ValueError(msg)
    adjusts_all = first.params.get("corr_scope") == "all"
    pooled = _pooled(rankings, sets, axis=None if adjusts_all else -1)
    samples = ad.concat(
        {str(number): draw for number, draw in enumerate(draws)}, label=Key.obs.DRAW, index_unique="_", merge="same"
    )
    write_ranking(samples, key, pooled, groups=pd.DataFrame(draws[0].uns[key]["groups"]))
    return samples


def _pooled(rankings: Sequence[Ranking], sets: Sets, *, axis: int | None) -> Ranking:
    def stacked(name: str) -> NDArray[np.float64]:
        return np.stack([np.asarray(ranking.extra[name], dtype=np.float64) for ranking in rankings])

    first = rankings[0]
    estimates = np.stack([np.asarray(ranking.logfoldchanges, dtype=np.float64) for ranking in rankings])
    tests = pool_draws(estimates, stacked("std_error"), stacked("df"), sets=sets)
    margin = -special.stdtrit(tests.df, (1.0 - _LEVEL) / 2.0) * tests.std_error
    extra: dict[str, Any] = {
        "ave_expr": stacked("ave_expr").mean(axis=0),
        "std_error": tests.std_error,
        "df": tests.df,
        "between_fraction": tests.between_fraction,
        "ci_low": tests.estimate - margin,
        "ci_high": tests.estimate + margin,
    }
    return Ranking(
        groups=first.groups,
        genes=first.genes,
        scores=tests.t,
        logfoldchanges=tests.estimate,
        log10_pvals=tests.log_pval / np.log(10.0),
        pvals_adj=false_discovery_control(np.exp(tests.log_pval), axis=axis),
        extra=extra,
        params={**first.params, "n_draws": len(rankings), "sets": sets},
    )
