"""Which compounds were measured in which cell types, and which compounds are alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CELL_TYPES = ("B cells", "Myeloid cells", "NK cells", "T cells")
VEHICLE = "Dimethyl Sulfoxide"
COMPOUND, CELL_TYPE, SMILES, SPLIT, GROUP = "sm_name", "cell_type", "SMILES", "split", "chemical_group"
_OTHER_NAMES = {"drug_name": COMPOUND, "smiles": SMILES}
_WORD = 4
_PER_GROUP = 4
# Fractions of the conditions of the cell types that are not measured under every compound
_TRAINED, _PUBLIC = 0.09, 0.36


def read_design(design: pd.DataFrame | str | Path | None, n_compounds: int, rng: np.random.Generator) -> pd.DataFrame:
    """One row per condition, with the columns of OP3 and the group of each compound; simulated if ``None``.

    A `ValueError` says if columns are missing, a condition stands twice, or the vehicle is among the compounds.
    """
    if design is None:
        return _simulated_design(n_compounds, rng)
    table = design if isinstance(design, pd.DataFrame) else pd.read_csv(Path(design))
    table = table.rename(columns={old: new for old, new in _OTHER_NAMES.items() if new not in table})
    missing = [name for name in (COMPOUND, CELL_TYPE) if name not in table]
    if missing or table.empty:
        msg = f"The design must have one row per condition, but lacks {listed(missing) if missing else 'rows'}."
        raise ValueError(msg)
    table = table.astype({COMPOUND: str, CELL_TYPE: str}).reset_index(drop=True)
    if table.duplicated([COMPOUND, CELL_TYPE]).any() or (table[COMPOUND] == VEHICLE).any():
        msg = f"Each condition must stand in the design once, and {VEHICLE!r}, which is added, not at all."
        raise ValueError(msg)
    if GROUP not in table:
        compounds = table.drop_duplicates(COMPOUND).set_index(COMPOUND)
        groups = similar_groups(compounds[SMILES]) if SMILES in table else _drawn_groups(len(compounds), rng)
        table[GROUP] = table[COMPOUND].map(dict(zip(compounds.index, groups, strict=True)))
    return table


def similar_groups(smiles: Sequence[str], *, per_group: int = _PER_GROUP) -> list[str]:
    """Groups of compounds that have many words of four characters of their SMILES in common.

    These words tell related structures apart about as well as fingerprints do (Vidal et al., J. Chem. Inf. Model. 45,
    2005). Distances are those of Tanimoto, and groups are joined by their average.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    texts = [str(text) for text in smiles]
    if len(texts) < 2:
        return ["group1"] * len(texts)
    sets = [{text[i : i + _WORD] for i in range(max(1, len(text) - _WORD + 1))} for text in texts]
    apart = np.array([[1.0 - len(a & b) / len(a | b) for b in sets] for a in sets])
    tree = linkage(squareform(apart, checks=False), method="average")
    n_groups = max(1, round(len(texts) / per_group))
    return [f"group{code}" for code in fcluster(tree, n_groups, criterion="maxclust")]


def _drawn_groups(n: int, rng: np.random.Generator) -> list[str]:
    return [f"group{code + 1}" for code in rng.integers(max(1, round(n / _PER_GROUP)), size=n)]


def _simulated_design(n_compounds: int, rng: np.random.Generator) -> pd.DataFrame:
    """All compounds in all four cell types; in two of these, few are for training."""
    names = [f"compound{i + 1}" for i in range(n_compounds)]
    table = pd.DataFrame(
        [(name, cell_type) for name in names for cell_type in CELL_TYPES], columns=[COMPOUND, CELL_TYPE]
    )
    drawn = pd.Series(rng.random(n_compounds), index=names)[table[COMPOUND]].to_numpy()
    partial: NDArray[np.bool_] = table[CELL_TYPE].isin(CELL_TYPES[:2]).to_numpy()
    splits = np.select([drawn < _TRAINED, drawn < _TRAINED + _PUBLIC], ["train", "public_test"], "private_test")
    table[SPLIT] = np.where(partial, splits, "train")
    table[GROUP] = table[COMPOUND].map(dict(zip(names, _drawn_groups(n_compounds, rng), strict=True)))
    return table
