from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

import scpi


class FakeModel:
    """Learned activities: twice the value of the first genes."""

    def __init__(self, adata=None):
        self.adata = adata

    def get_pathway_activity(self, adata=None, *, indices=None, rectified=False, batch_size=None):
        self.given = adata
        values = np.asarray(adata.to_df() if isinstance(adata, ad.AnnData) else adata["rna"].to_df())[:, :2] * 2.0 - 3.0
        obs_names = adata.obs_names
        values = np.maximum(values, 0) if rectified else values
        return pd.DataFrame(values.astype(np.float32), index=obs_names, columns=["s0", "s1"])


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(1.0, size=(30, 8)).astype(np.float32)))
    adata.layers["other"] = adata.X * 3.0
    membership = np.zeros((8, 3), dtype=bool)
    membership[[0, 1, 2], 0] = membership[[2, 5], 1] = membership[7, 2] = True
    adata.varm["gene_sets"] = sparse.csr_matrix(membership)
    adata.uns["gene_sets"] = {"names": np.array(["first", "second", "third"], dtype=object)}
    return adata


def expected(adata, layer=None):
    x = adata.to_df(layer).to_numpy().astype(np.float64)
    return np.stack([x[:, [0, 1, 2]].mean(axis=1), x[:, [2, 5]].mean(axis=1), x[:, 7]], axis=1)


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, lambda x: x.toarray(), sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_without_a_model_it_is_the_mean_of_the_members(adata, convert, dtype, monkeypatch):
    monkeypatch.setattr("scpi.tl._pathway_activity._BLOCK_CELLS", 7)
    adata.X = convert(adata.X.astype(dtype))
    assert scpi.tl.pathway_activity(adata) is None
    activity = adata.obsm["pathway_activity"]
    assert activity.dtype == np.float32
    np.testing.assert_allclose(activity, expected(adata), rtol=1e-6)
    assert adata.uns["pathway_activity"]["names"].tolist() == ["first", "second", "third"]
    assert adata.uns["pathway_activity"]["params"] == {"method": "mean", "gene_sets_key": "gene_sets"}


def test_a_layer_stands_in_for_x(adata):
    scpi.tl.pathway_activity(adata, layer="other", key_added="tripled")
    np.testing.assert_allclose(adata.obsm["tripled"], 3 * expected(adata), rtol=1e-6)
    assert "pathway_activity" not in adata.obsm


def test_with_a_model_it_is_what_the_model_says(adata):
    model = FakeModel(adata)
    scpi.tl.pathway_activity(adata, model)
    values = 2.0 * adata.X.toarray()[:, :2] - 3.0
    np.testing.assert_allclose(adata.obsm["pathway_activity"], values)
    assert adata.uns["pathway_activity"]["names"].tolist() == ["s0", "s1"]
    scpi.tl.pathway_activity(adata, model, rectified=True)
    np.testing.assert_allclose(adata.obsm["pathway_activity"], np.maximum(values, 0))
    assert adata.uns["pathway_activity"]["params"] == {"method": "FakeModel", "rectified": True}


def test_a_copy_leaves_the_input_alone(adata):
    before = adata.copy()
    result = scpi.tl.pathway_activity(adata, copy=True)
    assert list(adata.obsm) == []
    assert list(adata.uns) == list(before.uns)
    np.testing.assert_allclose(result.obsm["pathway_activity"], expected(adata), rtol=1e-6)


def test_a_view_becomes_its_own_data(adata):
    view = adata[[3, 1, 4]]
    scpi.tl.pathway_activity(view)
    np.testing.assert_allclose(view.obsm["pathway_activity"], expected(adata)[[3, 1, 4]], rtol=1e-6)
    assert "pathway_activity" not in adata.obsm


@pytest.mark.parametrize("backed", ["r", None])
def test_it_survives_a_file(adata, tmp_path, backed):
    adata.write_h5ad(tmp_path / "in.h5ad")
    read = ad.read_h5ad(tmp_path / "in.h5ad", backed=backed)
    scpi.tl.pathway_activity(read)
    np.testing.assert_allclose(read.obsm["pathway_activity"], expected(adata), rtol=1e-6)
    if backed:
        return
    read.write_h5ad(tmp_path / "a.h5ad")
    read.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        frame = scpi.get.pathway_activity(again)
        assert frame.columns.tolist() == ["first", "second", "third"]
        np.testing.assert_array_equal(frame.to_numpy(), read.obsm["pathway_activity"])


def test_a_modality_of_a_mudata(adata):
    mdata = MuData({"rna": adata, "protein": ad.AnnData(np.ones((30, 2)))})
    assert scpi.tl.pathway_activity(mdata, mod="rna") is None
    np.testing.assert_allclose(mdata["rna"].obsm["pathway_activity"], expected(adata), rtol=1e-6)
    copied = scpi.tl.pathway_activity(mdata, mod="rna", key_added="again", copy=True)
    assert "again" in copied["rna"].obsm
    assert "again" not in mdata["rna"].obsm


def test_a_model_gets_what_it_was_set_up_with(adata):
    mdata = MuData({"rna": adata})
    of_mudata, of_anndata = FakeModel(mdata), FakeModel(adata)
    scpi.tl.pathway_activity(mdata, of_mudata, mod="rna")
    assert of_mudata.given is mdata
    scpi.tl.pathway_activity(mdata, of_anndata, mod="rna")
    assert of_anndata.given is mdata["rna"]


def test_a_set_without_genes_is_named(adata):
    adata.varm["gene_sets"] = pd.DataFrame({"full": [1] * 8, "empty": [0] * 8}, index=adata.var_names)
    with pytest.raises(ValueError, match="no measured gene: 'empty'"):
        scpi.tl.pathway_activity(adata)
    assert "pathway_activity" not in adata.obsm


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_must_be_finite(adata, bad):
    adata.X[20, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        scpi.tl.pathway_activity(adata)
    assert list(adata.obsm) == []
    assert "pathway_activity" not in adata.uns


def test_wrong_options_are_explained(adata):
    with pytest.raises(KeyError, match="'nothing', only 'other'"):
        scpi.tl.pathway_activity(adata, layer="nothing")
    with pytest.raises(KeyError, match="no gene sets 'nothing'"):
        scpi.tl.pathway_activity(adata, gene_sets_key="nothing")
    with pytest.raises(ValueError, match="options of a model"):
        scpi.tl.pathway_activity(adata, rectified=True)
    with pytest.raises(ValueError, match="`layer` goes with the plain mean"):
        scpi.tl.pathway_activity(adata, FakeModel(), layer="other")
    with pytest.raises(ValueError, match="modality"):
        scpi.tl.pathway_activity(adata, mod="rna")


def test_cells_of_a_model_must_be_those_of_the_data(adata):
    class Other(FakeModel):
        def get_pathway_activity(self, adata=None, **kwargs):
            return super().get_pathway_activity(adata, **kwargs).iloc[::-1]

    with pytest.raises(ValueError, match="not the 30 cells"):
        scpi.tl.pathway_activity(adata, Other())
