"""Entries of the data that were computed with test cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._screen._labels import quoted
from scpi._screen._matrix import as_dense, as_matrix, means
from scpi.benchmark._guards._finding import Finding, severity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from scpi.benchmark._guards._audited import Audited

    Floats = NDArray[np.float64]

_SELECTED = "highly_variable"
# Relative, of means that were stored in single precision
_SAME = 1e-3
# Of a mean that is zero, in units of the standard deviation; that of other cells is off by one over the root of their number
_CENTRED = 1e-4
_MAX_GENES = 200


def stored_entries(audited: Audited) -> Iterator[Finding]:
    """Genes, scales, representations, neighbours and results that depend on test cells."""
    for check in (_selected_genes, _scaled, _representations, _neighbours, _results):
        yield from check(audited)


def _selected_genes(audited: Audited) -> Iterator[Finding]:
    var = audited.adata.var
    if _SELECTED not in var or "means" not in var:
        return
    stored = var["means"].to_numpy(dtype=np.float64)
    for x in (audited.x, audited.counts):
        for of in (_plain_means, _linear_means, _log_means):
            if _agree(of(x), stored) and not _agree(of(x[audited.known]), stored):
                chosen = var[_SELECTED].to_numpy(dtype=bool)
                where = "to which the data were reduced" if chosen.all() else "which are marked"
                evidence = (
                    f"The means of `var['means']` are those of all {x.shape[0]} cells, test cells included: so were the "
                    f"{int(chosen.sum())} genes selected, {where}."
                )
                severity = "medium" if chosen.all() else severity_of(_SELECTED, audited.reads)
                yield Finding(
                    "genes selected with test cells", severity, int(chosen.sum()), f"var[{_SELECTED!r}]", evidence
                )
                return


def _plain_means(x: Any) -> Floats:
    return means(x)


def _linear_means(x: Any) -> Floats:
    return means(_expm1(x))


def _log_means(x: Any) -> Floats:
    return np.log1p(_linear_means(x))


def _expm1(x: Any) -> Any:
    """Transform logarithms to the linear scale; counts are clipped before they overflow."""
    if sparse.issparse(x):
        return sparse.csr_matrix((np.expm1(np.minimum(x.data, 50.0)), x.indices, x.indptr), shape=x.shape)
    return np.expm1(np.minimum(x, 50.0))


def _agree(found: Floats, stored: Floats) -> bool:
    return bool(np.isfinite(stored).all() and (np.abs(found - stored) <= _SAME * np.abs(stored) + 1e-9).all())


def _scaled(audited: Audited) -> Iterator[Finding]:
    """Layers whose genes have mean 0 over all cells, but not without the test cells."""
    entries: dict[str, Any] = {"X": audited.adata.X}
    entries |= {f"layers[{name!r}]": audited.adata.layers[name] for name in audited.adata.layers if name is not None}
    own = "X" if audited.layer is None else f"layers[{audited.layer!r}]"
    step = max(1, audited.adata.n_vars // _MAX_GENES)
    for entry, values in entries.items():
        # Log-normalised expression and counts have no negative values, and scaled data are dense
        if values is None or sparse.issparse(values):
            continue
        some = np.asarray(as_matrix(values[:, ::step]), dtype=np.float64)
        if some.min(initial=0.0) < 0 and _centred_by_all(some, audited):
            name = entry.split("'")[1] if "'" in entry else entry
            severity = "medium" if entry == own else severity_of(name, audited.reads)
            evidence = "Genes have mean 0 over all cells, test cells included, and other means over the rest."
            yield Finding("scaled with test cells", severity, audited.adata.n_vars, entry, evidence)


def _centred_by_all(values: Floats, audited: Audited) -> bool:
    """Whether columns have mean 0 over all cells, but not without the test cells."""
    spread = values.std(axis=0)
    values, spread = values[:, spread > 0], spread[spread > 0]
    if not len(spread) or not len(audited.test) or not len(audited.known):
        return False
    over_all, over_known = (np.abs(part.mean(axis=0)) / spread for part in (values, values[audited.known]))
    # Clipped values shift a few means
    return bool(np.median(over_all) < _CENTRED and np.median(over_known) > 10 * _CENTRED)


def _representations(audited: Audited) -> Iterator[Finding]:
    for name, values in audited.adata.obsm.items():
        try:
            numbers = np.asarray(as_dense(values), dtype=np.float64)
        except (TypeError, ValueError):
            continue
        if numbers.ndim == 2 and numbers.shape[1] > 1 and np.isfinite(numbers).all() and _all_centred(numbers, audited):
            evidence = (
                f"Its {numbers.shape[1]} columns have mean 0 over all cells, test cells included, as principal components that "
                "were fitted on all of them."
            )
            yield Finding(
                "representation of test cells",
                severity_of(str(name), audited.reads),
                numbers.shape[1],
                f"obsm[{str(name)!r}]",
                evidence,
            )


def _all_centred(numbers: Floats, audited: Audited) -> bool:
    """Whether every column is centred over all cells, but not without the test cells."""
    spread = numbers.std(axis=0)
    if not (spread > 0).all():
        return False
    return bool((np.abs(numbers.mean(axis=0)) < _CENTRED * spread).all()) and _centred_by_all(numbers, audited)


def _neighbours(audited: Audited) -> Iterator[Finding]:
    for name, graph in audited.adata.obsp.items():
        rows = as_matrix(graph)[audited.test][:, audited.train]
        n = int(rows.nnz if sparse.issparse(rows) else np.count_nonzero(rows))
        if n:
            evidence = f"{n} pairs of a test cell and a training cell are neighbours."
            yield Finding(
                "neighbours across the division",
                severity_of(str(name), audited.reads),
                n,
                f"obsp[{str(name)!r}]",
                evidence,
            )


def _results(audited: Audited) -> Iterator[Finding]:
    """Stored rankings of genes of test conditions, in the format of scanpy and scpi."""
    if not audited.leaves_conditions_out:
        return
    left_out = {stratum.label for stratum in audited.test_strata} - {stratum.label for stratum in audited.train_strata}
    canonical: Callable[[Any], str] = audited.labels.labelling.canonical
    for name, entry in audited.adata.uns.items():
        names = entry.get("names") if isinstance(entry, Mapping) else None
        groups = getattr(getattr(names, "dtype", None), "names", None) or ()
        found = sorted(group for group in groups if canonical(group) in left_out)
        if found:
            evidence = f"It ranks the genes of {len(found)} test conditions: {quoted(found, n_max=5)}."
            yield Finding(
                "results of test conditions",
                severity_of(str(name), audited.reads),
                len(found),
                f"uns[{str(name)!r}]",
                evidence,
            )
