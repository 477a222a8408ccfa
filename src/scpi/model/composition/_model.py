"""A model of numbers of cells and library sizes of groups of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from scipy import sparse
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._blocks import blocks
from scpi._screen._checks import as_indices
from scpi._screen._matrix import sums
from scpi._sequence import as_list
from scpi._slots import find_column, listed
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import COUNTS_ADVICE, ModelBase
from scpi.model.base.setup._covariate_fields import CategoricalsField
from scpi.model.base.setup._declaration import Field
from scpi.model.base.training._seed import resolve_seed
from scpi.model.base.training._training import check_ignored
from scpi.model.composition._cell_numbers import fit_cell_numbers
from scpi.model.composition._forest import forest_library_size, forest_numbers
from scpi.model.composition._library import LogSums, fit_library_size, log_sums
from scpi.model.composition._module import GroupsModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scpi.model.composition._cell_numbers import CellNumbers
    from scpi.model.composition._forest import ForestNumbers
    from scpi.model.composition._library import LibrarySize

    Floats = NDArray[np.float64]

CompositionMethod = Literal["glm", "forest"]


class _Fitted(NamedTuple):
    numbers: CellNumbers | ForestNumbers
    total: LibrarySize
    largest: LibrarySize


@fill
class CompositionModel(ModelBase):
    """Predict numbers of cells and library sizes of groups of cells, such as a cell type under a compound on a plate.

    Tests on generated cells depend on the number of cells and their sequencing depth. Numbers of cells are negative
    binomial, with a log mean that is linear in the covariates. Library sizes (total and largest count of a cell) are
    log-normal around a linear function. Penalties and variances are chosen to predict held-out groups best, so that
    intervals hold for unmeasured groups.

    Parameters
    ----------
    adata
        Cells x genes, after :meth:`setup_anndata` or :meth:`setup_mudata`.
    %(registry)s
    method
        ``"glm"``, or ``"forest"``: random forests on indicators of the covariates, as published.
    n_trees
        Number of trees of a forest.
    %(model_seed)s

    Raises
    ------
    ValueError
        If the method is unknown, or ``n_trees`` is below 1.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.op3_like(n_compounds=3, n_genes=20, n_cells=4, n_vehicle=2)
    >>> keys = ["cell_type", "sm_name", "plate_name"]
    >>> scpi.model.CompositionModel.setup_anndata(adata, categorical_covariate_keys=keys)
    >>> model = scpi.model.CompositionModel(adata)
    >>> model.train()
    >>> plan = model.predict()
    >>> sorted(set(plan) - set(keys))
    ['library', 'library_max', 'library_sd', 'n_cells']
    """

    _reads_counts = True
    _advice = COUNTS_ADVICE
    _fields = (
        Field(
            argument="categorical_covariate_keys", registry_key=KEYS.CATEGORICAL, make=CategoricalsField, required=True
        ),
    )

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        method: CompositionMethod = "glm",
        n_trees: int = 1000,
        seed: int | None = None,
    ) -> None:
        super().__init__(adata, registry)
        if method not in get_args(CompositionMethod) or n_trees < 1:
            msg = f"`method` must be 'glm' or 'forest' and `n_trees` at least 1, but are {method!r} and {n_trees}."
            raise ValueError(msg)
        self._method, self._n_trees = method, n_trees
        self.seed_ = resolve_seed(seed)
        self.module = GroupsModule()
        self._models: _Fitted | None = None
        self._model_summary_string = f"CompositionModel with method: {method}"
        self.init_params_ = self._get_init_params(locals())

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        categorical_covariate_keys: str | Sequence[str] = (),
        exposure_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X``
            does not hold counts.
        categorical_covariate_keys
            Columns of ``adata.obs``. Cells with the same values in all of them form a group.
        exposure_key
            Column of ``adata.obs`` with the exposure, to which the number of cells of a group is proportional, such as
            the number of cells loaded. It must be positive, and equal for all cells of a group. 1 for all groups if
            ``None``.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        KeyError
            If a column or the layer does not exist.
        ValueError
            If the values are not counts, a cell lacks a value, or there is no covariate.
        """
        categorical_covariate_keys = as_list(categorical_covariate_keys)
        if not categorical_covariate_keys:
            msg = "`categorical_covariate_keys` must name the columns whose values form the groups, at least one."
            raise ValueError(msg)
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    def train(
        self,
        max_epochs: int | None = None,
        *,
        indices: ArrayLike | None = None,
        seed: int | None = None,
        **ignored: Any,
    ) -> None:
        """Fit the model to the groups of cells.

        Parameters
        ----------
        max_epochs
            Ignored; accepted for compatibility, as in the baselines.
        indices
            Positions, or a mask, of the cells to train on; all if ``None``. Hold out whole groups: a part of a group
            would count as a smaller group.
        seed
            Seed of the forests; that of the model if ``None``.
        **ignored
            Other arguments of the trainings of networks, which have no effect here.

        Raises
        ------
        ValueError
            If there are fewer than three groups, or the exposure differs within a group or is not positive.
        """
        check_ignored(self, ignored)
        cells = as_indices(indices, self._validate_anndata().n_obs)
        codes, group = np.unique(self._codes()[cells], axis=0, return_inverse=True)
        group = group.ravel()
        if len(codes) < 3:
            msg = f"At least three groups of cells are needed to learn from, but there are {len(codes)}."
            raise ValueError(msg)
        self.seed_ = self.seed_ if seed is None else resolve_seed(seed)
        sizes = _sizes(self._field(self.adata, KEYS.X))[:, cells]
        total, largest = (log_sums(size, group, len(codes)) for size in sizes)
        self.module.put(
            {
                "codes": codes,
                "n_cells": total.n,
                "exposure": self._exposure(cells, group, len(codes)),
                "total_mean": total.mean,
                "total_square": total.square,
                "largest_mean": largest.mean,
                "largest_square": largest.square,
            }
        )
        self._models = None
        self._fitted()
        self.train_indices = cells
        self.history_: dict[str, Any] = {}
        self.is_trained_ = True

    def predict(self, plan: pd.DataFrame | None = None) -> pd.DataFrame:
        """Predict numbers of cells and library sizes.

        Parameters
        ----------
        plan
            Groups, one per row, with a column for each covariate, and for the exposure if one was registered. Other
            columns are kept. The training groups if ``None``. A category that was not trained on has an effect of 0.

        Returns
        -------
        The plan with the columns `n_cells` (rounded, at least 1), `library` (median total count of a cell),
        `library_sd` (standard deviation of the log total count) and `library_max` (median of the largest count of a
        cell).

        Raises
        ------
        KeyError
            If the plan lacks a column.
        ValueError
            If an exposure is not positive.
        """
        plan, x, exposure = self._read(plan)
        fitted = self._fitted()
        n_cells = np.maximum(np.floor(fitted.numbers.mean(x, exposure) + 0.5), 1.0).astype(np.int64)
        return _complete(plan, fitted, n_cells, fitted.total.median(x), fitted.largest.median(x))

    @fill
    def sample(
        self, plan: pd.DataFrame | None = None, *, n_draws: int = 1, rng: int | np.random.Generator | None = 0
    ) -> pd.DataFrame:
        """Draw numbers of cells and library sizes, as repeated measurements of the groups would give.

        Parameters
        ----------
        plan
            As in :meth:`predict`.
        n_draws
            Number of draws.
        %(rng)s

        Returns
        -------
        As :meth:`predict`, with the rows of all draws concatenated, and the column `draw`. `n_cells` may be 0.

        Raises
        ------
        KeyError
            If the plan lacks a column.
        ValueError
            If an exposure is not positive, or ``n_draws`` is below 1.
        """
        if n_draws < 1:
            msg = f"`n_draws` must be at least 1, but is {n_draws}."
            raise ValueError(msg)
        plan, x, exposure = self._read(plan)
        fitted, generator = self._fitted(), as_generator(rng)
        drawn = []
        for draw in range(n_draws):
            n_cells = fitted.numbers.draw(x, exposure, generator)
            total, largest = (size.draw(x, generator) for size in (fitted.total, fitted.largest))
            drawn.append(_complete(plan, fitted, n_cells, total, largest).assign(**{Key.obs.DRAW: draw}))
        return pd.concat(drawn, ignore_index=n_draws > 1)

    def _codes(self) -> NDArray[np.int64]:
        return np.asarray(self._field(self.adata, KEYS.CATEGORICAL), dtype=np.int64)

    def _categories(self) -> dict[str, list[str]]:
        """Categories of each covariate."""
        return dict(self.registry["field_registries"][KEYS.CATEGORICAL]["state_registry"]["categories"])

    def _exposure(self, cells: NDArray[np.int64], group: NDArray[np.int64], n_groups: int) -> Floats:
        key = self.registry["setup_args"]["exposure_key"]
        if key is None:
            return np.ones(n_groups)
        values = find_column(self.adata, key, argument="exposure_key").to_numpy(dtype=np.float64)[cells]
        by_group = pd.Series(values).groupby(group).agg(["min", "max"]).to_numpy()
        if (by_group[:, 0] != by_group[:, 1]).any():
            msg = f"`adata.obs[{key!r}]` must be the same for all cells of a group, but it is not in some."
            raise ValueError(msg)
        return _positive(by_group[:, 0], key)

    def _read(self, plan: pd.DataFrame | None) -> tuple[pd.DataFrame, Floats, Floats]:
        """The plan, indicators of its covariates, and exposures."""
        self._check_if_trained(warn=False)
        categories, key = self._categories(), self.registry["setup_args"]["exposure_key"]
        if plan is None:
            codes = self.module.array("codes").astype(np.int64)
            names = zip(categories.items(), codes.T, strict=True)
            plan = pd.DataFrame({name: np.array(known, dtype=object)[own] for (name, known), own in names})
            if key is not None:
                plan[key] = self.module.array("exposure")
        missing = [name for name in (*categories, *([key] if key else [])) if name not in plan]
        if missing:
            msg = f"`plan` lacks the column(s) {listed(missing)}, it has {listed(plan.columns)}."
            raise KeyError(msg)
        codes = np.column_stack(
            [pd.Index(known).get_indexer(plan[name].astype(str)) for name, known in categories.items()]
        )
        exposure = np.ones(len(plan)) if key is None else _positive(plan[key].to_numpy(dtype=np.float64), key)
        return plan, self._indicators(codes), exposure

    def _indicators(self, codes: NDArray[np.int64]) -> Floats:
        sizes = [len(known) for known in self._categories().values()]
        parts = (codes[:, [place]] == np.arange(size) for place, size in enumerate(sizes))
        return np.hstack(list(parts)).astype(np.float64)

    def _fitted(self) -> _Fitted:
        """The fitted models; a loaded model fits them when they are first needed."""
        if self._models is None:
            kept = {name: self.module.array(name) for name in self.module._kept}
            x = self._indicators(kept["codes"].astype(np.int64))
            logs = [
                LogSums(kept["n_cells"], kept[f"{name}_mean"], kept[f"{name}_square"]) for name in ("total", "largest")
            ]
            if self._method == "glm":
                numbers: Any = fit_cell_numbers(x, kept["n_cells"], kept["exposure"])
                sizes = [fit_library_size(x, own) for own in logs]
            else:
                grown: dict[str, Any] = {"n_trees": self._n_trees, "seed": self.seed_}
                numbers = forest_numbers(x, kept["n_cells"], kept["exposure"], **grown)
                sizes = [forest_library_size(x, own, **grown) for own in logs]
            self._models = _Fitted(numbers, *sizes)
        return self._models


def _complete(
    plan: pd.DataFrame, fitted: _Fitted, n_cells: NDArray[np.int64], total: Floats, largest: Floats
) -> pd.DataFrame:
    return plan.assign(
        **{
            Key.obs.N_CELLS: n_cells,
            Key.obs.LIBRARY: total,
            Key.obs.LIBRARY_SD: fitted.total.within,
            Key.obs.LIBRARY_MAX: largest,
        }
    )


def _sizes(counts: Any) -> Floats:
    """Sum and largest of the counts of each cell, (2, n_cells)."""
    sizes = np.zeros((2, counts.shape[0]))
    for block in blocks(counts):
        sizes[0, block.rows] += sums(block.values, axis=1)
        largest = block.values.max(axis=1)
        largest = np.asarray(largest.todense() if sparse.issparse(largest) else largest).ravel()
        sizes[1, block.rows] = np.maximum(sizes[1, block.rows], largest)
    return sizes


def _positive(values: Floats, key: str) -> Floats:
    if not (np.isfinite(values) & (values > 0)).all():
        msg = f"The exposure {key!r} must be a positive number for every group."
        raise ValueError(msg)
    return values
