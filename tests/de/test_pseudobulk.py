from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from mudata import MuData
from scipy import sparse

from scpi import de


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical(rng.choice(["d2", "d1", "d3"], 200), categories=["d2", "d1", "d3", "unused"]),
            "kind": rng.choice(["T", "B"], 200),
            "size": rng.normal(size=200),
        },
        index=[f"c{i}" for i in range(200)],
    )
    obs["sex"] = obs["donor"].map({"d1": "f", "d2": "m", "d3": "f"})
    obs["age"] = obs["donor"].astype(str).map({"d1": 30.0, "d2": 40.0, "d3": np.nan})
    obs.loc["c7", "kind"] = None
    var = pd.DataFrame({"chromosome": ["1"] * 6}, index=[f"g{i}" for i in range(6)])
    return ad.AnnData(sparse.csr_matrix(rng.poisson(1.0, (200, 6)).astype(np.float32)), obs=obs, var=var)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("block", [1, 70, 1000])
def test_counts_are_summed(monkeypatch, adata, dense, block):
    monkeypatch.setattr("scpi._screen._matrix._ROWS", block)
    if dense:
        adata.X = adata.X.toarray()
    samples = de.pseudobulk(adata, sample_key="donor", groupby="kind", min_cells=1)
    assert samples.obs_names.tolist() == ["d2_B", "d2_T", "d1_B", "d1_T", "d3_B", "d3_T"]
    assert sparse.issparse(samples.X) is not dense
    values = samples.X if dense else samples.X.toarray()
    for i, row in enumerate(samples.obs.itertuples()):
        cells = ((adata.obs["donor"] == row.donor) & (adata.obs["kind"] == row.kind)).to_numpy()
        np.testing.assert_array_equal(values[i], np.asarray(adata.X[cells].sum(axis=0)).ravel())
        assert row.n_cells == cells.sum()
    assert samples.obs["n_cells"].sum() == 199  # one cell has no kind
    assert samples.var.equals(adata.var)


def test_columns_that_are_constant_in_a_sample_stay(adata):
    samples = de.pseudobulk(adata, sample_key="donor", min_cells=1)
    assert samples.obs.columns.tolist() == ["donor", "n_cells", "sex", "age"]
    assert samples.obs["donor"].cat.categories.tolist() == ["d2", "d1", "d3"]
    assert samples.obs["sex"].tolist() == ["m", "f", "f"]
    np.testing.assert_array_equal(samples.obs["age"], [40.0, 30.0, np.nan])


def test_several_columns_name_a_sample(adata):
    samples = de.pseudobulk(adata, sample_key=["donor", "sex"], groupby=["kind", "donor"], min_cells=1)
    assert samples.obs_names[0] == "d2_m_B"


def test_small_samples_are_left_out(adata):
    sizes = adata.obs.groupby(["donor", "kind"], observed=True).size()
    samples = de.pseudobulk(adata, sample_key="donor", groupby="kind", min_cells=int(sizes.max()))
    assert samples.n_obs == (sizes == sizes.max()).sum()
    with pytest.raises(ValueError, match=r"None of the 6 samples of 'donor' x 'kind' has 500 cells or more"):
        de.pseudobulk(adata, sample_key="donor", groupby="kind", min_cells=500)


def test_the_result_survives_a_file(adata, tmp_path):
    samples = de.pseudobulk(adata, sample_key="donor", groupby="kind")
    samples.write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").obs["n_cells"].tolist() == samples.obs["n_cells"].tolist()


def test_layers_and_modalities(adata):
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X.multiply(0.37).tocsr()
    without = adata.copy()
    del without.layers["counts"]
    with pytest.raises(ValueError, match="`adata.X` must be counts"):
        de.pseudobulk(without, sample_key="donor")
    samples = de.pseudobulk(MuData({"rna": adata}), sample_key="donor", layer="counts", mod="rna")
    assert samples.X.sum() == adata.layers["counts"].sum()
    with pytest.raises(KeyError, match="no 'raw'"):
        de.pseudobulk(adata, sample_key="donor", layer="raw")
    with pytest.raises(KeyError, match="no column 'well'"):
        de.pseudobulk(adata, sample_key="well", layer="counts")
    with pytest.raises(ValueError, match="`sample_key` is empty"):
        de.pseudobulk(adata, sample_key=[], layer="counts")


def test_several_aggregations(adata):
    samples = de.pseudobulk(adata, sample_key="donor", min_cells=1, func=["mean", "sum", "count_nonzero", "median"])
    # The newest anndata lists X among the layers
    assert {*samples.layers} - {None} == {"mean", "sum", "count_nonzero", "median"}
    frame = pd.DataFrame(adata.X.toarray()).groupby(adata.obs["donor"].astype(str).to_numpy())
    donors = samples.obs["donor"].astype(str)
    expected = {"mean": frame.mean(), "sum": frame.sum(), "median": frame.median()}
    expected["count_nonzero"] = (
        pd.DataFrame(adata.X.toarray() != 0).groupby(adata.obs["donor"].astype(str).to_numpy()).sum()
    )
    for name, values in expected.items():
        found = samples.layers[name]
        found = found.toarray() if sparse.issparse(found) else found
        np.testing.assert_allclose(found, values.loc[donors].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(samples.X.toarray(), samples.layers["mean"].toarray())


def test_aggregations_are_those_of_scanpy(adata):
    logs = adata[adata.obs["kind"].notna()].copy()
    logs.X = logs.X.log1p()
    names = ["mean", "count_nonzero", "median"]
    theirs = sc.get.aggregate(logs, "donor", func=names)
    ours = de.pseudobulk(logs, sample_key="donor", min_cells=1, func=names)
    for name in names:
        found = ours.layers[name]
        found = found.toarray() if sparse.issparse(found) else found
        expected = theirs[ours.obs["donor"].astype(str)].layers[name]
        np.testing.assert_allclose(found, expected.toarray() if sparse.issparse(expected) else expected, rtol=1e-6)


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_aggregations_of_a_file_are_those_of_memory(adata, tmp_path, monkeypatch, form):
    monkeypatch.setattr("scpi._screen._blocks._BLOCK", 64)
    monkeypatch.setattr("scpi.de._aggregate._VALUES", 400)
    adata.X = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": lambda x: x.toarray()}[form](adata.X)
    adata.write_h5ad(tmp_path / "a.h5ad")
    names = ["sum", "mean", "median", "count_nonzero"]
    stored = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    found, expected = (de.pseudobulk(one, sample_key="donor", min_cells=1, func=names) for one in (stored, adata))
    stored.file.close()
    for name in names:
        first, second = (x.toarray() if sparse.issparse(x) else x for x in (found.layers[name], expected.layers[name]))
        np.testing.assert_allclose(first, second, rtol=1e-6)


def test_only_sums_need_counts(adata):
    adata.X = adata.X.log1p()
    assert {*de.pseudobulk(adata, sample_key="donor", func="mean", min_cells=1).layers} <= {None}
    with pytest.raises(ValueError, match="must be counts"):
        de.pseudobulk(adata, sample_key="donor", func=["mean", "sum"], min_cells=1)
    with pytest.raises(ValueError, match="`func` must be one or several of 'sum', 'mean'"):
        de.pseudobulk(adata, sample_key="donor", func="var")
