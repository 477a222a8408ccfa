"""From cells to models of samples: the steps that limma, edgeR and DESeq2 share."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd

from scpi._groups import REST
from scpi._keys import Key
from scpi._screen._matrix import stored_values
from scpi._screen._spellings import merge_spellings
from scpi._sequence import as_list
from scpi._slots import listed, result_params
from scpi._source_cells import warn_of_source_cells
from scpi._view import View
from scpi._warn import warn_user
from scpi.de._comparisons import PAIRS, Comparisons, named_contrasts
from scpi.de._covariates import is_number, is_slope, read_covariates
from scpi.de._design import DesignError
from scpi.de._donors import find_donors, say_pairing, sum_replicates, warn_of_replicates
from scpi.de._pseudobulk import sum_samples
from scpi.de._sample_design import ALL, Samples, Terms, build_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._groups import Label
    from scpi.de._comparisons import Contrasts
    from scpi.de._design import Design
    from scpi.de._sample_design import SplitContrasts

logger = logging.getLogger(__name__)

Fit = TypeVar("Fit")
# Pseudobulks have few zeros in relevant genes, single cells many
_ZEROS_OF_CELLS = 0.8
# In null simulations with so few residual and more prior degrees of freedom, false genes were found in half of the tests
_FEW_RESIDUAL, _STRONG_PRIOR = 3, 20.0
# Suffix of the column with the tested splits and groups
_COLUMN = "_group"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Arguments of :func:`scpi.de.limma` that define the tests."""

    groupby: str | None = None
    reference: Label | Sequence[Label] | None = None
    groups: Label | Sequence[Label] | Literal["all"] = "all"
    contrasts: Contrasts | Literal["pairs"] | None = None
    coef: str | Sequence[str] | None = None
    sample_key: str | Sequence[str] | None = None
    covariates: str | Sequence[str] = ()
    formula: str | None = None
    split_by: str | None = None
    joint: bool = False
    min_cells: int = 10
    donor_key: str | None = None

    @property
    def sample_columns(self) -> list[str]:
        """Columns that define the samples, if cells are aggregated."""
        return [] if self.sample_key is None else as_list(self.sample_key)

    def check(self) -> None:
        """Refuse conflicting arguments."""
        if self.formula is not None and len(as_list(self.covariates)):
            msg = f"`covariates` belong into the formula, {self.formula!r}: give one of the two."
            raise ValueError(msg)
        if self.joint and self.split_by is None:
            msg = "`joint` is about the splits of `split_by`, which is missing."
            raise ValueError(msg)
        if self.groupby is None and self.formula is None:
            msg = "Name the column of the groups, `groupby`, or give a `formula` together with `coef` or `contrasts`."
            raise ValueError(msg)

    @property
    def params(self) -> dict[str, Any]:
        """The arguments to store; contrasts are in the table of the tests."""
        sample_key = self.sample_key
        return result_params(
            groupby=self.groupby,
            sample_key=sample_key if isinstance(sample_key, str | None) else list(sample_key),
            covariates=as_list(self.covariates) or None,
            formula=self.formula,
            coef=self.coef if isinstance(self.coef, str | None) else list(self.coef),
            split_by=self.split_by,
            joint=self.joint,
            min_cells=self.min_cells,
            donor_key=self.donor_key,
            asked=self.to_text(),
        )

    def to_text(self) -> str:
        """The arguments as text, which any file format can store."""
        contrasts: Any = self.contrasts
        if contrasts is not None and not (isinstance(contrasts, str) and contrasts == PAIRS):
            contrasts = {
                name: {str(one): float(weight) for one, weight in asked.items()}
                if isinstance(asked, Mapping)
                else asked
                for name, asked in named_contrasts(contrasts).items()
            }
        return json.dumps(asdict(replace(self, contrasts=contrasts)), default=_as_json)

    @classmethod
    def from_text(cls, text: str) -> Question:
        """The arguments from their text."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class FittedSamples(Generic[Fit]):
    """One model and its fit."""

    name: str | None
    """Split of the model; `None` for all samples."""
    design: Design
    splits: list[SplitContrasts]
    """Comparisons of each split."""
    obs: pd.DataFrame
    """The samples."""
    fit: Fit

    @property
    def fields(self) -> list[tuple[str, SplitContrasts, int]]:
        """Name of each comparison in a ranking (with the split if there are splits), its split, and its index there."""
        return [
            (name if self.name is None and split.split == ALL else f"{split.split} | {name}", split, row)
            for split in self.splits
            for row, name in enumerate(split.names)
        ]

    @property
    def contrasts(self) -> dict[str, NDArray[np.float64]]:
        """Weights of the coefficients by the name of the comparison in a ranking."""
        return {field: split.matrix[:, [row]].toarray().ravel() for field, split, row in self.fields}


def fit_samples(
    view: View,
    question: Question,
    fit: Callable[[Any, Design, list[SplitContrasts], pd.DataFrame], Fit],
    *,
    block: str | None = None,
    again: bool = False,
) -> tuple[Comparisons, list[FittedSamples[Fit]]]:
    """Aggregate cells to samples, and fit the models of a question.

    Parameters
    ----------
    view
        Cells, or samples.
    question
        Definition of the tests.
    fit
        Takes the counts of samples, their design, the comparisons and the table of the samples, and returns the tests.
        A `DesignError` skips the split.
    block
        Column of blocks that `fit` accounts for. Samples of a donor that is a block are not summed.
    again
        Whether the same was fitted before, so that messages about donors are not repeated.

    Returns
    -------
    The compared groups, and the models.

    Raises
    ------
    KeyError, ValueError
        As in :func:`scpi.de.limma`.
    """
    question.check()
    labels, keys = None, {}
    if question.groupby is not None:
        labels = view.labels(question.groupby)
    asked = _ask(question, labels)
    if question.groupby is not None and labels is not None:
        labels = merge_spellings(labels, asked.references[0] if len(asked.references) == 1 else None)
        asked = _ask(question, labels)
        keys[question.groupby] = labels
    if question.split_by is not None:
        keys[question.split_by] = view.labels(question.split_by)
    terms = None
    if question.formula is not None:
        needed = list(keys) if question.joint else [name for name in keys if name == question.groupby]
        terms = Terms.of(question.formula, needed=needed, view=view)
        _warn_of_terms(terms, question, asked, view)
    columns = as_list(question.covariates) if terms is None else terms.columns
    adjusted = view.columns(columns, "covariates" if terms is None else "formula").drop(
        columns=list(keys), errors="ignore"
    )
    given = adjusted
    if question.donor_key is not None:
        given = adjusted.assign(**dict(view.columns(question.donor_key, "donor_key").items()))
    if labels is not None:
        splits = None if question.split_by is None else keys[question.split_by].codes
        warn_of_source_cells(view.adata.obs, *_compared(labels, asked), splits=splits)
    if question.sample_key is None:
        samples, counts = _rows_as_samples(view, keys, given)
    else:
        samples, counts = _sum_samples(view, keys, given, question.sample_columns, question.min_cells)
        _refuse_varied(list(adjusted), samples, question.sample_columns)
    donor = find_donors(samples, question)
    used = [*adjusted, block]
    n_samples = len(samples)
    if question.donor_key is None:
        if not again:
            warn_of_replicates(samples, [*keys, *adjusted], [donor, *used])
    elif question.donor_key != block:
        # A formula may have columns that differ within a donor, such as the time
        apart = [*keys] if terms is None else [*keys, *adjusted]
        labels = list(dict.fromkeys([question.donor_key, *apart]))
        samples, counts = sum_replicates(samples, counts, labels, list(adjusted))
    if n_samples > len(samples) and not again:
        logger.info("%d samples are summed to %d, one for each donor and group", n_samples, len(samples))
    if donor is not None and question.groupby is not None and not again:
        say_pairing(samples, donor, question.groupby, as_covariate=donor in adjusted, as_block=donor == block)
    adjusted = read_covariates(samples[list(adjusted)], slopes=None if terms is None else terms.slopes)
    plain = adjusted if terms is None else [name for name in terms.slopes if name not in terms.transformed]
    described = Samples(
        samples.assign(**dict(adjusted.items())),
        question.groupby,
        question.split_by,
        donor,
        [name for name in plain if name in adjusted and is_number(adjusted[name])],
    )
    asked = _with_samples(described, asked, question)
    if question.split_by is not None:
        _warn_of_lost_splits(keys[question.split_by], described, question)

    fitted: list[FittedSamples[Fit]] = []
    missing: list[str] = []
    for name, rows in _models(described, question.joint):
        try:
            chosen = described.rows(rows)
            design, splits = build_model(
                chosen, asked, covariates=as_list(question.covariates), formula=question.formula
            )
            compared = [split for split in splits if split.names]
            tests = fit(counts[rows], design, compared, chosen.obs)
            fitted.append(FittedSamples(name, design, compared, chosen.obs, tests))
        except DesignError as error:
            if name is None:
                raise
            warn_user(f"Left out {name!r} of {question.split_by!r}. {error}")
        else:
            missing += _missing(splits, question.split_by)
    if not fitted:
        what = f"a group be compared with {asked.reference!r}" if asked.references else "anything be tested"
        msg = f"In no {question.split_by!r} can {what}: see the warnings for the reasons."
        raise ValueError(msg)
    if missing:
        warn_user(f"Not tested, as group or reference has no samples there: {listed(missing, 10)}.")
    return asked, fitted


def comparison_table(fitted: Sequence[FittedSamples[Any]]) -> pd.DataFrame:
    """Table of all comparisons.

    Returns
    -------
    One row for each: `group` (its name, with the split if there are splits), `split`, `label`, `contrast`, `n_samples`,
    `n_reference`, `n_donors` and `n_paired` if the donors are known, and `df_residual`.
    """
    return pd.DataFrame(
        [
            {
                "group": field,
                "split": split.split,
                "label": split.names[row],
                "contrast": split.contrasts[row],
                "n_samples": split.n_samples[row],
                "n_reference": split.n_reference[row],
                **_of_donors(split, row),
                "df_residual": model.design.df_residual,
            }
            for model in fitted
            for field, split, row in model.fields
        ]
    )


def _of_donors(split: SplitContrasts, row: int) -> dict[str, int]:
    """Numbers of donors of a comparison, if donors are known."""
    return {} if split.n_donors is None else dict(zip(("n_donors", "n_paired"), split.n_donors[row], strict=True))


def pairing(table: pd.DataFrame) -> str | None:
    """Whether the comparisons of a table are within donors: "paired", "partly paired", "between donors"; `None` if unknown."""
    if "n_paired" not in table:
        return None
    if not table["n_paired"].any():
        return "between donors"
    return "paired" if (table["n_paired"] == table["n_donors"]).all() else "partly paired"


def warn_of_strong_priors(table: pd.DataFrame) -> None:
    """Warn of tests whose variances are those of the prior, for lack of residual degrees of freedom.

    Parameters
    ----------
    table
        Comparisons, with ``split``, ``df_residual`` and ``df_prior``.
    """
    doubtful = table[(table["df_residual"] <= _FEW_RESIDUAL) & (table["df_prior"] > _STRONG_PRIOR)]
    if doubtful.empty:
        return
    splits = list(dict.fromkeys(doubtful["split"]))
    where = "" if splits == [ALL] else f" of {listed(splits, 10)}"
    warn_user(
        f"The p-values{where} may be far too small. With {_FEW_RESIDUAL} residual degrees of freedom or "
        "fewer (`df_residual`) and a large or infinite prior (`df_prior`), a gene has the variance of the average gene, "
        "even if it varies more. Trust the ranking, not the p-values: those need more donors or fewer covariates."
    )


def write_split_groups(
    data: AnnData | MuData, mod: str | None, key: str, question: Question, asked: Comparisons
) -> str | None:
    """Label cells by split and group, like the fields of a ranking, for functions of scanpy.

    Parameters
    ----------
    data, mod
        Data to write to.
    key
        Name of the ranking, the prefix of the column in `obs`.
    question, asked
        Definition of the tests.

    Returns
    -------
    The column, or nothing if fields are not groups of cells within splits.
    """
    if question.groupby is None or question.split_by is None or not asked.compares_groups:
        return None
    view = View.of(data, mod)
    reference = asked.references[0] if len(asked.references) == 1 else None
    split, group = view.labels(question.split_by), merge_spellings(view.labels(question.groupby), reference)
    named = np.array([f"{a} | {b}" for a in split.categories for b in group.categories], dtype=object)
    both = (split.codes >= 0) & (group.codes >= 0)
    codes = np.where(both, split.codes.astype(np.intp) * len(group.categories) + group.codes, -1)
    column = f"{key}{_COLUMN}"
    view.adata.obs[column] = pd.Categorical.from_codes(codes, categories=named).remove_unused_categories()
    return column


def _as_json(value: Any) -> Any:
    """Convert arrays and collections to lists, NumPy numbers to numbers, and other labels to text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, Iterable) else str(value)


