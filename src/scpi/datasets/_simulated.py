"""What the simulators share: checks of their numbers, and cells and genes with numbered names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scipy import sparse


def check_numbers(requirement: str, passes: Callable[[Any], Any], **values: float | Sequence[float]) -> None:
    """Raise an error that names the first parameter that violates a requirement."""
    for name, value in values.items():
        if not np.all(passes(np.asarray(value, dtype=np.float64))):
            msg = f"`{name}` must be {requirement}, but is {value!r}."
            raise ValueError(msg)


def numbered(what: str, n: int) -> list[str]:
    """Names such as `Cell1`, `Cell2`, ..."""
    return [f"{what}{i + 1}" for i in range(n)]


def simulated(counts: sparse.csr_matrix, obs: Mapping[str, Any], var: Mapping[str, Any]) -> AnnData:
    """Counts, cells x genes, with the columns of `obs` and `var`, and with numbered names of cells and genes."""
    cells, genes = (numbered(what, n) for what, n in zip(("Cell", "Gene"), counts.shape, strict=True))
    return AnnData(counts, obs=pd.DataFrame(obs, index=cells), var=pd.DataFrame(var, index=genes))
