from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

from scpi._screen import _checks
from scpi._screen._checks import (
    as_indices,
    check_annotations,
    check_expression,
    check_paired,
    check_varies,
    load_annotations,
)
from scpi.model.base.setup._rollback import unchanged_on_failure


def matrix(value, dtype=np.float64):
    x = np.arange(12, dtype=dtype).reshape(4, 3)
    x[2, 1] = value
    return x


@pytest.mark.parametrize("convert", [np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize(
    ("value", "counts", "message"),
    [
        (np.nan, False, "NaN or infinite"),
        (np.inf, False, "NaN or infinite"),
        (-np.inf, True, "NaN or infinite"),
        (-1.0, True, "negative"),
        (0.25, True, r"fractional values such as 0\.25.*layer="),
    ],
)
def test_values_that_no_model_reads(convert, value, counts, message):
    with pytest.raises(ValueError, match=f"`this` holds {message}"):
        check_expression(convert(matrix(value)), counts=counts, what="this")


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint8])
def test_counts_of_any_type_are_read(convert, dtype):
    check_expression(convert(matrix(5, dtype)), counts=True)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_counts_are_no_logarithms(convert):
    with pytest.raises(
        ValueError, match=r"whole numbers only, up to 11, which look like raw counts.*`scanpy.pp.log1p`"
    ):
        check_expression(convert(matrix(5.0)), logs=True)
    check_expression(convert(matrix(0.5)), logs=True)
    check_expression(convert((matrix(5.0) > 3).astype(float)), logs=True)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_a_warning_says_that_counts_were_given(convert, recwarn):
    check_expression(convert(matrix(0.5)), unlike_counts=True)
    check_expression(convert((matrix(5.0) > 3).astype(float)), unlike_counts=True)
    check_expression(convert(-matrix(5.0)), unlike_counts=True, signed=True)
    assert len(recwarn) == 0
    with pytest.warns(
        UserWarning, match=r"`this` holds whole numbers only, up to 11, which look like raw counts.*log1p"
    ):
        check_expression(convert(matrix(5.0)), unlike_counts=True, what="this")


def test_one_fraction_in_any_chunk_makes_logarithms(monkeypatch):
    monkeypatch.setattr(_checks, "_CHUNK", 5)
    check_expression(matrix(0.5), logs=True)
    with pytest.raises(ValueError, match="up to 11"):
        check_expression(matrix(5.0), logs=True)


def test_all_chunks_are_read(monkeypatch):
    monkeypatch.setattr(_checks, "_CHUNK", 5)
    check_expression(matrix(3.0), counts=True)
    with pytest.raises(ValueError, match="fractional"):
        check_expression(matrix(3.5), counts=True)


def test_words_are_no_numbers():
    with pytest.raises(TypeError, match="must hold numbers, but has dtype object"):
        check_expression(np.array([["a"]], dtype=object))


@pytest.mark.parametrize("axis", ["var", "obs"])
def test_repeated_names_are_listed(axis):
    adata = ad.AnnData(np.ones((3, 3)))
    setattr(adata, f"{axis}_names", ["x", "y", "x"])
    with pytest.raises(ValueError, match=rf"`adata\.{axis}_names` are not unique.*\['x'\].*{axis}_names_make_unique"):
        check_annotations(adata)


def test_cells_must_be_paired():
    rna, protein = ad.AnnData(np.ones((3, 2))), ad.AnnData(np.ones((3, 1)))
    protein.var_names = ["p"]
    protein.obs_names = rna.obs_names[::-1]
    mdata = MuData({"rna": rna, "protein": protein})
    check_paired(mdata, "rna")
    with pytest.raises(ValueError, match=r"mdata\.mod\['protein'\].*same order"):
        check_paired(mdata, "protein")


def test_positions_and_masks():
    assert as_indices([2, 0], 3).tolist() == [2, 0]
    assert as_indices(np.array([True, False, True]), 3).tolist() == [0, 2]
    with pytest.raises(ValueError, match="one value for each of the 3 cells"):
        as_indices([True, False], 3)
    for wrong in ([3], [-1]):
        with pytest.raises(ValueError, match="between 0 and 2"):
            as_indices(wrong, 3)


