"""Structures of compounds as features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._features._rows import unit_rows
from scpi._optional import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RADIUS, _N_BITS = 2, 2048


def features_of_smiles(names: Sequence[str], smiles: Mapping[str, str]) -> tuple[Any, list[str]]:
    """Morgan fingerprints of compounds, perturbations x bits, and the numbers of the bits; it needs rdkit.

    A `ValueError` names what cannot be read.
    """
    chem = import_extra("rdkit.Chem")
    generator = import_extra("rdkit.Chem.rdFingerprintGenerator").GetMorganGenerator(radius=_RADIUS, fpSize=_N_BITS)
    bits = np.zeros((len(names), _N_BITS))
    for row, name in enumerate(names):
        if name in smiles:
            molecule = chem.MolFromSmiles(str(smiles[name]))
            if molecule is None:
                msg = f"{smiles[name]!r}, the structure of {name!r}, cannot be read as SMILES."
                raise ValueError(msg)
            bits[row] = generator.GetFingerprintAsNumPy(molecule)
    if not bits.any():
        msg = f"No perturbation has a structure: they are {list(names[:5])}, and `smiles` has {list(smiles)[:5]}."
        raise ValueError(msg)
    used = np.flatnonzero(bits.any(axis=0))
    return unit_rows(sparse.csr_matrix(bits[:, used])), [str(bit) for bit in used]
