"""Scaffolds of compounds."""

from __future__ import annotations

from scpi._optional import import_extra


def scaffold(smiles: str) -> str:
    """Bemis-Murcko scaffold of a compound, as SMILES; the compound itself if it has no ring.

    This needs rdkit. A `ValueError` shows the SMILES that cannot be read.
    """
    murcko = import_extra("rdkit.Chem.Scaffolds.MurckoScaffold")
    try:
        return str(murcko.MurckoScaffoldSmiles(smiles)) or smiles
    except ValueError as error:
        msg = f"{smiles!r} cannot be read as SMILES: {error}"
        raise ValueError(msg) from error
