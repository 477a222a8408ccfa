from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.de._fitted_comparisons import fitted_comparisons

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from anndata import AnnData
    from mudata import MuData


@fill
def sample_expression(
    data: AnnData | MuData, genes: str | Sequence[str], *, key: str = Key.uns.LIMMA, mod: str | None = None
) -> pd.DataFrame:
    """List the expression of genes in the samples that :func:`limma` compared, for :func:`scpi.pl.paired_expression`.

    Parameters
    ----------
    %(data)s
        :func:`scpi.de.limma` has been run on it.
    genes
        Names of the genes.
    key
        Entry of `adata.uns` with the result.
    %(mod)s

    Returns
    -------
    One row per gene and sample, sorted by gene, split, group and donor: `gene`, `sample`, `split`, `group`, `donor` and
    `log2_cpm` (log2 counts per million, with normalised library sizes). The first group is the reference. Without
    groups, splits or known donors, these columns are "all", or the name of the sample. A gene that was not tested in a
    split has no rows there.

    Raises
    ------
    KeyError
        If the result does not exist.
    ValueError
        If a gene was not tested, or the samples have changed since the result was computed.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> counts = np.random.default_rng(0).poisson(50, size=(8, 300))
    >>> adata = AnnData(counts.astype(float), obs={"condition": ["ctrl"] * 4 + ["stim"] * 4})
    >>> scpi.de.limma(adata, "condition", reference="ctrl")
    >>> scpi.de.sample_expression(adata, "7")["group"].value_counts().to_dict()
    {'ctrl': 4, 'stim': 4}
    """
    adata = resolve_modality(data, mod)
    fitted = fitted_comparisons(data, key=key, mod=mod)
    params = adata.uns[key]["params"]
    columns = {"split": _column(params, "split_by"), "group": _group_column(params), "donor": _donor_column(params)}
    wanted = pd.Index(as_list(genes)).astype(str)
    place = adata.var_names.astype(str).get_indexer(wanted)
    parts = []
    for one in {tuple(one.samples.index): one for one in fitted.values()}.values():
        samples = one.samples
        found = {
            name: samples[column].astype(str).to_numpy()
            if column in samples
            else np.full(len(samples), "all", dtype=object)
            for name, column in columns.items()
        }
        found = {"sample": samples.index.astype(str), **found}
        if columns["donor"] not in samples:
            found["donor"] = found["sample"]
        inside = pd.Index(one.genes).get_indexer(place)
        parts += [
            pd.DataFrame({"gene": gene, **found, "log2_cpm": one.expression[:, column]})
            for gene, column in zip(wanted, inside, strict=True)
            if column >= 0
        ]
    tested = {frame["gene"].iloc[0] for frame in parts}
    missing = [gene for gene in wanted if gene not in tested]
    if missing:
        msg = f"These genes were not tested in {key!r}: {listed(missing)}."
        raise ValueError(msg)
    frame = pd.concat(parts, ignore_index=True)
    frame["gene"] = pd.Categorical(frame["gene"], categories=wanted.unique())
    reference = str(params.get("reference"))
    groups = sorted(frame["group"].unique(), key=lambda name: (name != reference, name))
    frame["group"] = pd.Categorical(frame["group"], categories=groups)
    return frame.sort_values(["gene", "split", "group", "donor"], kind="stable", ignore_index=True)


def _column(params: Mapping[str, Any], name: str) -> str | None:
    return None if params.get(name) is None else str(params[name])


def _group_column(params: Mapping[str, Any]) -> str | None:
    """Column of the groups, which is stored elsewhere if a result has splits."""
    return _column(params, "labels") or _column(params, "groupby")


def _donor_column(params: Mapping[str, Any]) -> str | None:
    """Column of the donors: the given one, the blocks, or the only sample column."""
    sample_key = params.get("sample_key")
    several = sample_key is not None and not isinstance(sample_key, str) and len(sample_key) > 1
    named = _column(params, "donor_key") or _column(params, "block")
    return named or (None if several or sample_key is None else str(as_list(sample_key)[0]))
