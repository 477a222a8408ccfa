"""Predicted cells that are compared with the cells that they were predicted from."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def warn_of_source_cells(
    obs: pd.DataFrame,
    codes: NDArray[np.integer],
    references: Sequence[int] | None,
    *,
    splits: NDArray[np.integer] | None = None,
) -> None:
    """Warn if predicted cells are compared with the cells that they were predicted from.

    Parameters
    ----------
    obs
        Annotations of the cells. Measured cells have no source.
    codes
        Group of each cell; negative for excluded cells.
    references
        Codes of the groups that the others are compared with; all groups are compared with each other if `None`.
    splits
        Code of the split within which each cell is compared, if there are splits.
    """
    if Key.obs.SOURCE_CELL not in obs:
        return
    source = obs[Key.obs.SOURCE_CELL]
    measured = source.isna().to_numpy()
    compared = codes >= 0
    refers = compared if references is None else np.isin(codes, references)
    tested = compared if references is None else compared & ~refers
    predicted, others = np.flatnonzero(tested & ~measured), np.flatnonzero(refers & measured)
    if not len(predicted) or not len(others):
        return
    sources = pd.Index(source.iloc[predicted].astype(str))
    for names in _spellings(obs.index[others].astype(str)):
        once = ~names.duplicated()
        place = names[once].get_indexer(sources)
        own = others[once][place]
        same = (place >= 0) & (codes[own] != codes[predicted])
        if splits is not None:
            same &= splits[own] == splits[predicted]
        if n := int(same.sum()):
            warn_user(
                f"{n} predicted cells are tested against the cells that they were predicted from "
                f"(obs[{Key.obs.SOURCE_CELL!r}]). Both share their noise, so that p-values are far too small. Split the "
                "control cells: predict from one half (`predict(controls[half], ...)`) and test against the other."
            )
            return


def _spellings(names: pd.Index) -> list[pd.Index]:
    """Names of cells as they are, and without the ends that `anndata.concat(index_unique=)` may have appended."""
    common = os.path.commonprefix([name[::-1] for name in names])[::-1]
    ends = [common[place.start() :] for place in re.finditer(r"[-_.:|]", common)]
    return [names, *(names.str.slice(0, -len(end)) for end in ends)]
