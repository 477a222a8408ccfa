"""Figures of R's limma and edgeR for designs and parts beyond the plain pipeline: data/limma_parts/parts.R"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi import de
from scpi._ranking import read_ranking
from scpi.de._contrast_effects import contrast_effects
from scpi.de._roast import _adjust

FOLDER = Path(__file__).parent / "data" / "limma_parts"


def largest_error(ours, theirs):
    ours, theirs = np.asarray(ours, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    assert ours.shape == theirs.shape
    return np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-300))


@pytest.fixture(scope="module")
def samples():
    obs = pd.read_csv(FOLDER / "obs.csv").set_index("sample")
    counts = pd.read_csv(FOLDER / "counts.csv.gz").T
    return ad.AnnData(counts.to_numpy(dtype=float), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(1, 151)]))


@pytest.fixture(scope="module")
def tests():
    return {case: frame.set_index("gene") for case, frame in pd.read_csv(FOLDER / "tests.csv.gz").groupby("case")}


@pytest.fixture(scope="module")
def numbers():
    return {name: frame["value"].to_numpy() for name, frame in pd.read_csv(FOLDER / "numbers.csv.gz").groupby("name")}


# --- designs


def run(samples, **options):
    options.setdefault("filter_genes", False)
    adata = de.limma(samples, copy=True, **options)
    ranking = read_ranking(adata, "limma")
    middle = (ranking.extra["ci_low"] + ranking.extra["ci_high"]) / 2
    columns = {"logFC": middle, "p": 10.0**ranking.log10_pvals, "B": ranking.extra["lods"]}
    columns["t"] = middle / ranking.extra["std_error"]
    found = {
        group: pd.DataFrame({name: values[row] for name, values in columns.items()}, index=ranking.genes)
        for row, group in enumerate(ranking.groups)
    }
    return adata.uns["limma"], found


def same(found, expected, tolerance=1e-8):
    for column in ("logFC", "t", "p", "B"):
        assert largest_error(found.loc[expected.index, column], expected[column]) < tolerance, column


def same_joint(table, expected, tolerance=1e-8):
    found = table.set_index("gene").loc[expected.index]
    assert largest_error(found["F"], expected["t"]) < tolerance
    assert largest_error(found["pval"], expected["p"]) < tolerance


GROUPS = {"groupby": "cond", "covariates": ["sex"]}


@pytest.mark.parametrize(
    "contrasts",
    [
        ["stim - ctrl", "(stim + drug) / 2 - ctrl"],
        {"a": {"stim": 1, "ctrl": -1}, "b": [-1, 0.5, 0.5, 0.0]},
        pd.DataFrame({"a": [1.0, 0.0, -1.0], "b": [0.5, 0.5, -1.0]}, index=["stim", "drug", "ctrl"]),
    ],
)
def test_contrasts_of_groups(samples, tests, contrasts):
    stored, found = run(samples, contrasts=contrasts, **GROUPS)
    for (name, table), case in zip(found.items(), ("difference", "mean"), strict=True):
        same(table, tests[case])
        assert name in stored["names"].dtype.names
    assert stored["groups"]["n_samples"].tolist() == [7, 14]
    assert stored["groups"]["n_reference"].tolist() == [7, 7]


def test_pairs_the_rest_and_several_references(samples, tests):
    stored, found = run(samples, contrasts="pairs", **GROUPS)
    assert list(found) == ["drug - ctrl", "stim - ctrl", "stim - drug"]
    same(found["stim - drug"], tests["pair"])
    same(found["stim - ctrl"], tests["difference"])
    stored, found = run(samples, reference="rest", **GROUPS)
    assert list(found) == ["ctrl", "drug", "stim"]
    same(found["drug"], tests["rest"])
    assert stored["groups"]["contrast"][1] == "drug - mean of the other groups"
    assert stored["params"]["reference"] == "rest"
    _, found = run(samples, reference=["ctrl", "drug"], **GROUPS)
    assert list(found) == ["stim - ctrl", "stim - drug"]
    same(found["stim - drug"], tests["pair"])


def test_an_interaction_is_a_term(samples, tests):
    stored, found = run(samples, formula="~ cond * sex", coef="sex:cond")
    assert list(found) == ["cond[T.drug] x sex[T.m]", "cond[T.stim] x sex[T.m]"]
    for name in ("drug", "stim"):
        same(found[f"cond[T.{name}] x sex[T.m]"], tests[f"interaction_{name}"])
    same_joint(stored["F"], tests["interaction_F"])
    assert stored["groups"]["contrast"].tolist() == ["cond[T.drug]:sex[T.m]", "cond[T.stim]:sex[T.m]"]
    assert stored["params"]["coef"] == "sex:cond"
    _, found = run(samples, formula="~ cond * sex", contrasts={"difference": "cond[T.stim]:sex[T.m]"})
    same(found["difference"], tests["interaction_stim"])


def test_a_slope_is_a_change_per_unit(samples, tests):
    stored, found = run(samples, formula="~ dose + sex", coef="dose")
    same(found["dose"], tests["slope"])
    assert stored["groups"]["n_samples"].tolist() == [len(samples)]
    in_tenths = samples.copy()
    in_tenths.obs["dose"] *= 10.0
    _, again = run(in_tenths, formula="~ dose + sex", coef="dose")
    np.testing.assert_allclose(again["dose"]["logFC"] * 10, found["dose"]["logFC"], rtol=1e-8)
    _, found = run(samples, formula="~ cond * dose", coef=["cond[T.stim]:dose"])
    same(found["cond[T.stim] x dose"], tests["slope_of_stim"])


def test_a_spline_is_tested_by_its_columns_together(samples, tests):
    stored, found = run(samples, formula="~ bs(dose, df=4) + cond", coef="bs(dose, df=4)")
    assert list(found) == [f"bs(dose, df=4)[{i}]" for i in range(1, 5)]
    same(found["bs(dose, df=4)[2]"], tests["spline"])
    same_joint(stored["F"], tests["spline_F"])


# --- the moderation of variances


def log_cpm(samples):
    """Genes with counts, on the scale that the numbers of R start from."""
    counts = samples.X[:, samples.X.sum(axis=0) > 0]
    return de.log_cpm(counts, lib_size=counts.sum(axis=1) * de.norm_factors(counts))


@pytest.fixture(scope="module")
def design(samples):
    return pd.get_dummies(samples.obs["cond"], dtype=float).assign(ctrl=1.0)


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("n", [4, 7, 9, 10, 12])
def test_few_genes_have_a_robust_prior_from_ten_on(samples, design, numbers, n, trend):
    fit = de.lm_fit(log_cpm(samples)[:, 40 : 40 + n], design)
    found = de.ebayes(fit, robust=True, trend=trend)
    expected = numbers[f"few_{n}" + "_trend" * trend]
    assert largest_error(found.t[2], expected[-n:]) < (1e-8 if n < 10 else 1e-6)
    prior = np.broadcast_to(expected[:-n], n)
    finite = np.isfinite(prior)
    np.testing.assert_array_equal(np.isfinite(found.df_prior), finite)
    assert not finite.any() or largest_error(found.df_prior[finite], prior[finite]) < 1e-6


# --- steps


def rows_of(samples, expected):
    """Places of the genes of a table of R among those with counts."""
    counted = samples.var_names[samples.X.sum(axis=0) > 0]
    return counted.get_indexer(expected.index)


def compare(samples, result, expected, tolerance=1e-8, row=2):
    rows = rows_of(samples, expected)
    for values, column in ((result.coefficients, "logFC"), (result.t, "t"), (result.pval, "p"), (result.lods, "B")):
        if expected[column].notna().any():
            assert np.nanmax(np.abs(values[row, rows] / expected[column].where(expected[column] != 0) - 1)) < tolerance
            assert not values[row, rows][expected[column] == 0].any()


@pytest.fixture(scope="module")
def counts(samples):
    return samples.X[:, samples.X.sum(axis=0) > 0]


@pytest.fixture(scope="module")
def scale(counts):
    return de.norm_factors(counts)


@pytest.fixture(scope="module")
def trend(counts, scale, design):
    return de.voom(counts, design, norm_factors=scale)


@pytest.mark.parametrize(
    ("case", "options", "tolerance"),
    [
        ("treat", {"log2fc_min": 0.5}, 1e-8),
        ("treat_fc", {"log2fc_min": np.log2(1.2), "trend": True}, 1e-8),
        ("treat_robust", {"log2fc_min": 0.3, "robust": True}, 1e-6),
    ],
)
def test_a_minimum_change(samples, counts, scale, design, tests, case, options, tolerance):
    with_sex = design.assign(sex=(samples.obs["sex"] == "m") * 1.0)
    trend = de.voom(counts, with_sex, norm_factors=scale)
    result = de.treat(de.lm_fit(trend.expression, with_sex, weights=trend.weights), **options)
    assert (result.t == 0).any() and np.isnan(result.lods).all() and np.isnan(result.f).all()
    compare(samples, result, tests[case], tolerance)


def test_a_minimum_of_zero_is_the_test_of_any_change(trend, design):
    fit = de.lm_fit(trend.expression, design, weights=trend.weights)
    np.testing.assert_allclose(de.treat(fit, log2fc_min=0.0).log_pval, de.ebayes(fit).log_pval, rtol=1e-10)
    # Far in the tail, where p-values underflow
    fit.coefficients[:] = 1e6
    assert np.isfinite(de.treat(fit, log2fc_min=1.0).log_pval).all()


def test_log_counts_per_million_with_a_trend(samples, design, tests, numbers):
    values = log_cpm(samples)
    assert largest_error(values[:, ::6][:, :3], numbers["log_cpm"]) < 1e-12
    fit = de.lm_fit(values, design)
    compare(samples, de.ebayes(fit, trend=True), tests["trend"])
    compare(samples, de.ebayes(fit, trend=True, robust=True), tests["trend_robust"], 1e-6)


def test_correlation_within_blocks(samples, counts, scale, design, trend, tests, numbers):
    donor = samples.obs["donor"]
    plain = de.duplicate_correlation(trend.expression, design, donor)
    assert largest_error(plain.consensus, numbers["correlation_plain"]) < 2e-5
    # R stops its iterations early in some genes
    assert np.median(np.abs(np.arctanh(plain.of_genes[::6]) / numbers["atanh_plain"] - 1)) < 1e-4
    weighted = de.duplicate_correlation(trend.expression, design, donor, weights=trend.weights)
    assert largest_error(weighted.consensus, numbers["correlation_voom"]) < 2e-5
    assert np.median(np.abs(np.arctanh(weighted.of_genes[::6]) / numbers["atanh_voom"] - 1)) < 1e-4
    compare(samples, de.ebayes(de.lm_fit(trend.expression, design, block=donor, correlation=0.3)), tests["block_plain"])
    # With the correlations of R all steps are those of R
    first, second = float(numbers["correlation_voom"][0]), float(numbers["correlation_twice"][0])
    again = de.voom(counts, design, norm_factors=scale, block=donor, correlation=first)
    assert largest_error(again.weights[:, ::6][:, :5], numbers["weights_block"]) < 1e-8
    fit = de.lm_fit(again.expression, design, weights=again.weights, block=donor, correlation=second)
    compare(samples, de.ebayes(fit), tests["block"])
    assert (
        largest_error(
            de.duplicate_correlation(again.expression, design, donor, weights=again.weights).consensus, second
        )
        < 2e-5
    )
    _, found = run(samples, formula="~ cond", coef="cond[T.stim]", block="donor")
    same(found["cond[T.stim]"], tests["block"], 5e-5)


def test_blocks_of_one_sample_change_nothing(trend, design):
    alone = np.r_[0, 0, np.arange(1, 20)]
    fit = de.lm_fit(trend.expression, design, weights=trend.weights, block=alone, correlation=0.0)
    plain = de.lm_fit(trend.expression, design, weights=trend.weights)
    for name in ("coefficients", "stdev_unscaled", "sigma", "covariance"):
        np.testing.assert_allclose(getattr(fit, name), getattr(plain, name), rtol=1e-9, atol=1e-12)


def test_exact_standard_errors_of_contrasts_with_blocks(samples, trend, design):
    fit = de.lm_fit(trend.expression, design, weights=trend.weights, block=samples.obs["donor"], correlation=0.3)
    found = de.contrasts(fit, [[0.0], [-1.0], [1.0]], standard_error="exact")
    donor = samples.obs["donor"].to_numpy()
    correlation = np.where(donor[:, None] == donor, 0.3, 0.0) + 0.7 * np.eye(len(donor))
    root = np.sqrt(trend.weights[:, 5])
    inverse = np.linalg.inv(correlation / np.outer(root, root))
    covariance = np.linalg.inv(design.T.to_numpy() @ inverse @ design.to_numpy())
    expected = covariance[1, 1] + covariance[2, 2] - 2 * covariance[1, 2]
    assert found.stdev_unscaled[0, 5] == pytest.approx(np.sqrt(expected))


def test_weights_of_samples(trend, design, numbers):
    for name, options in {
        "array_genebygene": {"method": "genebygene"},
        "array_reml": {},
        "array_weighted": {"weights": trend.weights},
        "array_prior": {"weights": trend.weights, "prior_n": 30.0},
    }.items():
        assert largest_error(de.array_weights(trend.expression, design, **options), numbers[name]) < 1e-8, name


def test_quality_weights_of_voom(samples, tests, numbers):
    stored, found = run(samples, formula="~ cond", coef="cond[T.stim]", sample_weights=True)
    same(found["cond[T.stim]"], tests["quality"])
    table = stored["samples"].set_index("sample")["weight"]
    assert largest_error(table[samples.obs_names], numbers["quality_samples"]) < 1e-8
    # The poor samples of the simulation
    assert set(table.nsmallest(2).index) & {"s5", "s12"}


def test_the_arguments_of_limma_are_the_steps(samples, design, tests):
    stored, found = run(samples, formula="~ cond", coef="cond[T.stim]", method="trend")
    same(found["cond[T.stim]"], tests["trend"])
    assert "voom" not in stored and stored["params"]["fit"] == "trend"
    _, found = run(samples, formula="~ cond + sex", coef="cond[T.stim]", log2fc_min=0.5)
    assert largest_error(found["cond[T.stim]"].loc[tests["treat"].index, "p"], tests["treat"]["p"]) < 1e-8
    stored, _ = run(samples, formula="~ cond", coef="cond[T.stim]", method="trend", block="donor", sample_weights=True)
    assert 0 < stored["groups"]["correlation"][0] < 1 and len(stored["samples"]) == len(samples)


# --- exact zeros


def test_exact_zeros_say_nothing_of_the_variance(samples, counts, scale, design, tests, numbers):
    zeros = de.exact_zeros(counts, design)
    trend = de.voom(counts, design, norm_factors=scale, zeros=zeros)
    fit = de.lm_fit(trend.expression, design, weights=trend.weights, zeros=zeros)
    np.testing.assert_array_equal(fit.df_residual[::6], numbers["zeros_df"])
    assert (fit.df_residual < 18).sum() == 8
    result = de.ebayes(fit)
    compare(samples, result, tests["zeros"])
    compare(samples, result, tests["zeros_drug"], row=1)
    _, found = run(samples, formula="~ cond", coef="cond[T.stim]", exact_zeros=True)
    same(found["cond[T.stim]"], tests["zeros"])


def test_exact_zeros_with_weights_of_samples_and_blocks(samples, tests, numbers):
    stored, found = run(samples, formula="~ cond", coef="cond[T.stim]", exact_zeros=True, sample_weights=True)
    assert largest_error(stored["samples"]["weight"], numbers["zeros_samples"]) < 1e-8
    same(found["cond[T.stim]"], tests["zeros_quality"])
    stored, found = run(samples, formula="~ cond", coef="cond[T.stim]", exact_zeros=True, block="donor")
    assert largest_error(stored["groups"]["correlation"], numbers["zeros_correlation"]) < 5e-5
    same(found["cond[T.stim]"], tests["zeros_block"], 2e-4)


def test_exact_zeros_of_designs_with_numbers():
    design = np.column_stack([np.ones(6), np.arange(6.0)])
    # The counts of later samples are fitted by a mean that falls without bound before them
    counts = np.array([[0, 0, 0, 0, 0, 9], [0, 0, 0, 0, 3, 9], [0, 9, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]).T
    expected = [[True] * 5 + [False], [False] * 6, [False] * 6, [False] * 6]
    assert de.exact_zeros(counts, design).T.tolist() == expected


def test_a_gene_without_degrees_of_freedom_has_the_prior_variance():
    rng = np.random.default_rng(0)
    design = np.repeat(np.eye(2), [1, 4], axis=0)
    values = rng.normal(size=(5, 50))
    zeros = np.zeros((5, 50), dtype=bool)
    zeros[1:, 0] = True
    fit = de.lm_fit(values, design, zeros=zeros)
    assert fit.df_residual[:2].tolist() == [0.0, 3.0]
    with_others, without = de.ebayes(fit), de.ebayes(de.lm_fit(values[:, 1:], design))
    np.testing.assert_allclose(with_others.variance[1:], without.variance)
    assert with_others.variance[0] == pytest.approx(without.variance_prior[0])


@pytest.mark.parametrize(
    ("name", "batch", "keep"), [("one", ["sex"], True), ("two", ["sex", "dose"], True), ("none", ["donor"], False)]
)
def test_batches_are_removed(samples, design, numbers, name, batch, keep):
    found = de.remove_batch_effect(log_cpm(samples), samples.obs[batch], design=design if keep else None)
    assert largest_error(found[:, ::6][:, :3], numbers[f"batch_{name}"]) < 1e-8


# --- gene sets


@pytest.fixture(scope="module")
def sets(counts):
    places = {"a": range(12), "b": range(19, 31), "c": range(1, 140, 7), "d": range(99, 103)}
    return pd.DataFrame({name: np.isin(np.arange(counts.shape[1]), list(genes)) for name, genes in places.items()})


def signs(table):
    return np.where(table["direction"] == "up", 1, -1)


def test_camera(samples, trend, design, sets, numbers):
    for name, correlation in (("fixed", 0.01), ("estimated", None)):
        table = de.camera(
            trend.expression, design, sets, contrast="stim", weights=trend.weights, correlation=correlation
        )
        assert largest_error(np.r_[table["pval"], signs(table)], numbers[f"camera_{name}"]) < 1e-8
    assert largest_error(table["correlation"], numbers["camera_correlation"]) < 1e-8
    table = de.camera(trend.expression, design, sets, contrast=[0, 0, 1], weights=trend.weights, use_ranks=True)
    assert largest_error(table["pval"], numbers["camera_ranks"]) < 1e-8
    table = de.camera(log_cpm(samples), design, sets, contrast="stim", trend=True)
    assert largest_error(table["pval"], numbers["camera_trend"]) < 1e-8


def test_fry(samples, trend, design, sets, numbers):
    for name, values, weights in (("fry", trend.expression, trend.weights), ("fry_plain", log_cpm(samples), None)):
        table = de.fry(values, design, sets, contrast="stim", weights=weights)
        assert largest_error(np.r_[table["pval"], table["pval_mixed"], signs(table)], numbers[name]) < 1e-8


def test_fry_of_blocks_and_of_other_priors(samples, trend, design, sets, numbers):
    block = samples.obs["donor"]
    blocks = {"block": block, "block_correlation": 0.3}
    for name, values, options in (
        ("fry_block", trend.expression, {"weights": trend.weights, **blocks}),
        ("fry_block_plain", log_cpm(samples), blocks),
        ("fry_trend", log_cpm(samples), {"trend": True}),
        ("fry_robust", log_cpm(samples), {"robust": True}),
    ):
        table = de.fry(values, design, sets, contrast="stim", **options)
        assert largest_error(np.r_[table["pval"], table["pval_mixed"], signs(table)], numbers[name]) < 1e-6, name


def test_camera_of_blocks_is_that_of_independent_samples(samples, design, sets):
    block = samples.obs["donor"].to_numpy()
    whitening = np.linalg.inv(
        np.linalg.cholesky(np.where(block[:, None] == block, 0.3, 0.0) + 0.7 * np.eye(len(block)))
    )
    table = de.camera(log_cpm(samples), design, sets, contrast="stim", block=block, block_correlation=0.3)
    moved = de.camera(whitening @ log_cpm(samples), whitening @ design.to_numpy(), sets, contrast=[0, 0, 1])
    np.testing.assert_allclose(table["pval"], moved["pval"], rtol=1e-9)


@pytest.mark.parametrize("name", ["mean", "floormean", "mean50", "msq", "trend"])
def test_roast(samples, trend, design, sets, numbers, name):
    if name == "trend":
        values, options = log_cpm(samples), {"trend": True, "robust": True}
    else:
        values, options = trend.expression, {"weights": trend.weights, "statistic": name}
    table = de.roast(values, design, sets, contrast="stim", n_rotations=20_000, **options)
    down, up, pval, mixed, sign = numbers[f"roast_{name}"].reshape(5, -1)
    np.testing.assert_allclose(table["prop_down"], down)
    np.testing.assert_allclose(table["prop_up"], up)
    assert (signs(table) == sign).all()
    for found, theirs in ((table["pval"], pval), (table["pval_mixed"], mixed)):
        # Both are fractions of random rotations; a one-sided p-value is that of twice as many
        error = np.sqrt(theirs * (1 - theirs) * (1 / 20_000 + 1 / 99_999)) + 1e-5
        assert (np.abs(found - theirs) < 4 * error).all()


def test_roast_adjusts_mid_p_values(numbers):
    pval, adjusted, mixed, mixed_adjusted = numbers["roast_fdr"].reshape(4, -1)
    np.testing.assert_allclose(_adjust(pval, 999), adjusted)
    np.testing.assert_allclose(_adjust(mixed, 999), mixed_adjusted)


def test_roast_is_close_to_fry(samples, trend, design, sets):
    options = {"contrast": "stim", "weights": trend.weights}
    table = de.roast(trend.expression, design, sets, n_rotations=5_000, rng=1, **options)
    again = de.roast(trend.expression, design, sets, n_rotations=5_000, rng=1, **options)
    pd.testing.assert_frame_equal(table, again)
    assert np.abs(table["pval"] - de.fry(trend.expression, design, sets, **options)["pval"]).max() < 0.06


def test_a_contrast_of_several_coefficients_is_a_coefficient_of_another_coding(trend, samples, design, sets):
    groups = pd.get_dummies(samples.obs["cond"], dtype=float)
    effects = contrast_effects(trend.expression, groups, [-1.0, 0.0, 1.0], trend.weights)
    expected = contrast_effects(trend.expression, design, "stim", trend.weights)
    np.testing.assert_allclose(effects[:, 0], expected[:, 0], rtol=1e-8)
    np.testing.assert_allclose(np.square(effects).sum(axis=1), np.square(expected).sum(axis=1), rtol=1e-8)
    both = [
        de.fry(trend.expression, model[0], sets, contrast=model[1], weights=trend.weights)
        for model in ((groups, [-1, 0, 1]), (design, "stim"))
    ]
    np.testing.assert_allclose(both[0]["pval"], both[1]["pval"], rtol=0.2)


@pytest.mark.slow
def test_p_values_of_sets_are_uniform_where_genes_are_correlated():
    rng = np.random.default_rng(0)
    design, sets = np.repeat(np.eye(2), 5, axis=0), np.arange(300)[:, None] // 20 == np.arange(1)
    found = []
    for _ in range(400):
        values = rng.normal(size=(10, 300))
        values[:, :20] = np.sqrt(0.7) * values[:, :20] + np.sqrt(0.3) * rng.normal(size=(10, 1))
        tests = (
            de.fry(values, design, sets, contrast=[-1, 1])["pval"][0],
            de.camera(values, design, sets, contrast=[-1, 1], correlation=None)["pval"][0],
            de.roast(values, design, sets, contrast=[-1, 1], n_rotations=199)["pval"][0],
        )
        found.append(tests)
    share = (np.array(found) < 0.05).mean(axis=0)
    assert (share < 0.09).all() and (share[[0, 2]] > 0.02).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v, x: de.treat(de.lm_fit(v, x), log2fc_min=-1.0), "`log2fc_min` must be a finite number from 0 on"),
        (lambda v, x: de.lm_fit(v, x, block=[1] * 6), "`block` and `correlation` belong together"),
        (lambda v, x: de.lm_fit(v, x, block=[1] * 5, correlation=0.1), "one value for each of 6 samples"),
        (lambda v, x: de.lm_fit(v, x, block=[1, 1, 1, 2, 2, None], correlation=0.1), "`block` has missing values"),
        (lambda v, x: de.lm_fit(v, x, block=[1, 1, 1, 2, 2, 2], correlation=-0.6), "below 1 and above -0.5 with 3"),
        (lambda v, x: de.duplicate_correlation(v, x, range(6)), "at least two samples in one of them"),
        (lambda v, x: de.array_weights(v, x, method="other"), "`method` must be one of 'auto'"),
        (lambda v, x: de.array_weights(v, x, method="reml", weights=v * 0 + 1), "does not support weights"),
        (lambda v, x: de.array_weights(v, x, prior_n=0), "`prior_n` must be positive"),
        (lambda v, x: de.array_weights(v[:3], x[:3, :1] + [[0, 0], [0, 1], [0, 0]]), "two residual degrees"),
        (lambda v, x: de.lm_fit(v, x, zeros=[[True]]), r"`zeros` must have the shape of `expression`, \(6, 9\)"),
        (lambda v, x: de.log_cpm(np.ones((2, 3)), prior_count=0), "`prior_count` must be positive"),
        (lambda v, x: de.remove_batch_effect(v, list("ab")), "`batch` has 2 rows"),
        (lambda v, x: de.remove_batch_effect(v, list("aaabbb"), design=x), "not of full rank: 'batch=a'"),
        (
            lambda v, x: de.camera(v, x, np.eye(9, 2), contrast="x3"),
            "`contrast` is 'x3', but the coefficients are 'x0', 'x1'",
        ),
        (lambda v, x: de.camera(v, x, np.eye(9, 2), contrast=[0, 0]), "not all zero"),
        (lambda v, x: de.fry(v, x, np.eye(8, 2), contrast="x1"), "`sets` must be 9 genes x sets"),
        (
            lambda v, x: de.roast(v, x, np.eye(9, 2), contrast="x1", statistic="sum"),
            "`statistic` must be one of 'mean'",
        ),
        (lambda v, x: de.roast(v, x, np.eye(9, 2), contrast="x1", n_rotations=0), "`n_rotations` must be at least 1"),
        (lambda v, x: de.fry(v, x, np.zeros((9, 1)), contrast="x1"), "leave out 'set0'"),
    ],
)
def test_what_the_steps_do_not_take(call, message):
    values = np.random.default_rng(0).normal(size=(6, 9))
    with pytest.raises(ValueError, match=message):
        call(values, np.repeat(np.eye(2), 3, axis=0))
