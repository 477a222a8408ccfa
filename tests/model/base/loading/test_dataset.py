from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading import _dataset
from scpi.model.base.loading._dataset import CellBatch, CellDataset, blocks
from scpi.model.base.loading._input_transform import InputTransform

SETUP = {"batch_key": "batch", "context_key": "cell_type", "size_factor_key": "depth", "dose_key": "dose"}


def dataset_of(adata, **kwargs):
    scpi.model.NoChange.setup_anndata(adata, **SETUP)
    manager = scpi.model.NoChange(adata).adata_manager
    n_conditions = len(manager.get_state_registry(KEYS.CONDITION)["conditions"])
    design = np.arange(4 * n_conditions, dtype=np.float32).reshape(-1, 4)
    return CellDataset(manager, **({"design": design} | kwargs)), design


FORMATS = {
    "csr": lambda adata: adata,
    "csc": lambda adata: _with(adata, sparse.csc_matrix(adata.X)),
    "csr_array": lambda adata: _with(adata, sparse.csr_array(adata.X)),
    "dense": lambda adata: _with(adata, adata.X.toarray()),
    "float64": lambda adata: _with(adata, adata.X.astype(np.float64)),
}


def _with(adata, x):
    other = adata.copy()
    other.X = x
    return other


@pytest.mark.parametrize("name", FORMATS)
def test_a_batch_is_the_same_in_every_format(screen, name):
    cells = np.array([7, 0, 7, 30])
    dataset, design = dataset_of(FORMATS[name](screen.copy()))
    item = dataset[CellBatch(cells)]
    np.testing.assert_array_equal(item[KEYS.X], screen.X[cells].toarray())
    assert item[KEYS.X].dtype == torch.float32
    assert item[KEYS.INDEX].tolist() == cells.tolist()
    np.testing.assert_array_equal(item[KEYS.SIZE_FACTOR].ravel(), screen.obs["depth"].to_numpy()[cells])
    np.testing.assert_array_equal(item[KEYS.BATCH].ravel() == 1, screen.obs["batch"].to_numpy()[cells] == "b2")
    np.testing.assert_array_equal(item[KEYS.CONTEXT].ravel() == 1, screen.obs["cell_type"].to_numpy()[cells] == "T")
    np.testing.assert_array_equal(item[KEYS.DESIGN], design[item[KEYS.CONDITION].numpy()])
    assert {item[key].shape for key in (KEYS.SIZE_FACTOR, KEYS.BATCH, KEYS.CONTEXT)} == {(4, 1)}
    assert item[KEYS.CONDITION].shape == (4,)
    assert KEYS.WEIGHT not in item and KEYS.PERTURBED not in item


def test_a_view_is_read_as_its_cells(screen):
    rows = np.arange(screen.n_obs)[::-2]
    dataset, _ = dataset_of(screen[rows].copy())
    np.testing.assert_array_equal(dataset[CellBatch(np.array([1, 4]))][KEYS.X], screen.X[rows[[1, 4]]].toarray())


def test_matched_cells_have_the_condition_of_the_perturbed_cell(screen):
    dataset, design = dataset_of(screen)
    source, target = np.array([1, 2, 3]), np.array([10, 20, 10])
    item, alone = dataset[CellBatch(source, target)], dataset[CellBatch(target)]
    np.testing.assert_array_equal(item[KEYS.X], screen.X[source].toarray())
    np.testing.assert_array_equal(item[KEYS.PERTURBED], screen.X[target].toarray())
    np.testing.assert_array_equal(item[KEYS.PERTURBED_SIZE_FACTOR].ravel(), screen.obs["depth"].to_numpy()[target])
    np.testing.assert_array_equal(item[KEYS.SIZE_FACTOR].ravel(), screen.obs["depth"].to_numpy()[source])
    for key in (KEYS.CONDITION, KEYS.DESIGN):
        torch.testing.assert_close(item[key], alone[key])
    assert KEYS.WEIGHT not in item


def test_cells_that_are_their_own_targets_are_read_once(screen, monkeypatch):
    dataset, _ = dataset_of(screen)
    read, dense = [], _dataset.dense_rows
    monkeypatch.setattr(_dataset, "dense_rows", lambda x, cells: read.append(len(cells)) or dense(x, cells))
    item = dataset[CellBatch(np.array([4, 5]), np.array([4, 5]))]
    assert read == [2]
    torch.testing.assert_close(item[KEYS.X], item[KEYS.PERTURBED])


def test_padding_has_no_weight_no_expression_and_the_size_factor_one(screen):
    dataset, design = dataset_of(screen)
    perturbed = np.array([10, -1, -1, 11, 12, -1])
    item = dataset[CellBatch(np.arange(6), perturbed, np.array([3, 1]))]
    assert item[KEYS.WEIGHT].tolist() == [[1, 0, 0], [1, 1, 0]]
    assert item[KEYS.CONDITION].tolist() == [3, 1]
    np.testing.assert_array_equal(item[KEYS.DESIGN], design[[3, 1]])
    is_cell = perturbed >= 0
    np.testing.assert_array_equal(item[KEYS.PERTURBED][is_cell], screen.X[perturbed[is_cell]].toarray())
    assert not item[KEYS.PERTURBED][~is_cell].any()
    assert item[KEYS.PERTURBED_SIZE_FACTOR][~is_cell].unique().tolist() == [1.0]
    np.testing.assert_array_equal(
        item[KEYS.PERTURBED_SIZE_FACTOR][is_cell].ravel(), screen.obs["depth"].to_numpy()[perturbed[is_cell]]
    )


def test_fields_may_be_left_out(screen):
    dataset, _ = dataset_of(screen, fields=(KEYS.BATCH,), design=None)
    assert set(dataset[CellBatch(np.array([0, 1]))]) == {KEYS.X, KEYS.INDEX, KEYS.BATCH}


@pytest.mark.parametrize("counts", [True, False])
def test_the_input_is_that_of_the_transform(screen, counts):
    transform = InputTransform(screen.n_vars, "pearson")
    dataset, _ = dataset_of(screen, transform=transform, counts=counts)
    transform.fit(lambda: [dataset.rows(cells) for cells in blocks(np.arange(len(dataset)))])
    cells = np.array([3, 99, 5])
    item = dataset[CellBatch(cells)]
    torch.testing.assert_close(item[KEYS.INPUT], transform(*dataset.rows(cells)))
    assert torch.equal(dataset.inputs(cells), item[KEYS.INPUT])
    assert (KEYS.X in item) == counts


def test_blocks_are_all_cells_in_turn():
    parts = list(blocks(np.arange(5000)))
    assert [len(part) for part in parts] == [2048, 2048, 904]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(5000))
