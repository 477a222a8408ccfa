"""Scores of genes in groups by the decoded means of their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._groups import REST, other_mean
from scpi.attribution import decoded_means
from scpi.de import log_means, shrink_effects
from scpi.model import decoder_target
from scpi.tl._gradient_scores import MEDIAN, GradientScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.attribution import DecoderTarget
    from scpi.tl._gradient_input import GradientInput

_CELLS = 256


def decoder_contrast_scores(
    given: GradientInput, codes: NDArray[np.intp], names: list[str], reference: str, *, model: Any
) -> GradientScores:
    """Compute differences in decoded means between groups, shrunken by the errors of the counts, in log2."""
    target, device = decoder_target(model), getattr(model, "device", None)
    z = model.get_latent_representation(given.view.data)
    decoded = decoded_means(target, z, codes, device=device)
    # A decoder follows the noise of genes with few counts, whose magnitude the counts determine
    shrunken = shrink_effects(decoded, log_means(given.counts, codes)[1])
    sizes = np.bincount(codes[codes >= 0])
    level = _reference_level(shrunken.effect, sizes, names, reference)
    raw = decoded - shrunken.base
    return GradientScores(
        scores=(shrunken.effect - level) / np.log(2.0),
        extra={"probability": shrunken.probability},
        of_cells=lambda: _of_cells(target, z, codes, shrunken.base + level, device),
        fold_changes=(raw - _reference_level(raw, sizes, names, reference)) / np.log(2.0),
    )


def _reference_level(
    effect: NDArray[np.float64], sizes: NDArray[np.intp], names: list[str], reference: str
) -> NDArray[np.float64]:
    """Compute the log reference of each group: the common level, the mean of all other cells, or one group."""
    if reference == MEDIAN:
        return np.zeros_like(effect)
    if reference != REST:
        return np.broadcast_to(effect[names.index(reference)], effect.shape)
    return np.asarray(np.log(other_mean(np.exp(effect), sizes, None)))


@torch.no_grad()
def _of_cells(
    target: DecoderTarget,
    z: NDArray[np.float32],
    codes: NDArray[np.intp],
    level: NDArray[np.float64],
    device: torch.device | None,
) -> NDArray[np.float32]:
    """Compute log2 ratios of decoded means to the reference of the group, cells x genes; NaN without a group."""
    found = np.full((len(z), level.shape[1]), np.nan, dtype=np.float32)
    included = np.flatnonzero(codes >= 0)
    for rows in np.array_split(included, -(-len(included) // _CELLS)):
        decoded = target.function(torch.from_numpy(z[rows]).to(device or "cpu")).cpu().numpy()
        found[rows] = (decoded - level[codes[rows]]) / np.log(2.0)
    return found
