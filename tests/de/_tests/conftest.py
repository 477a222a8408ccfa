"""Cells of replicates, for the tests of samples."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def replicates():
    """Cells of six samples in two conditions from two donors; the first ten genes change."""
    rng = np.random.default_rng(0)
    sample = np.repeat(np.arange(6), 20)
    condition = np.array(["ctrl", "stim"])[sample % 2]
    rate = (0.5 + rng.gamma(1.0, 2.0, 200))[None, :] * rng.gamma(20.0, 0.05, (6, 200))[sample]
    rate[condition == "stim", :10] *= 4.0
    obs = pd.DataFrame({"sample": sample.astype(str), "condition": condition, "donor": (sample // 2).astype(str)})
    obs.index = obs.index.astype(str)
    return ad.AnnData(rng.poisson(rate).astype(np.float32), obs=obs)
