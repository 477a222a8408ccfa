from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.base import cell_batches
from scpi.model.base._constants import KEYS


@pytest.fixture
def model(screen):
    scpi.model.NoChange.setup_anndata(screen, batch_key="batch", size_factor_key="depth", context_key="cell_type")
    return scpi.model.NoChange(screen)


def read(model, adata, indices=None, batch_size=None):
    return list(cell_batches(model, adata, indices, batch_size=batch_size, device=torch.device("cpu")))


@pytest.mark.parametrize("indices", [None, [3, 1, 100, 1], np.arange(40)[::-1]])
def test_cells_come_in_the_order_that_is_asked_for(model, indices):
    batches = read(model, model.adata, indices, batch_size=7)
    cells = np.arange(model.adata.n_obs) if indices is None else np.asarray(indices)
    assert {len(batch[KEYS.X]) for batch in batches[:-1]} <= {7}
    x, size = (torch.cat([batch[key] for batch in batches]).numpy() for key in (KEYS.X, KEYS.SIZE_FACTOR))
    np.testing.assert_array_equal(x, model.adata.X[cells].toarray())
    np.testing.assert_array_equal(size.ravel(), model.adata.obs["depth"].to_numpy(np.float32)[cells])


def test_new_cells_are_read_as_they_are(model, make_screen):
    other = make_screen(rng=1)[::3].copy()
    model._validate_anndata(other)
    (batch,) = read(model, other)
    np.testing.assert_array_equal(batch[KEYS.X], other.X.toarray())
    np.testing.assert_array_equal(batch[KEYS.BATCH].ravel() == 1, other.obs["batch"] == "b2")
    assert set(batch) == {KEYS.X, KEYS.BATCH, KEYS.SIZE_FACTOR, KEYS.INDEX}


def test_no_cells_are_a_batch_without_any(model):
    (batch,) = read(model, model.adata, [])
    assert batch[KEYS.X].shape == (0, model.adata.n_vars)


def test_a_batch_has_at_least_one_cell(model):
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        read(model, model.adata, batch_size=0)
