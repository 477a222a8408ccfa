from __future__ import annotations

import numpy as np
import pytest

from scpi.datasets import dose_screen

DOSES = [0.1, 1.0, 10.0]


def test_cells_have_the_changes_that_are_stored():
    adata = dose_screen(DOSES, n_contexts=2, n_cells=1500, n_genes=60, responsive=0.5, depth=3000, rng=1)
    obs, lfc = adata.obs, adata.uns["truth"]["lfc"]
    assert lfc.shape == (2, 3, 60) and list(adata.uns["truth"]["doses"]) == DOSES
    counts = adata.X.toarray().astype(float)
    for place, context in enumerate(["type 1", "type 2"]):
        means = {
            dose: counts[((obs["cell_type"] == context) & (obs["dose"] == dose)).to_numpy()].mean(0)
            for dose in (0.0, 10.0)
        }
        seen = means[0.0] > 5
        found = np.log(means[10.0] / means[0.0])[seen]
        assert np.abs(found - lfc[place, 2][seen]).max() < 0.25
    # A larger dose does more in every gene, and genes that do not respond stay
    assert (np.abs(lfc[:, 1:]) >= np.abs(lfc[:, :-1]) - 1e-12).all()
    assert ((lfc == 0).all(axis=(0, 1))).mean() == pytest.approx(0.5, abs=0.2)


def test_sizes_labels_and_seeds():
    adata, again, other = (dose_screen(DOSES, n_contexts=3, n_cells=5, n_genes=20, rng=seed) for seed in (0, 0, 1))
    assert adata.shape == (3 * (10 + 15), 20)
    assert ((adata.obs["perturbation"] == "control") == (adata.obs["dose"] == 0)).all()
    assert (adata.X != again.X).nnz == 0 and (adata.X != other.X).nnz > 0
    # Without a fraction of their own, all cell types respond alike
    shared = dose_screen(DOSES, n_contexts=2, n_cells=5, n_genes=20, context_fraction=0.0).uns["truth"]["lfc"]
    np.testing.assert_allclose(shared[0], shared[1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"doses": [1.0, 1.0]}, "`doses` must be one or more different numbers"),
        ({"doses": []}, "`doses` must be one or more different numbers"),
        ({"doses": [0.0, 1.0]}, "`doses` must be above 0"),
        ({"n_cells": 0}, "`n_cells` must be at least 1"),
        ({"responsive": 2.0}, "`responsive` must be between 0 and 1"),
        ({"effect_size": -1.0}, "`effect_size` must be at least 0"),
    ],
)
def test_numbers_out_of_range(given, message):
    with pytest.raises(ValueError, match=message):
        dose_screen(**given)
