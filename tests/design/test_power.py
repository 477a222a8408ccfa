from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.design import power
from scpi.design._power import _summarised

QUIET = {"progress": False, "n_simulations": 3, "n_controls": 200}


def test_power_grows_with_cells_and_depth(make_pilot):
    adata, _ = make_pilot(mean=3.0, dispersion=1.0)
    table = power(adata, n_cells=[10, 80], depth=[0.2, 1.0], **QUIET)
    assert table.columns.tolist()[:6] == ["n_cells", "n_controls", "n_replicates", "n_guides", "depth", "perturbation"]
    of_a = table[table["perturbation"] == "A"].pivot(index="n_cells", columns="depth", values="power")
    assert of_a.loc[80, 1.0] > 0.9
    assert of_a.loc[80, 1.0] > of_a.loc[80, 0.2] + 0.05 > of_a.loc[10, 0.2] + 0.1
    # The same effects are drawn for all sizes
    assert table[table["perturbation"] == "A"]["n_changed"].nunique() == 1
    of_b = table[table["perturbation"] == "B"]
    assert (of_b["n_changed"] < 3).all()
    assert (of_b["n_found"] < 1).all()


def test_the_power_is_that_of_experiments_that_are_made(make_pilot):
    """The same numbers of cells from the distribution that the pilot is from."""
    from scpi.de import rank_genes

    options = {"mean": 2.0, "dispersion": 1.0, "n_changed": 20}
    adata, change = make_pilot(n_controls=600, n_cells=150, **options)
    found = []
    for seed in range(1, 7):
        other, _ = make_pilot(n_controls=200, n_cells=40, seed=seed, **options)
        rank_genes(other, "perturbation", reference="control", groups="A")
        called = other.uns["rank_genes_groups"]["pvals_adj"]["A"] <= 0.05
        found.append(np.isin(other.uns["rank_genes_groups"]["names"]["A"][called], adata.var_names[:20]).sum() / 20)
    table = power(adata, groups="A", n_cells=40, progress=False, n_simulations=10, n_controls=200)
    assert abs(table["power"].item() - np.mean(found)) < 0.12
    assert table["n_changed"].item() == pytest.approx(20, abs=3)


def test_replicates_are_tested_by_samples(make_pilot):
    adata, _ = make_pilot(n_samples=3, n_cells=30, n_controls=60, between=0.01)
    table = power(
        adata, n_cells=30, n_replicates=[2, 4], test="limma", sample_key="donor", covariates="donor", progress=False,
        n_simulations=2,
    )  # fmt: skip
    few, many = table[table["perturbation"] == "A"]["power"]
    assert many >= few
    assert many > 0.7


def test_what_was_computed_is_kept(make_pilot, tmp_path, monkeypatch):
    adata, _ = make_pilot(n_controls=60, n_cells=20)
    first = power(adata, n_cells=[5, 10], out=tmp_path, **QUIET)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr("scpi.design._power.simulate", lambda *_, **__: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(power(adata, n_cells=[5, 10], out=tmp_path, **QUIET), first)
    with pytest.raises(pytest.fail.Exception):
        power(adata, n_cells=[5, 10], out=tmp_path, rng=1, **QUIET)


def test_a_seed_gives_the_same_numbers(make_pilot):
    adata, _ = make_pilot(n_controls=60, n_cells=20)
    one, same, other = (power(adata, n_cells=10, rng=seed, **QUIET) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_numbers_of_a_size():
    # Simulations x groups x changed, of them found, found, and found without a change
    numbers = np.array([[[10, 5, 6, 1], [0, 0, 0, 0]], [[30, 10, 14, 4], [0, 0, 0, 0]]])
    table = _summarised(numbers, ["A", "B"])
    assert table.loc[0, ["n_changed", "power", "n_found", "detected"]].tolist() == [20.0, 15 / 40, 10.0, 1.0]
    assert table.loc[0, "false_discovery_rate"] == 5 / 20
    # Residuals of 5 - 3.75 and 10 - 11.25, over a mean of 20 and the root of 2
    np.testing.assert_allclose(table.loc[0, "standard_error"], np.sqrt(2 * 1.25**2 / 1) / 20 / np.sqrt(2))
    assert table.loc[1, ["power", "false_discovery_rate"]].isna().all()
    assert table.loc[1, "detected"] == 0


def test_what_is_wrong_is_named(make_pilot):
    adata, _ = make_pilot(n_controls=20, n_cells=10)
    for options, message in (
        ({"n_cells": [1, 5]}, "`n_cells` must be integers of at least 2"),
        ({"n_replicates": 0}, "`n_replicates` must be integers of at least 1"),
        ({"depth": 0}, "`depth` must be above 0"),
        ({"test": "best"}, "`test` must be one of"),
        ({"test": "limma"}, "'limma' compares samples: give their column"),
        ({"test": "limma", "sample_key": "donor"}, "and two replicates or more"),
        ({"pval_cutoff": 2}, "`pval_cutoff` must be between 0 and 1"),
        ({"reference": "NT"}, "`reference` must be"),
    ):
        with pytest.raises(ValueError, match=message):
            power(adata, progress=False, **options)
