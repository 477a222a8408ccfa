from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

from scpi._mudata import resolve_modality


@pytest.fixture
def rna():
    return AnnData(np.ones((3, 2), dtype=np.float32))


@pytest.fixture
def mdata(rna):
    protein = AnnData(np.ones((3, 1), dtype=np.float32))
    protein.var_names = ["CD4"]
    return MuData({"rna": rna, "protein": protein})


def test_an_anndata_is_returned_as_it_is(rna):
    assert resolve_modality(rna, None) is rna


def test_an_anndata_has_no_modality(rna):
    with pytest.raises(ValueError, match="mod='rna'.*AnnData"):
        resolve_modality(rna, "rna")


def test_a_modality_is_the_one_of_the_mudata(mdata):
    resolve_modality(mdata, "rna").obs["seen"] = 1
    assert "seen" in mdata.mod["rna"].obs


@pytest.mark.parametrize(("mod", "given"), [(None, "mod= is missing"), ("atac", "mod='atac' is not")])
def test_the_modalities_are_listed(mdata, mod, given):
    with pytest.raises(ValueError, match=f"{given}.*'rna', 'protein'"):
        resolve_modality(mdata, mod)


def test_another_type_is_refused():
    with pytest.raises(TypeError, match="not ndarray"):
        resolve_modality(np.ones(2), None)
