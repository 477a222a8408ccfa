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
    """See whether attributions depend on what the network has learned.

    Layers are shuffled one after another, from the last to the first, each with those before it: every tensor of
    parameters keeps its values, in another order. Attributions that are those of the network become others as soon as
    its last layer is; those that hardly change show something else, such as which genes vary (Adebayo et al., "Sanity
    checks for saliency maps", NeurIPS 2018). Guided gradients are known to fail. The network is as it was afterwards.

    Parameters
    ----------
    network
        What is shuffled: the encoder, if units are explained. Layers count in the order in which they were registered.
    attribute
        Computes attributions anew, outputs x genes, with the network as it is then.
    rng
        Seed or generator of the shuffles.

    Returns
    -------
    One row a step: `layer` that was shuffled last, `spearman`, the rank correlation with the attributions before,
    averaged over the outputs, and `spearman_abs`, that of the absolute values.

    Raises
    ------
    ValueError
        If the network has no parameters, or the attributions are no matrix.

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
    # A copy: the computation may give the same array again
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
    """Mean rank correlation of the rows; a row without variation agrees with nothing."""
    found = [
        stats.spearmanr(a, b).statistic if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
        for a, b in zip(before, after, strict=True)
    ]
    return float(np.mean(found))
