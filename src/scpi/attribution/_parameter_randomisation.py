from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from scipy import stats

from scpi._rng import as_generator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


def parameter_randomisation(
    network: torch.nn.Module,
    attribute: Callable[[], ArrayLike],
    *,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Check whether attributions depend on the learned parameters of the network.

    Layers are shuffled cumulatively, from the last to the first: every parameter tensor keeps its values in another
    order. Attributions that depend on the network change as soon as its last layer is shuffled. Attributions that
    hardly change reflect something else, such as which genes vary (Adebayo et al., "Sanity checks for saliency maps",
    NeurIPS 2018). Guided gradients are known to fail this test. The network is restored afterwards.

    Parameters
    ----------
    network
        Network to shuffle, such as the encoder if units are explained. Layers are in the order of their registration.
    attribute
        Function that recomputes the attributions, outputs x genes, with the network in its current state.
    rng
        Seed or generator of the shuffles.

    Returns
    -------
    One row per step: `layer`, the last shuffled one; `spearman`, the rank correlation with the original attributions,
    averaged over the outputs; and `spearman_abs`, that of the absolute values.

    Raises
    ------
    ValueError
        If the network has no parameters, or the attributions are not a matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from scpi.attribution import AttributionTarget, attribute_units, parameter_randomisation
    >>> network = torch.nn.Sequential(torch.nn.Linear(50, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).eval()
    >>> target = AttributionTarget(network, torch.log1p, ["a", "b"], kind="latent")
    >>> counts = np.random.default_rng(0).poisson(1.0, (20, 50))
    >>> steps = parameter_randomisation(network, lambda: attribute_units(target, counts).mean[0])
    >>> steps["layer"].tolist()
    ['2', '0']
    """
    layers = [
        (name, list(module.parameters(recurse=False)))
        for name, module in network.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    if not layers:
        msg = f"{type(network).__name__} has no parameters to shuffle."
        raise ValueError(msg)
    generator = as_generator(rng)
    before = _matrix(attribute())
    kept = [[parameter.detach().clone() for parameter in parameters] for _, parameters in layers]
    rows = []
    try:
        for name, parameters in reversed(layers):
            for parameter in parameters:
                _shuffle(parameter, generator)
            after = _matrix(attribute())
            rows.append(
                {
                    "layer": name,
                    "spearman": _agreement(before, after),
                    "spearman_abs": _agreement(np.abs(before), np.abs(after)),
                }
            )
    finally:
        with torch.no_grad():
            for (_, parameters), values in zip(layers, kept, strict=True):
                for parameter, value in zip(parameters, values, strict=True):
                    parameter.copy_(value)
    return pd.DataFrame(rows)


def _matrix(attributions: ArrayLike) -> NDArray[np.float64]:
    # Copy, as the function may return the same array again
    matrix = np.array(attributions, dtype=np.float64)
    if matrix.ndim != 2:
        msg = f"`attribute` must give outputs x genes, but gave an array of shape {matrix.shape}."
        raise ValueError(msg)
    return matrix


@torch.no_grad()
def _shuffle(parameter: torch.nn.Parameter, rng: np.random.Generator) -> None:
    order = torch.from_numpy(rng.permutation(parameter.numel())).to(parameter.device)
    parameter.copy_(parameter.flatten()[order].view_as(parameter))


def _agreement(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Compute the mean rank correlation of the rows; it is zero for a row without variation."""
    found = [
        stats.spearmanr(a, b).statistic if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
        for a, b in zip(before, after, strict=True)
    ]
    return float(np.mean(found))
