from __future__ import annotations

import sys

import numpy as np
import pytest

from scpi._features._fingerprints import features_of_smiles


def test_compounds_are_similar_by_their_structure():
    pytest.importorskip("rdkit")
    smiles = {"ethanol": "CCO", "propanol": "CCCO", "benzene": "c1ccccc1"}
    values, bits = features_of_smiles([*smiles, "unknown"], smiles)
    similar = (values @ values.T).toarray()
    assert similar[0, 1] > similar[0, 2]
    np.testing.assert_allclose(np.diag(similar), [1, 1, 1, 0], rtol=1e-5)
    assert values.shape[1] == len(bits)


def test_what_cannot_be_read_is_named():
    pytest.importorskip("rdkit")
    with pytest.raises(ValueError, match=r"'C\(C', the structure of 'drug', cannot be read"):
        features_of_smiles(["drug"], {"drug": "C(C"})
    with pytest.raises(ValueError, match=r"No perturbation has a structure: they are \['A'\]"):
        features_of_smiles(["A"], {"drug": "C"})


def test_rdkit_is_asked_for(monkeypatch):
    for name in ("rdkit", "rdkit.Chem"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="pip install rdkit"):
        features_of_smiles(["A"], {"A": "C"})
