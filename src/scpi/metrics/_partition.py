"""Agreement of two clusterings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.metrics._labels import encode_both

if TYPE_CHECKING:
    from scpi.metrics._labels import Labels


def ari(labels: Labels, truth: Labels) -> float:
    """Adjusted Rand index of two clusterings (Hubert and Arabie, J. Classif. 2, 1985).

    The fraction of pairs of cells on which the clusterings agree, together or apart, set to 0 at what is expected of
    random labels with clusters of the same sizes.

    Parameters
    ----------
    labels, truth
        Labels of the same cells. Their names need not match, nor their number.

    Returns
    -------
    A value of at most 1; below 0 where the agreement is worse than by chance.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, or there is no cell.

    Examples
    --------
    >>> from scpi.metrics import ari
    >>> ari(["0", "0", "1", "1"], ["B", "B", "A", "A"])
    1.0
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(*encode_both(labels, truth)))


def nmi(labels: Labels, truth: Labels) -> float:
    """Normalised mutual information of two clusterings, over the arithmetic mean of their entropies.

    It is not adjusted for chance: more clusters give a higher value. Report :func:`scpi.metrics.ari` as well.

    Parameters
    ----------
    labels, truth
        Labels of the same cells. Their names need not match, nor their number.

    Returns
    -------
    A value between 0 and 1.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, or there is no cell.

    Examples
    --------
    >>> from scpi.metrics import nmi
    >>> round(nmi([0, 0, 1, 1], [0, 0, 1, 2]), 6)
    0.8
    """
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(*encode_both(labels, truth)))
