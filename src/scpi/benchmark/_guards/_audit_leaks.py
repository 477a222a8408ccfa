"""An audit of splits of a screen for leaks."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._scoring._conventions import EXCLUDE_TARGETS
from scpi._screen._conditions import read_screen
from scpi._sequence import as_list
from scpi.benchmark._guards._audited import Audited
from scpi.benchmark._guards._finding import KINDS
from scpi.benchmark._guards._known_targets import scored_targets, screen_features
from scpi.benchmark._guards._shared_cells import copied_cells, shared_cells
from scpi.benchmark._guards._shared_labels import shared_labels
from scpi.benchmark._guards._stored import stored_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scpi._screen._labels import Control
    from scpi._screen._split import Split
    from scpi.benchmark._guards._finding import Finding

_CHECKS = (shared_cells, copied_cells, shared_labels, stored_entries, scored_targets, screen_features)
COLUMNS = ("split", "kind", "severity", "n", "entry", "evidence", "remedy")


@fill
def audit_leaks(
    adata: AnnData,
    splits: Sequence[Split] | Split,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    context_key: str | None = None,
    dose_key: str | None = None,
    layer: str | None = None,
    apart: Sequence[str] | str = (),
    exclude_targets: bool = EXCLUDE_TARGETS,
    features_key: str = Key.uns.PERTURBATION_FEATURES,
    reads: Sequence[str] | str | None = None,
    rng: int | np.random.Generator | None = 0,
) -> pd.DataFrame:
    """Search splits for leaks of information from test cells into training.

    No model is trained. The audit searches for:

    ============================================  =================================================================
    kind                                          evidence
    ============================================  =================================================================
    ``"test cells in training"``                  a cell is in both sets
    ``"duplicated cells"``                        a test cell has all counts of a training cell, more often than by
                                                  chance
    ``"near-duplicated cells"``                   a test cell differs from a training cell by less than a third of
                                                  the counting noise
    ``"condition on both sides"``                 conditions are held out, except a few of their cells
    ``"other spelling in training"``              the same condition has another label: order, case, delimiter
    ``"perturbation in a training combination"``  a single perturbation is held out, but not its combinations
    ``"value on both sides"``                     a value of ``apart``, such as a donor or compound, is in both sets
    ``"shared controls"``                         the measured change is relative to controls that are also used for
                                                  training or as start of predictions
    ``"genes selected with test cells"``          the means stored by the gene selection of scanpy are those of all
                                                  cells
    ``"scaled with test cells"``                  genes have mean 0 over all cells, but not without the test cells
    ``"representation of test cells"``            the same for columns of ``obsm``
    ``"neighbours across the division"``          ``obsp`` connects test cells and training cells
    ``"results of test conditions"``              ``uns`` has a ranking of the genes of a held-out condition
    ``"features from the same screen"``           features of perturbations follow the measured changes more closely
                                                  than an independent measurement would
    ``"targets among the scored genes"``          a perturbed gene is scored, because targets are not excluded or have
                                                  other names than the genes
    ============================================  =================================================================

    Parameters
    ----------
    %(adata)s
    splits
        Splits of the cells, from the functions of ``scpi.benchmark.splits``, or a custom
        :class:`scpi.benchmark.splits.Split`.
    perturbation_key, control, delimiter, context_key, dose_key
        Columns and format of the labels, as in :func:`scpi.benchmark.evaluate`.
    layer
        Entry of ``adata.layers`` with the log-normalised expression on which predictions are compared; ``adata.X`` if
        ``None``. Duplicated cells are searched for in ``adata.layers["counts"]``, if it exists.
    apart
        Columns of ``adata.obs`` whose values must not be on both sides, such as donors or scaffolds. Control cells are
        exempt.
    %(exclude_targets)s
    features_key
        Entry of ``adata.uns`` with features of perturbations, from :func:`scpi.tl.perturbation_features`.
    reads
        Names of the entries of ``adata`` that the models read, besides the expression and the labels, such as
        ``"X_pca"``. A leak in an entry has high severity if it is among these, and otherwise low severity; medium
        severity if ``None``.
    rng
        Seed or generator: near-duplicates are searched for among at most 2,000 test cells.

    Returns
    -------
    Table with one row per finding, empty without findings: ``split``, ``kind``, ``severity`` (``"high"``: scores are
    meaningless; ``"medium"``: interpret scores with care; ``"low"``: relevant only if the entry is used), ``n``
    (affected cells, conditions or genes), ``entry`` (of the data; empty for the split itself), ``evidence`` and
    ``remedy``.

    Raises
    ------
    KeyError
        If a column or layer does not exist.
    ValueError
        If there is no split, or a split has no training or no test cells.

    Notes
    -----
    An empty table does not prove the absence of leaks: pretraining on cells of another data set, or a selection of
    genes by their effect, leaves no trace in the data.
    """
    given = as_list(splits)
    if not given:
        msg = "There are 0 splits: give at least one, as the functions of `scpi.benchmark.splits` make them."
        raise ValueError(msg)
    labels = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        dose_key=dose_key,
    )
    shared: dict[str, Any] = {
        "adata": adata,
        "layer": layer,
        "labels": labels,
        "perturbation_key": perturbation_key,
        "exclude_targets": exclude_targets,
        "features_key": features_key,
        "apart": as_list(apart),
        "reads": None if reads is None else as_list(reads),
        "seed": int(as_generator(rng).integers(2**31)),
    }
    rows = [
        {"split": split.name, **found._asdict(), "remedy": KINDS[found.kind]}
        for split in given
        for found in findings(Audited(split=_labelled(split, labels.cells), **shared))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def findings(audited: Audited) -> list[Finding]:
    """All leaks of a split."""
    return list(chain.from_iterable(check(audited) for check in _CHECKS))


def _labelled(split: Split, cells: np.ndarray[Any, np.dtype[np.int64]]) -> Split:
    """A split without unlabelled cells; a `ValueError` if no training or no test cells are left."""
    sets = ("train", "validation", "test", "start", "reference")
    labelled: dict[str, Any] = {name: np.intersect1d(getattr(split, name), cells) for name in sets}
    kept = replace(split, **labelled)
    if not len(kept.train) or not len(kept.test):
        msg = f"The split {split.name!r} has {len(kept.train)} training and {len(kept.test)} test cells with a label: it needs both."
        raise ValueError(msg)
    return kept
