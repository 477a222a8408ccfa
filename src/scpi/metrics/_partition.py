"""Agreement of two clusterings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.metrics._labels import encode_both

if TYPE_CHECKING:
    from scpi.metrics._labels import Labels


def ari(labels: Labels, truth: Labels) -> float:
    """Compute the adjusted Rand index of two clusterings (Hubert and Arabie, J. Classif. 2, 1985).

    It is the fraction of pairs of cells on which the clusterings agree, together or apart, rescaled such that random
    labels with the same cluster sizes have the expected value 0.

    Parameters
    ----------
    labels, truth
        Labels of the same cells. Names and number of labels may differ.

    Returns
    -------
    A value of at most 1; below 0 if the agreement is worse than by chance.

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
    """Compute the normalised mutual information of two clusterings, over the arithmetic mean of their entropies.

    It is not adjusted for chance: more clusters give a higher value. Report :func:`scpi.metrics.ari` as well.

    Parameters
    ----------
    labels, truth
        Labels of the same cells. Names and number of labels may differ.

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
