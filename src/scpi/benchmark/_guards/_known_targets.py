"""Known effects of perturbations: their target genes, and features computed from the same cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._features import find_features
from scpi._screen._blocks import sum_cells
from scpi._screen._labels import quoted
from scpi._screen._matrix import as_dense
from scpi.benchmark._guards._finding import Finding, severity_of
from scpi.metrics import spearman_brown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scpi.benchmark._guards._audited import Audited

    Floats = NDArray[np.float64]

_FEWEST_PAIRS = 10
_LEAST = 0.8
# Numbers of guides and the prefix of a guide
_GUIDE = re.compile(r"^(?:sg|gRNA[-_]?)?(?P<gene>.+?)(?:[-_.](?:g|sg|guide|gRNA)?\d+)?$", re.IGNORECASE)


def scored_targets(audited: Audited) -> Iterator[Finding]:
    """Test perturbations whose target gene is among the scored genes."""
    labelling = audited.labels.labelling
    members = labelling.vocabulary({stratum.label for stratum in audited.test_strata})
    genes = set(audited.adata.var_names.astype(str))
    named = [member for member in members if member in genes]
    if named and not audited.exclude_targets:
        evidence = f"{len(named)} test perturbations are scored genes: {quoted(named, n_max=5)}."
        yield Finding("targets among the scored genes", "medium", len(named), "var_names", evidence)
    others = [member for member in members if member not in genes]
    for entry, names in _names_of_genes(audited):
        known = [(member, gene) for member in others if (gene := _gene_of(member, names)) is not None]
        if known:
            member, gene = known[0]
            evidence = f"{len(known)} test perturbations are genes under another name, so that they are scored: {member!r} is {gene!r}."
            yield Finding("targets among the scored genes", "medium", len(known), entry, evidence)
            return


def _names_of_genes(audited: Audited) -> Iterator[tuple[str, set[str]]]:
    """Names of genes, and columns with a distinct name for almost every gene."""
    var = audited.adata.var
    yield "var_names", set(audited.adata.var_names.astype(str))
    for column in var:
        values = var[column]
        is_text = (
            isinstance(values.dtype, pd.CategoricalDtype)
            or values.dtype == object
            or pd.api.types.is_string_dtype(values)
        )
        if is_text and values.nunique() > 0.9 * len(values):
            yield f"var[{str(column)!r}]", set(values.dropna().astype(str))


def _gene_of(member: str, names: set[str]) -> str | None:
    """Gene that a perturbation is named after, alone or with the number of a guide."""
    if member in names:
        return member
    found = _GUIDE.match(member)
    return found["gene"] if found is not None and found["gene"] in names else None


def screen_features(audited: Audited) -> Iterator[Finding]:
    """Features that resemble the measured changes of test perturbations more closely than a replicate would."""
    if audited.features_key not in audited.adata.uns:
        return
    table = find_features(audited.adata, audited.features_key)
    singles, of_half = single_changes(audited)
    if table is None or len(singles) < 4:
        return
    left_out = {stratum.label for stratum in audited.test_strata} - {stratum.label for stratum in audited.train_strata}
    is_test = np.isin(singles, sorted(left_out))
    for source, values in table.of(singles).sources.items():
        features = as_dense(values, np.float64)
        rows = np.flatnonzero((features != 0).any(axis=1))
        first, second = np.triu_indices(len(rows), 1)
        pairs = is_test[rows][first] | is_test[rows][second]
        if pairs.sum() < _FEWEST_PAIRS:
            continue
        first, second = rows[first[pairs]], rows[second[pairs]]
        found = _likeness(features)[first, second]
        of_all, *of_halves = (_likeness(_centred(change))[first, second] for change in (of_half.sum(0), *of_half))
        repeat = float(np.sqrt(spearman_brown(max(_correlation(*of_halves), 0.0))))
        r = _correlation(found, of_all)
        if r > max(_LEAST, repeat):
            evidence = (
                f"Similarities of test perturbations in the features {source!r} correlate at {r:.3f} with those of their measured "
                f"changes, where an independent measurement would at {repeat:.3f} at most."
            )
            yield Finding(
                "features from the same screen",
                severity_of(audited.features_key, audited.reads),
                int(is_test[rows].sum()),
                f"uns[{audited.features_key!r}]",
                evidence,
            )


def single_changes(audited: Audited) -> tuple[list[str], Floats]:
    """Single perturbations with at least two cells, and their changes in two halves, 2 x perturbations x genes."""
    labels = audited.labels
    name = labels.perturbation
    n_members = {label: len(labels.labelling.members(label)) for label in set(name)}
    sizes = pd.Series(name).value_counts()
    singles = sorted(label for label, n in n_members.items() if n == 1 and sizes[label] > 1)
    place = {label: row for row, label in enumerate(singles, start=1)}
    control = labels.labelling.control
    half = np.zeros(len(name), dtype=np.intp)
    rng = np.random.default_rng(audited.seed)
    for label in (control, *singles):
        cells = rng.permutation(np.flatnonzero(name == label))
        half[cells[: len(cells) // 2]] = 1
    codes = np.full(audited.adata.n_obs, -1, dtype=np.intp)
    row = np.array([0 if label == control else place.get(label, -1) for label in name], dtype=np.intp)
    codes[labels.cells] = np.where(row >= 0, row + half * (len(singles) + 1), -1)
    n = 2 * (len(singles) + 1)
    size = np.bincount(codes[codes >= 0], minlength=n)[:, None]
    profiles = as_dense(sum_cells(audited.x, codes, n), np.float64) / np.maximum(size, 1)
    profiles = profiles.reshape(2, len(singles) + 1, -1)
    return singles, profiles[:, 1:] - profiles[:, :1]


def _centred(values: Floats) -> Floats:
    return values - values.mean(axis=0)


def _likeness(values: Floats) -> Floats:
    """Cosine of every pair of rows."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    rows = values / np.where(length > 0, length, 1.0)
    return np.asarray(rows @ rows.T)


def _correlation(first: Any, second: Any) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if np.std(first) > 0 and np.std(second) > 0 else 0.0
