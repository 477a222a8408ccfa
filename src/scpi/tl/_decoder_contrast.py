"""Scores of genes in groups by what the decoder of a model gives their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi.attribution import decoded_means
from scpi.de import log_means, shrink_effects
from scpi.model import decoder_target
from scpi.tl._gradient_scores import MEDIAN, GradientScores, reference_level

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.attribution import DecoderTarget
    from scpi.tl._gradient_input import GradientInput

_CELLS = 256


def decoder_contrast_scores(
    given: GradientInput, codes: NDArray[np.intp], names: list[str], reference: str, *, model: Any
) -> GradientScores:
    """Differences of the means that a decoder gives the cells of groups, shrunken by the errors of the counts, in log2."""
    target, device = decoder_target(model), getattr(model, "device", None)
    z = model.get_latent_representation(given.view.data)
    decoded = decoded_means(target, z, codes, device=device)
    # A decoder follows the noise of genes with few counts; how much there is of it, the counts say
    shrunken = shrink_effects(decoded, log_means(given.counts, codes)[1])
    effect, level = shrunken.effect, np.zeros_like(shrunken.effect)
    if reference != MEDIAN:
        level = reference_level(effect, np.bincount(codes[codes >= 0]), names, reference)
    return GradientScores(
        scores=(effect - level) / np.log(2.0),
        extra={"probability": shrunken.probability},
        of_cells=lambda: _of_cells(target, z, codes, shrunken.base + level, device),
    )


@torch.no_grad()
def _of_cells(
    target: DecoderTarget,
    z: NDArray[np.float32],
    codes: NDArray[np.intp],
    level: NDArray[np.float64],
    device: torch.device | None,
) -> NDArray[np.float32]:
    """Decoded means of cells over the level of their group, in log2, cells x genes; NaN for a cell without a group."""
    found = np.full((len(z), level.shape[1]), np.nan, dtype=np.float32)
    included = np.flatnonzero(codes >= 0)
    for rows in np.array_split(included, -(-len(included) // _CELLS)):
        decoded = target.function(torch.from_numpy(z[rows]).to(device or "cpu")).cpu().numpy()
        found[rows] = (decoded - level[codes[rows]]) / np.log(2.0)
    return found
