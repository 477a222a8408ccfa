from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scpi._layer_of_counts import holds_counts, layer_of_counts, layer_of_new_counts

COUNTS = np.random.default_rng(0).poisson(2.0, size=(30, 8)).astype(np.float32)


def cells(x, **layers):
    return ad.AnnData(x, shape=COUNTS.shape if x is None else None, layers=layers)


@pytest.mark.parametrize(
    ("x", "layers", "found"),
    [
        (COUNTS, {}, None),
        (COUNTS, {"counts": 2 * COUNTS}, None),
        (np.log1p(COUNTS), {"counts": COUNTS}, "counts"),
        (COUNTS - 1.0, {"counts": COUNTS}, "counts"),
        (COUNTS / 0.5 + 0.5, {"counts": sparse.csr_matrix(COUNTS)}, "counts"),
        (np.full_like(COUNTS, np.nan), {"counts": COUNTS}, "counts"),
        (None, {"counts": COUNTS}, "counts"),
        (np.log1p(COUNTS), {"counts": np.log1p(COUNTS)}, None),
        (np.log1p(COUNTS), {"raw": COUNTS}, None),
        (np.log1p(COUNTS), {}, None),
    ],
)
def test_the_layer_of_that_name_stands_in_where_x_is_something_else(x, layers, found):
    assert layer_of_counts(cells(x, **layers)) == found


def test_a_layer_that_is_named_is_taken_whatever_it_holds():
    adata = cells(COUNTS, counts=COUNTS)
    assert layer_of_counts(adata, "raw") == layer_of_new_counts(adata, "raw") == "raw"
    assert layer_of_counts(cells(COUNTS), "counts") == "counts"


@pytest.mark.parametrize(
    ("registered", "x", "layers", "found"),
    [
        (None, COUNTS, {}, None),
        (None, np.log1p(COUNTS), {"counts": COUNTS}, "counts"),
        ("counts", np.log1p(COUNTS), {"counts": COUNTS}, "counts"),
        ("counts", COUNTS, {"counts": COUNTS}, "counts"),
        ("counts", COUNTS, {}, None),
        # Neither place has them: the message is about the one that is registered
        ("counts", np.log1p(COUNTS), {}, "counts"),
    ],
)
def test_new_data_may_have_them_in_either_place(registered, x, layers, found):
    assert layer_of_new_counts(cells(x, **layers), registered) == found


def test_where_they_are_is_logged(caplog):
    with caplog.at_level("INFO", logger="scpi"):
        layer_of_counts(cells(np.log1p(COUNTS), counts=COUNTS))
        layer_of_new_counts(cells(COUNTS), "counts")
    assert "those in `adata.layers['counts']` are used" in caplog.text
    assert "the counts in `adata.X` are used" in caplog.text


def test_counts_are_looked_for_in_all_blocks(tmp_path):
    dask = pytest.importorskip("dask.array")
    values = COUNTS.copy()
    assert holds_counts(dask.from_array(values, chunks=(5, 8)))
    values[-1, -1] = 0.5
    assert not holds_counts(dask.from_array(values, chunks=(5, 8)))
    assert not holds_counts(np.full((2, 2), "one", dtype=object))
    assert not holds_counts(None)
    cells(np.log1p(COUNTS), counts=sparse.csr_matrix(COUNTS)).write_h5ad(tmp_path / "cells.h5ad")
    assert layer_of_counts(ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")) == "counts"
