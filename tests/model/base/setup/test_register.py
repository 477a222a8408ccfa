"""Registration of AnnData and MuData by the declared fields of a model."""

from __future__ import annotations

import anndata as ad
import mudata
import numpy as np
import pytest

import scpi


@pytest.fixture
def make_mdata(make_screen):
    def make():
        rna = make_screen()
        protein = ad.AnnData(np.ones((rna.n_obs, 2), dtype=np.float32), obs=rna.obs[[]].copy())
        return mudata.MuData({"rna": rna, "protein": protein})

    return make


@pytest.mark.parametrize("name", ["Additive", "ContrastiveSC", "GeneProgramAE"])
def test_the_setup_of_the_other_kind_of_data_is_named(name, make_mdata):
    mdata = make_mdata()
    cls = getattr(scpi.model, name)
    with pytest.raises(TypeError, match=r"`setup_anndata` was given MuData: call `setup_mudata\(mdata, modalities="):
        cls.setup_anndata(mdata)
    with pytest.raises(TypeError, match=r"`setup_mudata` was given AnnData: call `setup_anndata\(adata\)`"):
        cls.setup_mudata(mdata.mod["rna"], modalities={"layer": "rna"})


@pytest.mark.parametrize(
    ("name", "setup", "argument"),
    [
        ("Additive", {}, "perturbation_key"),
        ("Additive", {"perturbation_key": "in_both", "dose_key": "dose"}, "dose_key"),
        ("Additive", {"perturbation_key": "in_both", "context_key": "cell_type"}, "context_key"),
        ("GeneProgramAE", {"batch_key": "batch"}, "batch_key"),
        ("ContrastiveSC", {"size_factor_key": "depth"}, "size_factor_key"),
    ],
)
def test_a_column_of_a_modality_is_found_by_its_message(name, setup, argument, make_mdata):
    mdata = make_mdata()
    mdata.obs["in_both"] = mdata.mod["rna"].obs["perturbation"]
    columns = list(mdata.obs)
    with pytest.raises(KeyError, match=rf"of `mdata\.mod\['rna'\]\.obs`: say so by `modalities=.*'{argument}': 'rna'"):
        getattr(scpi.model, name).setup_mudata(mdata, modalities={"layer": "rna"}, **setup)
    assert list(mdata.obs) == columns


def test_doses_are_read_where_labels_are(make_mdata):
    mdata = make_mdata()
    mdata.obs["perturbation"] = mdata.mod["rna"].obs["perturbation"]
    with pytest.raises(ValueError, match="`dose_key` is read where `perturbation_key` is"):
        scpi.model.Additive.setup_mudata(mdata, modalities={"layer": "rna", "dose_key": "rna"}, dose_key="dose")
