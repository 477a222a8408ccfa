from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scpi.design import minimal_effect
from scpi.design._minimal_effect import _bins, _reached

N, N_CONTROLS, ALPHA = 40, 200, 0.05


@pytest.fixture(scope="module")
def controls():
    """Counts of large means, whose logarithms vary alike."""
    rng = np.random.default_rng(0)
    x = rng.poisson(50.0 * rng.gamma(4.0, 0.25, (2000, 300))).astype(np.float32)
    obs = pd.DataFrame({"perturbation": "control"}, index=[f"c{i}" for i in range(2000)])
    return ad.AnnData(x, obs=obs)


def analytic(log2fc, sd):
    """Power of a two-sided t-test of two samples with the same variance."""
    df = N + N_CONTROLS - 2
    shift = log2fc * np.log(2) / (sd * np.sqrt(1 / N + 1 / N_CONTROLS))
    limit = stats.t.ppf(1 - ALPHA / 2, df)
    return stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift)


def test_the_power_of_a_t_test_is_the_analytic_one(controls):
    steps = [0.0, 0.15, 0.3, 0.45]
    table = minimal_effect(
        controls,
        n_cells=N,
        n_controls=N_CONTROLS,
        test="t-test",
        log2fc=steps,
        n_bins=1,
        adjust=False,
        pval_cutoff=ALPHA,
        n_simulations=25,
        progress=False,
    )
    logs = np.log1p(controls.X / controls.X.sum(axis=1, keepdims=True) * 15_000)
    # The logarithm of 1 + x moves less than that of x
    slope = (np.expm1(logs) / np.exp(logs)).mean()
    expected = [analytic(step * slope, logs.std(axis=0).mean()) for step in steps]
    np.testing.assert_allclose(expected[0], ALPHA)
    # 25 experiments of 30 changed genes for each fold change
    np.testing.assert_allclose(table["power"], expected, atol=0.045)
    minimal = table["minimal_log2fc"].iloc[0]
    assert analytic(minimal * slope, logs.std(axis=0).mean()) == pytest.approx(0.8, abs=0.06)


def test_genes_with_few_counts_need_larger_effects():
    rng = np.random.default_rng(0)
    mean = np.repeat([0.3, 30.0, 0.01], 20)
    x = rng.poisson(mean * rng.gamma(2.0, 0.5, (500, 60))).astype(np.float32)
    adata = ad.AnnData(x, obs=pd.DataFrame({"perturbation": "control"}, index=[f"c{i}" for i in range(500)]))
    table = minimal_effect(adata, n_cells=60, log2fc=[0.5, 1, 2], n_bins=2, n_simulations=3, progress=False)
    assert table["n_genes"].tolist() == [20] * 6
    low, high = table.groupby("mean_from")["minimal_log2fc"].first()
    assert low > 1.3 * high
    of_low, of_high = (rows["power"].tolist() for _, rows in table.groupby("mean_from"))
    assert of_low == sorted(of_low)
    assert all(a <= b for a, b in zip(of_low, of_high, strict=True))


def test_the_effect_at_which_the_power_is_reached():
    steps = np.array([1.0, 2.0, 4.0])
    assert _reached(steps, np.array([0.2, 0.6, 1.0]), 0.8) == 3.0
    assert _reached(steps, np.array([0.9, 1.0, 1.0]), 0.45) == 0.5
    assert _reached(steps, np.array([0.2, 0.6, 0.5]), 0.8) == np.inf
    # Power that falls by chance is that before
    assert _reached(steps, np.array([0.8, 0.7, 1.0]), 0.8) == 1.0


def test_groups_of_genes_have_the_same_size():
    assert _bins(np.array([0.5, 9.0, 0.05, 3.0, 0.7]), 0.1, 2).tolist() == [0, 1, -1, 1, 0]
    with pytest.raises(ValueError, match=r"1 gene\(s\) have a mean count of min_mean=1"):
        _bins(np.array([2.0, 0.1]), 1, 2)


def test_what_is_wrong_is_named(controls):
    for options, message in (
        ({"log2fc": [1.0, 0.5]}, "`log2fc` must be numbers of at least 0 in ascending order"),
        ({"fraction": 0.0}, "`fraction` above 0"),
        ({"reference": "NT"}, "`reference` must be a group"),
        ({"test": "best"}, "`test` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            minimal_effect(controls, progress=False, **options)