def _ask(question: Question, labels: pd.Categorical | None) -> Comparisons:
    return Comparisons.of(
        labels,
        question.groupby,
        groups=question.groups,
        reference=question.reference,
        contrasts=question.contrasts,
        coef=question.coef,
    )


def _compared(labels: pd.Categorical, asked: Comparisons) -> tuple[NDArray[np.integer], list[int] | None]:
    """Group of each cell, negative if no comparison of groups has it, and the groups that are references."""
    if not asked.references or asked.references == [REST]:
        return labels.codes, None
    used = labels.categories.isin([*asked.groups, *asked.references])
    codes = np.where(used[labels.codes], labels.codes, -1)
    return codes, labels.categories.get_indexer(asked.references).tolist()


def _warn_of_terms(terms: Terms, question: Question, asked: Comparisons, view: View) -> None:
    """Warn if a comparison of groups may differ from what the formula suggests."""
    groupby = question.groupby
    if groupby is None or asked.coef is not None:
        return
    others = [name for name in terms.interacting(groupby) if name != question.split_by]
    if others and asked.compares_groups:
        warn_user(
            f"In {question.formula!r} the effect of {groupby!r} depends on {listed(others)}: what is reported are its "
            f"averages over the samples. The interaction itself is tested by coef='{groupby}:{others[0]}'."
        )
    values = view.columns(groupby, "groupby")[groupby]
    if groupby in terms.slopes and is_slope(values):
        warn_user(
            f"{groupby!r} holds numbers, and is a group for each of them in {question.formula!r}, as it is `groupby`. "
            f"For a slope, leave out `groupby` and `reference`, and give coef={groupby!r}."
        )


