from __future__ import annotations

import numpy as np
import torch

from scpi.attribution._checks import check_positive
from scpi.attribution._methods._method import Batch, Method, Slopes


def _attribute(batch: Batch, n_samples: int = 16, noise: float = 0.1) -> Slopes:
    check_positive(n_samples=n_samples, noise=noise)
    space = batch.space
    u, root = space.enter(batch.x), space.noise_root
    # Independent normal noise of the genes becomes normal noise of the hidden units
    size = space.n_coordinates or u.shape[1]
    drawn = batch.rng.standard_normal((len(u), n_samples, size if root is None else len(root)), dtype=np.float32)
    slopes = torch.zeros((len(batch.outputs), *u.shape), dtype=u.dtype, device=u.device)
    for j in range(n_samples):
        z = torch.from_numpy(drawn[:, j]).to(u)
        slopes += space.slopes(u + noise * (z if root is None else z @ root), batch.outputs)[1] / n_samples
    return Slopes(space, slopes)


METHOD = Method(
    name="smoothgrad",
    attribute=_attribute,
    means="Mean derivative under normal noise, of standard deviation `noise` in the input of the function.",
    source="Smilkov et al., arXiv:1706.03825, 2017",
)
