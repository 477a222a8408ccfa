from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 4), dtype=np.float32))
    adata.var_names = ["a", "b", "c", "d"]
    scores = [[1.0, 0.0], [-3.0, 2.0], [2.0, 0.0], [0.0, -1.0]]
    adata.varm["saliency"] = pd.DataFrame(scores, index=adata.var_names, columns=["u0", "u1"])
    return adata


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, {"u0": "bca", "u1": "bd"}),
        ({"top_n": 1}, {"u0": "b", "u1": "b"}),
        ({"sign": "positive"}, {"u0": "ca", "u1": "b"}),
        ({"sign": "negative"}, {"u0": "b", "u1": "d"}),
        ({"units": ["u1"]}, {"u1": "bd"}),
    ],
)
def test_the_first_genes_of_each_unit(adata, kwargs, expected):
    frame = scpi.get.programs(adata, **kwargs)
    assert frame.groupby("unit")["gene"].agg("".join).to_dict() == expected
    assert frame["rank"].tolist() == [i for genes in expected.values() for i in range(1, len(genes) + 1)]
    place = {name: i for i, name in enumerate(adata.var_names)}
    for row in frame.itertuples():
        assert row.score == adata.varm["saliency"][row.unit].iloc[place[row.gene]]


def test_a_unit_that_cannot_be_negative_begins_with_what_it_raises(adata):
    adata.uns["saliency"] = {"params": {"non_negative": True}}
    found = scpi.get.programs(adata).groupby("unit")["gene"].agg("".join)
    assert found.to_dict() == {"u0": "cab", "u1": "bd"}
    assert scpi.get.programs(adata, top_n=1)["gene"].tolist() == ["c", "b"]


def test_a_lowered_set_does_not_describe_a_program_of_raised_genes(adata, tmp_path):
    adata.uns["unit_annotation"] = {"units": ["u0", "u1"], "sets": ["HYPOXIA", "HEME"], "zscore": [-5.0, 5.0]}
    path = scpi.get.write_programs(adata, tmp_path / "p.gmt", top_n=2)
    assert path.read_text() == "u0\tHYPOXIA\tb\tc\nu1\tHEME\tb\td\n"
    adata.uns["saliency"] = {"params": {"non_negative": True}}
    scpi.get.write_programs(adata, path, top_n=2)
    assert path.read_text() == "u0\tna\tc\ta\nu1\tHEME\tb\td\n"


def test_programs_of_an_array_have_the_names_in_uns(adata):
    adata.varm["other"] = adata.varm["saliency"].to_numpy()
    assert scpi.get.programs(adata, key="other")["unit"].unique().tolist() == ["0", "1"]
    adata.uns["other"] = {"units": np.array(["x", "y"])}
    assert scpi.get.programs(adata, key="other")["unit"].unique().tolist() == ["x", "y"]
    adata.uns["other"] = {"units": np.array(["x", "x"])}
    with pytest.raises(ValueError, match="2 units, but 1 different names"):
        scpi.get.programs(adata, key="other")


def test_a_gmt_of_programs_can_be_read_again(adata, tmp_path):
    adata.uns["unit_annotation"] = {"units": np.array(["u0", "u1"]), "sets": np.array(["HYPOXIA", ""])}
    path = scpi.get.write_programs(adata, tmp_path / "p.gmt", top_n=2)
    assert path.read_text() == "u0\tHYPOXIA\tb\tc\nu1\tna\tb\td\n"
    scpi.get.write_programs(adata, str(path), split_signs=True)
    assert [line.split("\t")[0] for line in path.read_text().splitlines()] == ["u0_up", "u1_up", "u0_down", "u1_down"]
    # A set that a unit lowers describes the genes that fall
    for z, expected in ((5.0, ["HYPOXIA", "na", "na", "na"]), (-5.0, ["na", "na", "HYPOXIA", "na"])):
        adata.uns["unit_annotation"]["zscore"] = np.array([z, 0.0])
        scpi.get.write_programs(adata, path, split_signs=True)
        assert [line.split("\t")[1] for line in path.read_text().splitlines()] == expected
    scpi.tl.gene_sets(adata, path, min_size=1, key_added="again")
    members = pd.DataFrame(adata.varm["again"].toarray(), index=adata.var_names, columns=adata.uns["again"]["names"])
    assert members.index[members["u0_up"]].tolist() == ["a", "c"]
    assert members.index[members["u1_down"]].tolist() == ["d"]


def test_bad_input_is_explained(adata):
    with pytest.raises(ValueError, match="no unit 'u7', only 'u0', 'u1'"):
        scpi.get.programs(adata, units="u7")
    with pytest.raises(ValueError, match="`sign` must be one of"):
        scpi.get.programs(adata, sign="up")
    with pytest.raises(ValueError, match="`top_n` must be at least 1"):
        scpi.get.programs(adata, top_n=0)
    with pytest.raises(KeyError, match="scpi.tl.saliency"):
        scpi.get.programs(adata, key="nothing")