def _sum_samples(
    view: View, keys: dict[str, pd.Categorical], adjusted: pd.DataFrame, sample_key: list[str], min_cells: int
) -> tuple[pd.DataFrame, Any]:
    """Labels of samples, covariates that are constant in all their cells, and summed counts."""
    labels = {name: view.labels(name) for name in sample_key} | keys
    summed = sum_samples(view, labels, min_cells, more=adjusted)
    return summed.obs, summed.counts


def _refuse_varied(covariates: Sequence[str], samples: pd.DataFrame, sample_key: list[str]) -> None:
    """Refuse covariates that vary within samples."""
    varied = [name for name in covariates if name not in samples]
    if varied:
        msg = (
            f"`covariates` must be the same in all cells of a sample, but {listed(varied)} differ within samples of "
            f"{' x '.join(map(repr, sample_key))}. Add them to `sample_key`, or leave them out."
        )
        raise ValueError(msg)


def _rows_as_samples(view: View, keys: dict[str, pd.Categorical], adjusted: pd.DataFrame) -> tuple[pd.DataFrame, Any]:
    """Labels and covariates of rows that are samples, and their counts."""
    counts = view.counts
    present = np.array([label.codes >= 0 for label in keys.values()]).reshape(len(keys), counts.shape[0])
    rows = np.flatnonzero(present.all(axis=0))
    obs = view.adata.obs.assign(**dict(adjusted.items()), **keys)
    zeros = 1.0 - np.count_nonzero(stored_values(counts)) / max(1, np.prod(counts.shape))
    if zeros > _ZEROS_OF_CELLS and Key.obs.N_CELLS not in obs:
        warn_user(
            f"Every row counts as a sample, but {zeros:.0%} of the counts are zero, as in single cells, which are not "
            "replicates: name the column with the sample of each cell, `sample_key=`."
        )
    return obs.iloc[rows], counts[rows]


