from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi

if TYPE_CHECKING:
    from collections.abc import Callable

# A label of two members stands in both orders, as it does in files that were put together from several.
CONDITIONS = {"control": 48, "A": 16, "B": 16, "C": 16, "D": 12, "A+B": 8, "B+A": 8, "C+D": 12}
GENES = 24

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False}


def _screen(*, conditions: dict[str, int] | None = None, rng: int = 0) -> ad.AnnData:
    """Counts of a small screen in which each perturbation raises genes of its own."""
    conditions = CONDITIONS if conditions is None else conditions
    generator = np.random.default_rng(rng)
    labels = np.repeat(list(conditions), list(conditions.values()))
    rate = np.tile(generator.uniform(1.0, 4.0, GENES), (len(labels), 1))
    for cell, label in enumerate(labels):
        for member in label.split("+"):
            if member != "control":
                start = 5 * "ABCD".index(member)
                rate[cell, start : start + 5] *= 2.5
    obs = pd.DataFrame(
        {
            "perturbation": labels,
            "batch": generator.choice(["b1", "b2"], len(labels)),
            "cell_type": generator.choice(["T", "B"], len(labels)),
            "dose": np.where(labels == "control", 0.0, generator.choice([0.5, 1.0], len(labels))),
        },
        index=[f"cell{i}" for i in range(len(labels))],
    )
    adata = ad.AnnData(
        sparse.csr_matrix(generator.poisson(rate).astype(np.float32)),
        obs=obs.iloc[generator.permutation(len(labels))],
        var=pd.DataFrame(index=[f"g{i}" for i in range(GENES)]),
    )
    adata.obs["depth"] = np.asarray(adata.X.sum(1)).ravel()
    sets = {f"set_{name}": [f"g{5 * i + j}" for j in range(5)] for i, name in enumerate("ABCD")}
    scpi.tl.gene_sets(adata, sets | {"set_mixed": ["g0", "g5", "g10", "g15", "g20", "g21"]})
    return adata


@pytest.fixture(scope="session")
def make_screen() -> Callable[..., ad.AnnData]:
    """Maker of small screens of counts."""
    return _screen


@pytest.fixture
def screen() -> ad.AnnData:
    """A small screen of counts with gene sets, contexts, batches and doses."""
    return _screen()


@pytest.fixture(scope="session")
def quiet() -> dict[str, Any]:
    """Arguments of `train` for tests."""
    return QUIET


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    """Set up data and train one model on it, by name."""

    def make(
        name: str,
        adata: Any,
        kwargs: dict[str, Any] | None = None,
        *,
        setup: dict[str, Any] | None = None,
        train: dict[str, Any] | None = None,
    ) -> Any:
        cls = getattr(scpi.model, name)
        getattr(cls, "setup_anndata" if isinstance(adata, ad.AnnData) else "setup_mudata")(adata, **(setup or {}))
        model = cls(adata, **(kwargs or {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train(**({"max_epochs": 1} | QUIET | (train or {})))
        return model

    return make


def _dense(x: Any) -> np.ndarray:
    return x.toarray() if sparse.issparse(x) else np.asarray(x)


def _same(left: Any, right: Any, where: str) -> None:
    """Assert that two entries of an AnnData are the same."""
    assert type(left) is type(right), where
    if isinstance(left, pd.DataFrame):
        pd.testing.assert_frame_equal(left, right, obj=where)
    elif hasattr(left, "keys"):
        assert set(left) == set(right), where
        for key in left:
            _same(left[key], right[key], f"{where}[{key!r}]")
    elif sparse.issparse(left):
        assert left.format == right.format and left.dtype == right.dtype, where
        np.testing.assert_array_equal(left.toarray(), right.toarray(), err_msg=where)
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, where
        np.testing.assert_array_equal(left, right, err_msg=where)
    else:
        assert left == right, where


@pytest.fixture(scope="session")
def assert_unchanged() -> Callable[..., None]:
    """Assert that an AnnData is what a deep copy of it was; with `setup`, but for the keys of a registered setup."""

    def check(adata: ad.AnnData, before: ad.AnnData, *, setup: bool = False) -> None:
        own = (
            {"_scpi_condition", "_scvi_batch", "_scvi_context", "_scvi_uuid", "_scvi_manager_uuid"} if setup else set()
        )
        assert adata.is_view == before.is_view
        _same(adata.X, before.X, "X")
        obs = adata.obs.drop(columns=[c for c in adata.obs if c in own and c not in before.obs])
        pd.testing.assert_frame_equal(obs, before.obs)
        pd.testing.assert_frame_equal(adata.var, before.var)
        for slot in ("layers", "obsm", "varm", "obsp", "varp"):
            left, right = ({k: v for k, v in getattr(a, slot).items() if k is not None} for a in (adata, before))
            _same(left, right, slot)
        _same(
            {key: value for key, value in adata.uns.items() if key not in own or key in before.uns},
            dict(before.uns),
            "uns",
        )

    return check


GROUP_GENES = 40


def _groups(*, n_cells: int = 60, fold: float = 4.0, rng: int = 0) -> ad.AnnData:
    """Counts of two groups of cells of which each raises ten genes."""
    generator = np.random.default_rng(rng)
    group = generator.permutation(np.arange(n_cells) % 2)
    rate = np.tile(generator.uniform(1.0, 4.0, GROUP_GENES), (n_cells, 1))
    rate[group == 0, :10] *= fold
    rate[group == 1, 10:20] *= fold
    rate *= generator.lognormal(0.0, 0.3, (n_cells, 1))
    obs = pd.DataFrame(
        {"group": pd.Categorical.from_codes(group, ["x", "y"]), "weight": generator.uniform(0.5, 2.0, n_cells)},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    adata = ad.AnnData(
        sparse.csr_matrix(generator.poisson(rate).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=[f"g{i}" for i in range(GROUP_GENES)]),
    )
    adata.obs["depth"] = np.asarray(adata.X.sum(1)).ravel()
    return adata


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., ad.AnnData]:
    """Maker of small data with two groups."""
    return _groups
