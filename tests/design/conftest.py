from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

N_GENES = 120


@pytest.fixture
def make_pilot():
    """Negative binomial counts of controls and two perturbations in samples, and their true log fold changes."""

    def make(n_controls=400, n_cells=100, n_samples=1, mean=20.0, dispersion=0.2, n_changed=8, between=0.0, seed=0):
        rng = np.random.default_rng(seed)
        change = np.zeros((3, N_GENES))
        change[1, :n_changed] = np.where(np.arange(n_changed) % 2, 1.0, -1.0)
        rows, labels = [], []
        for sample in range(n_samples):
            for code, n in enumerate([n_controls, n_cells, n_cells]):
                own = change[code] + np.sqrt(between) * rng.normal(size=N_GENES) * (code > 0)
                rate = mean * np.exp(own) * rng.gamma(1 / dispersion, dispersion, (n, N_GENES))
                rows.append(rng.poisson(rate))
                labels += [(("control", "A", "B")[code], f"s{sample}", f"g{i % 3}") for i in range(n)]
        obs = pd.DataFrame(
            labels, columns=["perturbation", "donor", "guide"], index=[f"c{i}" for i in range(len(labels))]
        )
        adata = ad.AnnData(np.vstack(rows).astype(np.float32), obs=obs)
        adata.var_names = [f"g{i}" for i in range(N_GENES)]
        return adata, change[1:]

    return make