def test_a_failure_takes_back_what_was_written():
    adata = ad.AnnData(np.ones((2, 1)))
    adata.obs["_scpi_condition"] = [4, 5]
    adata.obs["mine"] = [1, 2]
    adata.uns["_scvi_uuid"] = "before"

    def write_and_fail():
        with unchanged_on_failure(adata):
            adata.obs["_scpi_condition"] = [0, 1]
            adata.obs["_scvi_batch"] = [0, 0]
            adata.uns["_scvi_uuid"], adata.uns["_scvi_manager_uuid"] = "after", "new"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert adata.obs["_scpi_condition"].tolist() == [4, 5]
    assert list(adata.obs) == ["_scpi_condition", "mine"]
    assert dict(adata.uns) == {"_scvi_uuid": "before"}


def test_what_succeeds_stays():
    adata = ad.AnnData(np.ones((2, 1)))
    with unchanged_on_failure(adata):
        adata.obs["_scpi_condition"] = [0, 1]
    assert adata.obs["_scpi_condition"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("shape", "message"), [((0, 3), "has 0 cells and 3 genes"), ((4, 0), "has 4 cells and 0 genes")]
)
def test_data_without_cells_or_genes_are_refused(shape, message):
    adata = ad.AnnData(np.zeros(shape, dtype=np.float32))
    with pytest.raises(ValueError, match=message):
        check_annotations(adata)


def test_annotations_that_are_lazy_are_read_and_stay_in_memory(tmp_path):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    adata = ad.AnnData(np.ones((3, 2), dtype=np.float32), obs={"group": pd.Categorical(["a", "b", "a"])})
    adata.write_zarr(tmp_path / "a.zarr")
    lazy = ad.experimental.read_lazy(tmp_path / "a.zarr")
    load_annotations(lazy)
    pd.testing.assert_frame_equal(lazy.obs, adata.obs, check_names=False)
    pd.testing.assert_frame_equal(lazy.var, adata.var, check_names=False)
    assert hasattr(lazy.X, "compute")


def test_values_too_large_for_single_precision_are_refused():
    check_expression(np.full((2, 2), 1e14))
    for values in (np.full((2, 2), 1e30), np.full((2, 2), -1e30)):
        with pytest.raises(ValueError, match="up to 1e\\+30, too large for single precision"):
            check_expression(values)


def test_changes_may_be_negative(recwarn):
    check_expression(np.array([[-1.25, 2.0]]), signed=True)
    assert list(recwarn) == []


def test_a_warning_says_that_values_are_negative():
    x = np.array([[0.5, -1.25], [0.0, 2.5]])
    with pytest.warns(UserWarning, match=r"`adata\.X` holds negative values such as -1\.25, as scaled data do"):
        check_expression(x)
    with pytest.raises(ValueError, match="holds negative values, but the likelihood of counts"):
        check_expression(x, counts=True)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_expression_that_does_not_vary_is_refused(convert):
    row = np.arange(6.0)
    with pytest.raises(ValueError, match=r"`adata\.layers\['x'\]` is zero everywhere: .*\(`layer=`\)"):
        check_varies(convert(np.zeros((5, 6))), what="adata.layers['x']")
    for values in (np.tile(row, (200, 1)), np.ones((200, 6))):
        with pytest.raises(ValueError, match="is the same in all 200 cells"):
            check_varies(convert(values))
        values = values.copy()
        values[-1, 3] = -1.0
        check_varies(convert(values))
    # One cell is no evidence that cells do not differ
    check_varies(convert(row[None]))


@pytest.mark.parametrize("chunks", [(7, 6), (200, 2)])
def test_all_blocks_are_looked_at(chunks):
    dask = pytest.importorskip("dask.array")
    values = np.tile(np.arange(6.0), (200, 1))
    with pytest.raises(ValueError, match="the same in all 200 cells"):
        check_varies(dask.from_array(values, chunks=chunks))
    values[-1, -1] = 0.0
    check_varies(dask.from_array(values, chunks=chunks))
