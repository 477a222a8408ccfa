from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData

from scpi._view import View


@pytest.fixture
def adata():
    counts = np.random.default_rng(0).poisson(2.0, (6, 4)).astype(float)
    adata = ad.AnnData(np.log1p(counts), layers={"counts": counts})
    adata.obs["group"] = ["a", "b", "c"] * 2
    return adata


def test_each_part_is_read_once(adata):
    view = View.of(adata, layer="counts")
    assert view.adata is view.data is adata
    assert view.counts is view.counts
    np.testing.assert_array_equal(view.matrix, adata.layers["counts"])
    assert view.name == "adata.layers['counts']"
    assert view.genes.tolist() == ["0", "1", "2", "3"]
    assert view.labels("group").categories.tolist() == ["a", "b", "c"]


def test_what_is_not_there_is_named_when_it_is_asked_for(adata):
    view = View.of(adata, layer="raw")
    with pytest.raises(KeyError, match="has no 'raw'"):
        view.source  # noqa: B018
    with pytest.raises(KeyError, match="`covariates` names 'x', but `obs` has no column 'x', only 'group'"):
        view.columns(["x", "group", "y"], "covariates")
    del adata.X
    with pytest.raises(ValueError, match=r"`adata.X` is empty: name the layer"):
        View.of(adata).counts  # noqa: B018


def test_expression_is_made_for_a_test(adata):
    adata.uns["log1p"] = {"base": 2}
    assert View.of(adata).expression().log_base == 2
    assert View.of(adata, layer="counts").expression().transform == "log1p_norm"
    assert View.of(adata, layer="counts").stored_expression("counts").log_base is None


def test_raw_is_named_where_it_holds_something_better(adata):
    adata.raw = adata
    adata.X = adata.X - adata.X.mean(0)
    with pytest.raises(
        ValueError, match=r"negative.*`adata.raw` holds log-normalised expression: give `adata.raw.to_adata"
    ):
        View.of(adata).counts  # noqa: B018
    with pytest.raises(ValueError, match="negative") as error:
        View.of(adata, layer="counts").check_counts(np.array([[-1.0]]))
    assert "raw.to_adata" not in str(error.value)


def test_columns_and_results_of_a_modality(adata):
    mdata = MuData({"rna": adata})
    mdata.obs["batch"] = list("xyxyxy")
    view = View.of(mdata, "rna")
    assert view.columns(["batch", "group"], "covariates").columns.tolist() == ["batch", "group"]
    nothing, target = view.output(copy=False)
    assert nothing is None and target is mdata["rna"]
    copied, target = view.output(copy=True)
    assert target is copied["rna"] and target is not adata


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("others", ["predicted", "measured"])
def test_predictions_of_means_are_no_cells(adata, join, others):
    means, cells = adata.copy(), adata.copy()
    means.obs["predicted_output"] = pd.Categorical(["mean"] * 6)
    if others == "predicted":
        cells.obs["predicted_output"] = pd.Categorical(["log"] * 6)
    both = ad.concat({"a": means, "b": cells}, join=join, index_unique="-")
    if join == "inner" and others == "measured":
        # Concatenation keeps what all parts have
        assert "predicted_output" not in both.obs
        _ = View.of(both).matrix
        return
    for part in (means, both):
        with pytest.warns(UserWarning, match="what a model expects of cells, not cells"):
            _ = View.of(part).matrix
    _ = View.of(both[6:]).matrix
    _ = View.of(both, layer="counts").matrix


def test_cells_that_were_drawn_or_measured_are_cells(adata):
    _ = View.of(adata).matrix
    adata.obs["predicted_output"] = pd.Categorical(["log"] * 6)
    _ = View.of(adata).matrix


@pytest.mark.parametrize("of", ["AnnData", "MuData"])
def test_results_are_written_to_a_view_without_a_warning(adata, of):
    whole = adata if of == "AnnData" else MuData({"rna": adata})
    data = whole[:4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, target = View.of(data, None if of == "AnnData" else "rna").output(copy=False)
        target.uns["result"] = {"a": 1}
    assert target.n_obs == 4 and not target.is_view and "result" not in adata.uns
    assert (data if of == "AnnData" else data["rna"]).uns["result"] == {"a": 1}
