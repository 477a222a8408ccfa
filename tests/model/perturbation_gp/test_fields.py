from __future__ import annotations

import anndata as ad
import mudata
import numpy as np
import pytest
from scipy import sparse

from scpi._features import write_features
from scpi.model import PerturbationGP
from scpi.model.perturbation_gp._fields import FeaturesField, read_state


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(
        rng.poisson(3, (40, 5)).astype(np.float32), obs={"perturbation": ["control", "A", "B", "A+B"] * 10}
    )
    sources = {
        "sets": (sparse.csr_matrix([[1.0, 0], [0, 1], [0.6, 0.8]]), ["s", "t"]),
        "table": (np.eye(3), list("xyz")),
    }
    write_features(adata, "perturbation_features", ["A", "C", "D"], sources, params={})
    return adata


def test_what_is_described_is_known(adata):
    PerturbationGP.setup_anndata(adata)
    model = PerturbationGP(adata)
    assert model.perturbations_ == ["A", "B", "C", "D"]
    sources = model._sources()
    np.testing.assert_allclose(sources["sets"].toarray(), [[1, 0], [0, 0], [0, 1], [0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(sources["table"], [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert model.summary_stats["n_feature_sources"] == 2


def test_features_are_optional_where_they_have_their_usual_name(adata):
    stored = adata.uns.pop("perturbation_features")
    PerturbationGP.setup_anndata(adata)
    assert PerturbationGP(adata).perturbations_ == ["A", "B"]
    with pytest.raises(KeyError, match=r"`adata.uns\['mine'\]` does not exist.*scpi.tl.perturbation_features"):
        PerturbationGP.setup_anndata(adata, features_key="mine")
    adata.uns["mine"] = stored
    PerturbationGP.setup_anndata(adata, features_key="mine")
    assert PerturbationGP(adata).perturbations_ == ["A", "B", "C", "D"]
    PerturbationGP.setup_anndata(adata, features_key=None)
    assert PerturbationGP(adata).perturbations_ == ["A", "B"]
    assert PerturbationGP(adata)._sources() == {}


def test_a_state_is_read_as_it_was_registered(adata):
    field = FeaturesField("features", "perturbation_features")
    state = field.register_field(adata)
    found = read_state(state)
    assert found.names == ["A", "C", "D"]
    np.testing.assert_allclose(found.sources["sets"].toarray(), [[1, 0], [0, 1], [0.6, 0.8]], rtol=1e-6)
    # New data needs none
    assert field.transfer_field(state, ad.AnnData(np.ones((1, 1)))) is state


@pytest.mark.parametrize("where", ["rna", None])
def test_features_of_a_modality(adata, where):
    data = mudata.MuData({"rna": adata})
    data.obs["perturbation"] = adata.obs["perturbation"].to_numpy()
    PerturbationGP.setup_mudata(data, modalities={"layer": "rna", "perturbation_key": where})
    model = PerturbationGP(data)
    assert model.perturbations_ == ["A", "B", "C", "D"]
    model.train()
    assert model.predict(perturbation="C+A", n_cells=3).n_obs == 3
