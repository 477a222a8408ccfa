"""A model with a field of its own."""

from __future__ import annotations

import inspect

import mudata
import numpy as np
import pytest

import scpi
from scpi.model.base import Field, LabelField, ScreenModel


class Guides(scpi.model.NoChange):
    """A model that reads guides."""

    _fields = (
        *ScreenModel._fields,
        Field(argument="guide_key", registry_key="guide", make=LabelField, description="Column with the guide."),
    )


@pytest.fixture
def cells(make_screen):
    adata = make_screen()
    adata.obs["sgRNA"] = [f"guide{index % 3}" for index in range(adata.n_obs)]
    return adata


def read(model):
    return np.asarray(model.adata_manager.get_from_registry("guide")).ravel()


def test_both_setups_take_the_argument(cells):
    Guides.setup_anndata(cells, guide_key="sgRNA", context_key="cell_type")
    model = Guides(cells)
    assert model.registry["setup_args"]["guide_key"] == "sgRNA"
    np.testing.assert_array_equal(read(model), np.arange(cells.n_obs) % 3)
    mdata = mudata.MuData({"rna": cells.copy()})
    modalities = dict.fromkeys(["layer", "perturbation_key", "guide_key"], "rna")
    Guides.setup_mudata(mdata, guide_key="sgRNA", modalities=modalities)
    np.testing.assert_array_equal(read(Guides(mdata)), read(model))


def test_the_argument_is_optional_and_the_family_does_not_have_it(cells):
    Guides.setup_anndata(cells)
    assert "guide" not in Guides(cells).registry["field_registries"]
    assert "guide_key" not in inspect.signature(ScreenModel.setup_anndata).parameters


@pytest.mark.parametrize("method", ["setup_anndata", "setup_mudata"])
def test_signature_and_docstring_have_the_argument(method):
    function = getattr(Guides, method)
    names = list(inspect.signature(function).parameters)
    family = list(inspect.signature(getattr(ScreenModel, method)).parameters)
    assert [name for name in names if name != "guide_key"] == family
    assert inspect.signature(function).parameters["guide_key"].default is None
    assert "guide_key" in function.__doc__
    assert function.__qualname__ == f"Guides.{method}"
    assert "Column with the guide." in Guides.setup_anndata.__doc__


def test_a_saved_model_has_the_field(cells, quiet, tmp_path):
    Guides.setup_anndata(cells, guide_key="sgRNA")
    model = Guides(cells)
    model.train(**quiet)
    model.save(tmp_path / "model")
    loaded = Guides.load(tmp_path / "model", adata=cells.copy())
    np.testing.assert_array_equal(read(loaded), read(model))
    new = cells[::-1].copy()
    assert loaded.predict(new, perturbation="A", n_cells=3, output="mean").n_obs == 3
    del new.obs["sgRNA"]
    with pytest.raises(KeyError, match="sgRNA"):
        Guides.load(tmp_path / "model", adata=new)
