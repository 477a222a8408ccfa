from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData

import scpi


class FakeModel:
    """Three factors; P0 and P2 act on factor_2, P1 on factor_0, nothing on factor_1."""

    edges = pd.DataFrame(
        {"source": ["factor_0", "factor_0", "factor_1"], "target": ["factor_2", "factor_1", "factor_2"]}
    ).assign(weight=[-0.9, 0.4, 0.1])
    assignment = pd.DataFrame(
        [[0.1, 0.0, 0.9], [0.8, 0.1, 0.1], [0.2, 0.2, 0.6]],
        index=pd.Index(["P0", "P1", "P2"], name="perturbation"),
        columns=["factor_0", "factor_1", "factor_2"],
    )

    def get_edge_stability(self, *, n_draws, seed):
        assert n_draws == 100
        return self.edges.assign(stability=[0.9, 0.5, 0.8])

    def get_causal_graph(self, *, threshold=None, top_n=None):
        edges = self.edges if threshold is None else self.edges[self.edges["weight"].abs() >= threshold]
        return edges if top_n is None else edges.head(top_n)

    def get_intervention_targets(self):
        # In another order than the assignment
        order = ["P2", "P0", "P1"]
        p = self.assignment.loc[order]
        return pd.DataFrame(
            {
                "perturbation": order,
                "factor": p.idxmax(axis=1).to_numpy(),
                "probability": p.max(axis=1).to_numpy(),
                "strength": [0.5, -2.0, 1.0],
                "entropy": [0.9, 0.3, 0.6],
            }
        )

    def get_intervention_assignment(self):
        return self.assignment

    def get_factor_pathways(self, *, top_n=10):
        rows = [(f, f"{f}_set{r}", 1.0 / r, r) for f in self.assignment.columns for r in range(1, top_n + 1)]
        return pd.DataFrame(rows, columns=["factor", "set", "weight", "rank"]).sample(frac=1.0, random_state=0)


@pytest.fixture
def adata():
    return ad.AnnData(np.ones((3, 2), dtype=np.float32))


def test_the_parts_of_the_graph(adata):
    assert scpi.tl.causal_graph(adata, FakeModel(), n_sets=2) is None
    stored = adata.uns["causal_graph"]
    factors = stored["factors"].set_index("factor")
    assert factors.index.tolist() == ["factor_0", "factor_1", "factor_2"]
    assert factors["n_targets"].tolist() == [1, 0, 2]
    assert factors["targets"].tolist() == ["P1", "", "P2;P0"]
    assert factors.loc["factor_2", "top_sets"] == "factor_2_set1;factor_2_set2"
    assert stored["targets"]["perturbation"].tolist() == ["P2", "P0", "P1"]
    # Rows in the order of the targets
    np.testing.assert_array_equal(stored["assignment"], [[0.2, 0.2, 0.6], [0.1, 0.0, 0.9], [0.8, 0.1, 0.1]])
    assert stored["params"] == {"model": "FakeModel", "n_sets": 2, "n_draws": 100}
    pd.testing.assert_frame_equal(stored["edges"], FakeModel.edges.assign(stability=[0.9, 0.5, 0.8]))


def test_edges_can_be_limited(adata):
    scpi.tl.causal_graph(adata, FakeModel(), threshold=0.3)
    assert len(adata.uns["causal_graph"]["edges"]) == 2
    assert adata.uns["causal_graph"]["params"]["threshold"] == 0.3
    scpi.tl.causal_graph(adata, FakeModel(), top_n=1)
    assert len(adata.uns["causal_graph"]["edges"]) == 1


def test_a_model_needs_no_gene_sets(adata):
    class WithoutSets(FakeModel):
        gene_set_names_ = ()

        def get_factor_pathways(self, *, top_n=10):
            raise ValueError

    scpi.tl.causal_graph(adata, WithoutSets())
    assert adata.uns["causal_graph"]["factors"]["top_sets"].tolist() == ["", "", ""]
    with pytest.raises(ValueError, match="negative"):
        scpi.tl.causal_graph(adata, WithoutSets(), n_sets=-1)


def test_a_copy_leaves_the_input_alone(adata):
    result = scpi.tl.causal_graph(adata, FakeModel(), copy=True, key_added="g")
    assert list(adata.uns) == []
    assert list(result.uns) == ["g"]


def test_a_failure_writes_nothing(adata):
    class Broken(FakeModel):
        def get_factor_pathways(self, *, top_n=10):
            msg = "broken"
            raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="broken"):
        scpi.tl.causal_graph(adata, Broken())
    assert list(adata.uns) == []


def test_a_modality(adata):
    mdata = MuData({"rna": adata})
    scpi.tl.causal_graph(mdata, FakeModel(), mod="rna")
    assert len(scpi.get.causal_graph(mdata, mod="rna")) == 3


@pytest.mark.parametrize("empty", [False, True])
def test_it_survives_a_file(adata, tmp_path, empty):
    scpi.tl.causal_graph(adata, FakeModel(), threshold=10.0 if empty else None)
    expected = adata.uns["causal_graph"]
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        stored = again.uns["causal_graph"]
        np.testing.assert_array_equal(stored["assignment"], expected["assignment"])
        for part in ("factors", "targets", "edges"):
            assert stored[part].astype(str).to_dict("list") == expected[part].astype(str).to_dict("list")
        assert scpi.get.intervention_targets(again)["factor"].tolist() == ["factor_2", "factor_2", "factor_0"]
        assert len(scpi.get.causal_graph(again)) == (0 if empty else 3)
