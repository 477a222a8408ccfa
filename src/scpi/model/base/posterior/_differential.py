"""Differential expression from the posterior, by the machinery of scvi-tools."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from anndata import AnnData
from scvi.model.base import DifferentialComputation
from scvi.model.base._de_core import _de_core

from scpi._docs import fill
from scpi._rng import as_generator
from scpi._sequence import as_list
from scpi._slots import listed, read_labels
from scpi._unknown import refuse_unknown
from scpi.model.base._constants import KEYS
from scpi.model.base.posterior._expression import Asked
from scpi.model.base.posterior._statistics import CountStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi.model.base.generation._mixin import GenerationMixin
    from scpi.model.base.posterior._expression import ExpressionMixin

    class Host(ExpressionMixin, GenerationMixin):
        """Class that the mixin extends."""

else:
    Host = object

Mode = Literal["vanilla", "change"]
"""Kind of the test, as in scvi-tools."""

# Set by arguments of our own
_OURS = {"self", "idx1", "idx2", "mode", "batchid1", "batchid2", "use_observed_batches", "delta"}
_OPTIONS = sorted(set(inspect.signature(DifferentialComputation.get_bayes_factors).parameters) - _OURS)


@dataclass
class _Registered:
    """Part of a manager of scvi-tools that its tests read; its columns of ``obs`` are not those of the user."""

    adata: AnnData
    counts: Callable[[], Any]
    batches: list[str]

    def get_from_registry(self, key: str) -> Any:
        """The counts, which are all that is read."""
        return self.counts()

    def get_state_registry(self, key: str) -> SimpleNamespace:
        """Categories of the batch."""
        return SimpleNamespace(categorical_mapping=self.batches)


class DifferentialMixin(Host):
    """Differential expression of groups of cells, with the arguments and the result of scvi-tools."""

    @fill
    def differential_expression(
        self,
        adata: AnnData | MuData | None = None,
        *,
        groupby: str | None = None,
        group1: str | Sequence[str] | None = None,
        group2: str | None = None,
        idx1: ArrayLike | str | None = None,
        idx2: ArrayLike | str | None = None,
        mode: Mode = "change",
        delta: float | None = 0.25,
        batch_size: int | None = None,
        all_stats: bool = True,
        batch_correction: bool = False,
        batchid1: str | Sequence[str] | None = None,
        batchid2: str | Sequence[str] | None = None,
        fdr_target: float = 0.05,
        silent: bool = True,
        filter_outlier_cells: bool = False,
        rng: int | np.random.Generator | None = 0,
        **kwargs: Any,
    ) -> pd.DataFrame:
        """Compare the expression of groups of cells in the posterior, as models of scvi-tools do.

        Pairs of cells are drawn, one from each group, and their expected expression is drawn from the posterior.
        ``proba_de`` is the fraction of the pairs whose log2 fold change is beyond ``delta`` in its more frequent
        direction (Lopez et al., Nat. Methods 15, 2018; Boyeau et al., PNAS 120, e2209124120, 2023). It describes how
        cells of two groups differ. It is not a p-value: cells are not replicates, and a difference between two donors
        is found as reliably as one between two conditions, however few donors there are. To compare conditions, test
        samples by :func:`scpi.de.limma`, and markers of types by :func:`scpi.de.rank_genes`.

        Parameters
        ----------
        %(cells_adata)s
        groupby
            Column of ``adata.obs`` with the groups.
        group1
            Group or groups to test; all if ``None``.
        group2
            Group to compare with; the cells of all other groups if ``None``.
        idx1, idx2
            Cells of both groups instead of ``groupby``: a mask, positions, or a query of ``adata.obs``. Without
            ``idx2``, all other cells.
        mode
            ``"change"``: the probability of a log2 fold change beyond ``delta``. ``"vanilla"``, the default of
            scvi-tools: the Bayes factor of a higher expression in the first group.
        delta
            Smallest log2 fold change of interest. If ``None``, it is estimated from the fold changes of all genes.
        %(batch_size)s
        all_stats
            Whether to add mean counts and fractions of cells with counts.
        batch_correction
            Whether to decode the cells of both groups in the same batches, those of ``batchid1`` and ``batchid2``,
            instead of each in its own.
        batchid1, batchid2
            Batches of the first and second group; all if ``None``.
        fdr_target
            Expected fraction of false calls among the genes that are called.
        silent
            Whether to hide the progress bar.
        filter_outlier_cells
            Whether to leave out cells whose latent units are outliers in their group.
        rng
            Seed or random number generator of the draws.
        **kwargs
            Arguments of :meth:`scvi.model.base.DifferentialComputation.get_bayes_factors`, such as
            ``n_samples_overall``, ``pseudocounts``, ``test_mode`` or ``cred_interval_lvls``.

        Returns
        -------
        Table with one row per gene and group, the most probable first. With ``mode="change"``: ``proba_de``,
        ``proba_not_de``, ``bayes_factor``, the mean expression ``scale1`` and ``scale2``, ``pseudocounts``, ``delta``,
        ``lfc_mean``, ``lfc_median``, ``lfc_std``, ``lfc_min``, ``lfc_max`` and ``is_de_fdr_...``. With
        ``mode="vanilla"``: ``proba_m1``, ``proba_m2``, ``bayes_factor``, ``scale1`` and ``scale2``.

        Raises
        ------
        TypeError
            If a keyword is unknown.
        KeyError
            If there is no such column.
        ValueError
            If there are no groups, a group is unknown or has no cells, or the model was set up without a batch.
        """
        if mode not in get_args(Mode):
            msg = f"`mode` must be one of {listed(get_args(Mode))}, but is {mode!r}."
            raise ValueError(msg)
        refuse_unknown(kwargs, _OPTIONS, owner="differential_expression", kind="argument")
        self._check_if_trained(warn=False)
        data = self._validated(adata)
        registered = self._registered(data, batch_correction)
        if idx1 is None:
            _check_groups(registered.adata, groupby, group1, group2)
        generator = as_generator(rng)

        def expression(_: AnnData, indices: NDArray[np.int64], **options: Any) -> Any:
            asked = Asked(batch_size=batch_size, rng=generator, **options)
            return self._normalized(data, indices, self._latent_of, asked)

        def representation(_: AnnData, indices: NDArray[np.int64]) -> NDArray[np.float32]:
            return self._latent_of(data, indices)[0]

        with _seeded(generator):
            return _de_core(
                registered,
                expression,
                representation if filter_outlier_cells else None,
                groupby,
                None if group1 is None else [str(group) for group in as_list(group1)],
                None if group2 is None else str(group2),
                idx1,
                idx2,
                all_stats,
                CountStatistics(registered.counts()) if all_stats else None,
                self.var_names_,
                mode,
                None if batchid1 is None else as_list(batchid1),
                None if batchid2 is None else as_list(batchid2),
                delta,
                batch_correction,
                fdr_target,
                silent,
                **kwargs,
            )

    def _registered(self, data: AnnData | MuData, batch_correction: bool) -> _Registered:
        """What the tests of scvi-tools read of validated data."""
        batches: list[str] = []
        if self._has_field(KEYS.BATCH):
            batches = [str(name) for name in self._state_of(data, KEYS.BATCH)["categorical_mapping"]]
        elif batch_correction:
            msg = "`batch_correction` needs a batch: name its column in the setup (`batch_key=`)."
            raise ValueError(msg)
        return _Registered(AnnData(obs=data.obs.copy()), partial(self._counts_of, data), batches)


def _check_groups(cells: AnnData, groupby: str | None, group1: Any, group2: Any) -> None:
    """Make the labels text, and raise an error if a group is unknown."""
    if groupby is None:
        msg = "Name the groups by `groupby`, or the cells by `idx1` and `idx2`."
        raise ValueError(msg)
    labels = read_labels(cells, groupby)
    cells.obs[groupby] = labels
    known = list(labels.categories)
    asked = [str(group) for group in [*as_list(group1), group2] if group is not None]
    if unknown := sorted(set(asked) - set(known)):
        msg = f"`obs[{groupby!r}]` has no group {listed(unknown)}, only {listed(known)}."
        raise ValueError(msg)
    if len(known) < 2:
        msg = f"`obs[{groupby!r}]` has {len(known)} group, {listed(known)}: there is nothing to compare."
        raise ValueError(msg)


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed the global generator of NumPy, which scvi-tools draws from, within the block."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(rng.integers(2**32))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
