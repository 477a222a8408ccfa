"""The setup of a MuData, made from that of an AnnData."""

from __future__ import annotations

import inspect

import pytest

import scpi

FAMILIES = ["SENAVAE", "MeanDelta", "SCZIDesk", "GeneProgramAE"]


@pytest.mark.parametrize("name", FAMILIES)
def test_it_takes_the_same_arguments_and_modalities(name):
    cls = getattr(scpi.model, name)
    of_anndata, of_mudata = (inspect.signature(method) for method in (cls.setup_anndata, cls.setup_mudata))
    first, *arguments, rest = of_anndata.parameters.values()
    found = list(of_mudata.parameters.values())
    assert (first.name, found[0].name, found[0].annotation) == ("adata", "mdata", "MuData")
    assert found[1:-2] == arguments
    assert (found[-2].name, found[-1]) == ("modalities", rest)
    assert of_mudata.return_annotation == "None"
    assert cls.setup_mudata.__name__ == "setup_mudata"


@pytest.mark.parametrize("name", FAMILIES)
def test_its_docstring_has_an_example_of_modalities(name):
    text = getattr(scpi.model, name).setup_mudata.__doc__
    assert "``{'layer': 'rna'}`` takes the expression" in text
    assert ("and what ``gene_sets_key``" in text) is (name != "SCZIDesk")
    assert "%(" not in text
