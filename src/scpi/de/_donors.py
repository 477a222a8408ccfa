"""Donors of samples: technical replicates, and on which sides of a comparison a donor has samples."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._screen._blocks import sum_cells
from scpi._slots import listed
from scpi._warn import warn_user
from scpi.de._pseudobulk import constant_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.de._sample_models import Question

logger = logging.getLogger(__name__)

# Column names that count as donors, for warnings only
_DONOR = re.compile(r"^(donor|patient|subject|individual|participant|animal|mouse)([._ -]?(id|name))?$", re.IGNORECASE)


def find_donors(samples: pd.DataFrame, question: Question) -> str | None:
    """Find the column with the donor of each sample: the given one, or the only sample column.

    Raises
    ------
    ValueError
        If the donor is unknown in some samples, or differs within one.
    """
    name = question.donor_key
    if name is None:
        made_of = question.sample_columns
        return made_of[0] if len(made_of) == 1 and made_of[0] != question.groupby else None
    if name not in samples:
        msg = f"`donor_key` is {name!r}, which differs between the cells of a sample: add it to `sample_key`."
        raise ValueError(msg)
    if samples[name].isna().any():
        msg = f"`donor_key` is {name!r}, which has no value in {int(samples[name].isna().sum())} samples: leave those out."
        raise ValueError(msg)
    return name


def sum_replicates(
    samples: pd.DataFrame, counts: Any, labels: Sequence[str], needed: Sequence[str]
) -> tuple[pd.DataFrame, Any]:
    """Sum the samples of one donor under the same labels.

    Parameters
    ----------
    samples, counts
        Samples, and their counts, samples x genes.
    labels
        Columns of the donor, the group and the split.
    needed
        Covariates.

    Returns
    -------
    One sample per donor and labels.

    Raises
    ------
    ValueError
        If a covariate differs between samples that are summed.
    """
    keys = samples[list(labels)].astype(str)
    codes = keys.groupby(list(labels), sort=False).ngroup().to_numpy()
    n = int(codes.max()) + 1
    if n == len(samples):
        return samples, counts
    obs = constant_columns(samples.reset_index(drop=True), codes)
    varied = [name for name in needed if name not in obs]
    if varied:
        msg = (
            f"`covariates` {listed(varied)} differ between samples of a donor that are summed. Give block={labels[0]!r} to "
            "keep these samples separate, or omit the covariates."
        )
        raise ValueError(msg)
    if Key.obs.N_CELLS in samples:
        obs[Key.obs.N_CELLS] = np.bincount(codes, weights=samples[Key.obs.N_CELLS]).astype(int)
    first = np.unique(codes, return_index=True)[1]
    obs.index = pd.Index(["_".join(row) for row in keys.iloc[first].to_numpy()])
    return obs, sum_cells(counts, codes, n)


def warn_of_replicates(samples: pd.DataFrame, labels: Sequence[str], named: Sequence[str | None]) -> None:
    """Warn if samples outnumber their apparent donors, and no argument names the donors.

    Parameters
    ----------
    samples
        Samples.
    labels
        Columns of the design.
    named
        Columns that arguments use as donors, or adjust for.
    """
    for name in samples:
        if name in named or name in labels or not _DONOR.match(str(name)):
            continue
        largest = int(samples.groupby(list(dict.fromkeys([name, *labels])), observed=True).size().max())
        if largest > 1:
            warn_user(
                f"{len(samples)} samples count as independent, but come from {samples[name].nunique()} donors, if "
                f"obs[{name!r}] identifies these: up to {largest} of one donor in the same group. donor_key={name!r} sums "
                f"them; block={name!r} of `limma` keeps them separate, as correlated samples."
            )


def say_pairing(samples: pd.DataFrame, donor: str, groupby: str, *, as_covariate: bool, as_block: bool) -> None:
    """Report that a design is paired, whether the model accounts for it, and which donors lack groups.

    Parameters
    ----------
    samples
        Samples.
    donor, groupby
        Columns.
    as_covariate, as_block
        Whether donors are a covariate or a block of the model.
    """
    there = pd.crosstab(samples[donor].astype(str), samples[groupby].astype(str)) > 0
    several = there.sum(axis=1) > 1
    if not several.any():
        return
    lacks = {str(name): list(there.columns[~row.to_numpy()]) for name, row in there.iterrows() if not row.all()}
    missing = [f"{name} ({_some_names(groups)})" for name, groups in lacks.items()]
    parts = [f"{several.sum()} of {len(there)} donors of obs[{donor!r}] have samples of several groups of {groupby!r}."]
    if missing:
        parts.append(f"Donors that miss groups: {listed(missing, 10)}.")
    if not (as_covariate or as_block):
        parts.append(f"The model does not pair them: covariates={donor!r} does.")
    if missing and not as_block:
        parts.append(f"block={donor!r} of `limma` uses incomplete donors as well.")
    logger.info(" ".join(parts))


def _some_names(names: Sequence[str], n: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = len(names) - n
    return ", ".join(names[:n]) + (f" and {more} more" if more > 0 else "")


def count_pairs(donors: NDArray[np.object_], first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int]:
    """Number of donors on either side of a comparison, and on both.

    Parameters
    ----------
    donors
        Donor of each sample.
    first, second
        Whether each sample is on the one side, and on the other.
    """
    one, other = set(donors[first]), set(donors[second])
    return len(one | other), len(one & other)