def _with_samples(samples: Samples, asked: Comparisons, question: Question) -> Comparisons:
    """The comparisons without groups that have no samples."""
    if not asked.compares_groups:
        return asked
    present = set(samples.groups)
    rule = _size_rule(question)
    lost = [name for name in asked.references if name not in present and name in asked.known]
    if lost:
        msg = f"The reference {listed(lost)} has no sample{rule}."
        raise ValueError(msg)
    absent = [group for group in asked.groups if group not in present]
    left = [group for group in asked.groups if group in present]
    msg = f"These groups have no sample{rule}: {listed(absent)}."
    if absent and (not left or not (isinstance(question.groups, str) and question.groups == "all")):
        raise ValueError(msg)
    if not left:
        msg = f"There is no group other than the reference {asked.reference!r}."
        raise ValueError(msg)
    if absent:
        warn_user(f"Not tested. {msg}")
    return asked.restricted(left)


def _warn_of_lost_splits(splits: pd.Categorical, samples: Samples, question: Question) -> None:
    """Warn of splits with cells but without samples."""
    there = set(samples.splits)
    lost = [str(name) for name in splits.remove_unused_categories().categories if str(name) not in there]
    if lost:
        warn_user(f"Left out of {question.split_by!r}, as no sample{_size_rule(question)} is there: {listed(lost)}.")


def _size_rule(question: Question) -> str:
    """The size that samples of cells need, as words of a message."""
    return "" if question.sample_key is None else f" of {question.min_cells} cells or more (`min_cells`)"


def _models(samples: Samples, joint: bool) -> list[tuple[str | None, NDArray[np.intp]]]:
    """Samples of each model, with the split that may fail without failing all."""
    if joint or samples.split_by is None:
        return [(None, np.arange(len(samples.obs)))]
    names = [str(name) for name in samples.obs[samples.split_by].cat.categories]
    return [(name, np.flatnonzero(samples.splits == name)) for name in names if (samples.splits == name).any()]


def _missing(splits: Sequence[SplitContrasts], split_by: str | None) -> list[str]:
    """Skipped comparisons of splits that have a model."""
    found = []
    for split in splits:
        where = "" if split_by is None else f" in {split.split}"
        found += [f"{name}{where}" for name in split.missing] if split.names else [f"any group{where}"]
    return found
