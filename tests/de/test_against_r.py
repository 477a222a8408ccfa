"""Figures of R's limma and edgeR for the same counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scpi import de

FOLDER = Path(__file__).parent / "data" / "limma"
GROUPS = ["c0", "c1", "c5"]


def table(name):
    return pd.read_csv(FOLDER / name, index_col=0)


def largest_error(ours, theirs):
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert ours.shape == theirs.shape
    return np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-300))


@pytest.fixture(scope="module")
def counts():
    return table("counts.csv.gz").T.to_numpy()


@pytest.fixture(scope="module")
def design():
    obs = pd.read_csv(FOLDER / "obs.csv")
    perturbation = pd.get_dummies(obs["pert"], dtype=float)
    return pd.concat([perturbation, pd.get_dummies(obs["plate"], dtype=float, drop_first=True)], axis=1)


@pytest.fixture(scope="module")
def trend(counts, design):
    return de.voom(counts, design, norm_factors=de.norm_factors(counts))


@pytest.fixture(scope="module")
def contrasted(trend, design):
    fit = de.lm_fit(trend.expression, design, weights=trend.weights)
    matrix = pd.DataFrame(0.0, index=[*GROUPS, "dmso"], columns=GROUPS)
    matrix.loc[GROUPS] = np.eye(3)
    matrix.loc["dmso"] = -1.0
    return de.contrasts(fit, matrix)


def test_norm_factors(counts):
    assert largest_error(de.norm_factors(counts), table("nf.csv")["norm.factors"]) < 1e-12


def test_filter_by_expr(counts, design):
    np.testing.assert_array_equal(de.filter_by_expr(counts, design), table("keep.csv.gz")["x"] == 1)


def test_trend_and_weights(trend):
    line = pd.read_csv(FOLDER / "line.csv.gz")
    order = np.argsort(trend.mean_log_count, kind="stable")[: len(line)]
    assert np.isnan(trend.line).sum() == 3000 - len(line)
    assert largest_error(trend.mean_log_count[order], line["x"]) < 1e-9
    assert largest_error(trend.line[order], line["y"]) < 1e-11
    assert largest_error(trend.weights.T[::25], table("weights.csv.gz")) < 1e-11


def test_linear_fit(contrasted):
    expected = table("fit.csv.gz")
    assert largest_error(contrasted.sigma[::5], expected["sigma"]) < 1e-11
    assert largest_error(contrasted.ave_expr[::5], expected["A"]) < 1e-12
    np.testing.assert_array_equal(contrasted.df_residual[::5], expected["df"])


@pytest.mark.parametrize(("robust", "tolerance"), [(False, 1e-9), (True, 1e-6)])
def test_moderated_tests(contrasted, robust, tolerance):
    result, expected = de.ebayes(contrasted, robust=robust), table(f"eb_{str(robust).lower()}.csv.gz")
    ours = {"t": result.t, "p": result.pval, "B": result.lods}
    for name, values in ours.items():
        assert largest_error(values.T[::5], expected.filter(regex=rf"^{name}\.pert")) < tolerance, name
    ours = {"s2": result.variance, "dfp": result.df_prior, "dft": result.df, "s2p": result.variance_prior}
    ours |= {"F": result.f, "Fp": result.f_pval}
    for name, values in ours.items():
        assert largest_error(values[::5], np.broadcast_to(expected[name], values[::5].shape)) < tolerance, name


@pytest.mark.parametrize(
    ("options", "name", "tolerance"),
    [({}, "false", 1e-9), ({"robust": True}, "true", 1e-6), ({"trend": True}, "trend", 1e-9)],
)
def test_top_table(contrasted, options, name, tolerance):
    ours = de.top_table(de.ebayes(contrasted, **options), "c0", sort_by="none")[::5]
    theirs = table(f"tt_{name}.csv.gz")
    columns = {"logFC": "logFC", "ave_expr": "AveExpr", "t": "t", "pval": "P.Value", "pval_adj": "adj.P.Val", "B": "B"}
    for column, same in columns.items():
        assert largest_error(ours[column], theirs[same]) < tolerance, column


# --- other designs and options: data/limma/cases.R


@pytest.fixture(scope="module")
def case_counts():
    return table("case_counts.csv.gz").T.to_numpy()


@pytest.fixture(scope="module")
def case_obs():
    return pd.read_csv(FOLDER / "case_obs.csv")


@pytest.fixture(scope="module")
def treatment(case_obs):
    parts = [
        pd.Series(1.0, case_obs.index, name="(Intercept)"),
        pd.get_dummies(case_obs["group"], dtype=float, drop_first=True),
        case_obs["age"],
        pd.get_dummies(case_obs["batch"], dtype=float, drop_first=True),
    ]
    return pd.concat(parts, axis=1)


def compare(result, name, tolerance):
    expected = table(f"case_{name}.csv.gz").to_numpy()
    m = len(result.names)
    parts = [*result.t, *result.pval, *result.lods, result.f, result.f_pval, result.variance, result.df]
    errors = [largest_error(ours, theirs) for ours, theirs in zip(parts, expected.T[: 3 * m + 4], strict=True)]
    errors.append(largest_error(result.variance_prior, expected[:, -1]))
    assert max(errors) < tolerance, errors


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("plain", {}, 1e-9),
        ("robust", {"robust": True}, 1e-6),
        ("trend", {"trend": True}, 1e-9),
        ("both", {"trend": True, "robust": True}, 1e-6),
    ],
)
def test_treatment_coding_and_dependent_contrasts(case_counts, treatment, name, options, tolerance):
    trend = de.voom(case_counts, treatment, norm_factors=de.norm_factors(case_counts))
    fit = de.lm_fit(trend.expression, treatment, weights=trend.weights)
    assert fit.design.n_groups == 5
    matrix = pd.DataFrame([[1, -1, 0, -0.5], [0, 1, 1, -0.5], [0, 0, 0, 1]], index=["b", "c", "d"])
    result = de.ebayes(de.contrasts(fit, matrix), **options)
    assert result.f_rank == 3
    compare(result, name, tolerance)


def test_a_design_without_groups(case_counts, case_obs):
    age = case_obs["age"].to_numpy()
    poly = np.linalg.qr(np.stack([np.ones(len(age)), age, age**2], axis=1))[0][:, 1:]
    poly *= np.sign([poly[np.argmax(age), 0], poly[np.argmax(age), 1]])
    batch = pd.get_dummies(case_obs["batch"], dtype=float, drop_first=True).to_numpy()
    design = np.column_stack([np.ones(len(age)), poly, batch])
    trend = de.voom(case_counts, design, norm_factors=de.norm_factors(case_counts))
    fit = de.lm_fit(trend.expression, design, weights=trend.weights)
    result = de.ebayes(de.contrasts(fit, np.eye(5)[:, 1:3]))
    compare(result, "numbers", 1e-9)


@pytest.mark.parametrize(
    ("name", "robust", "tolerance"),
    [
        ("equal_plain", False, 1e-9),
        ("equal_robust", True, 1e-6),
        ("outlier_robust", True, 1e-6),
        ("zero_plain", False, 1e-9),
        ("zero_robust", True, 1e-6),
    ],
)
def test_variances_that_hardly_differ(case_obs, name, robust, tolerance):
    values = table("case_equal.csv.gz").T.to_numpy(copy=True)
    if name.startswith(("outlier", "zero")):
        values[:, 6] *= 30.0
        values[:, 7] *= 4.0
    fit = de.lm_fit(values, pd.get_dummies(case_obs["group"], dtype=float))
    if name.startswith("zero"):
        fit.sigma[2] = 0.0
    matrix = np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    result = de.ebayes(de.contrasts(fit, matrix), robust=robust)
    compare(result, name, tolerance)


def test_filter_by_expr_by_other_rules(case_counts, case_obs):
    expected = table("case_keep.csv.gz")
    design = pd.get_dummies(case_obs["batch"], dtype=float)
    np.testing.assert_array_equal(de.filter_by_expr(case_counts, design), expected["design"])
    np.testing.assert_array_equal(de.filter_by_expr(case_counts, groups=case_obs["batch"]), expected["group"])
    np.testing.assert_array_equal(de.filter_by_expr(case_counts), expected["none"])
    assert expected.nunique(axis=0).eq(2).all()
    assert not expected["none"].equals(expected["group"])
