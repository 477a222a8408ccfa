"""Doses that were not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def weights_of_doses(doses: Mapping[int, float], dose: float) -> dict[int, float]:
    """Weights of measured doses at another one.

    The change is linear in the logarithm of dose plus 1 between neighbours, from none at dose 0, and stays what it is
    beyond the largest measured dose.

    Parameters
    ----------
    doses
        Measured doses, by the code of their condition.
    dose
        The dose that is asked for.

    Returns
    -------
    Weight of the codes that count. They sum to 1, or to less where the dose is below the smallest measured one.

    Examples
    --------
    >>> weights_of_doses({7: 1.0, 8: 3.0}, 1.0)
    {7: 1.0}
    >>> weights_of_doses({7: 1.0, 8: 3.0}, 9.0)
    {8: 1.0}
    """
    codes = sorted(doses, key=lambda code: doses[code])
    knots = np.log1p([0.0, *(doses[code] for code in codes)])
    place = float(np.clip(np.log1p(dose), 0.0, knots[-1]))
    upper = int(np.clip(np.searchsorted(knots, place), 1, len(codes)))
    share = float((place - knots[upper - 1]) / (knots[upper] - knots[upper - 1]))
    weights = {codes[upper - 1]: share} | ({codes[upper - 2]: 1.0 - share} if upper > 1 else {})
    return {code: weight for code, weight in weights.items() if weight > 0}
