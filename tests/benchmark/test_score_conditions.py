from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scpi.benchmark import score_conditions, summarise
from scpi.benchmark._score_conditions import row_scores


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    table = ad.AnnData(rng.normal(size=(6, 40)), obs=pd.DataFrame(index=[f"row{i}" for i in range(6)]))
    table.layers["is_de"] = np.abs(table.X) > 1.0
    return table


def noisy(real, sd):
    found = real.copy()
    found.X = real.X + sd * np.random.default_rng(1).normal(size=real.shape)
    return found


def test_the_five_metrics_are_their_definitions_to_ten_digits(real):
    predicted = noisy(real, 1.0)
    table = score_conditions(real, {"model": predicted})
    pairs = list(zip(real.X, predicted.X, strict=True))
    expected = {
        "rmse": [np.sqrt(((x - y) ** 2).sum() / 40) for x, y in pairs],
        "mae": [np.abs(x - y).sum() / 40 for x, y in pairs],
        "pearson": [stats.pearsonr(x, y)[0] for x, y in pairs],
        "spearman": [stats.spearmanr(x, y)[0] for x, y in pairs],
        "cosine": [x @ y / np.sqrt((x @ x) * (y @ y)) for x, y in pairs],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values, rtol=0, atol=1e-10, err_msg=name)


def test_conditions_and_genes_are_found_by_their_names(real):
    predicted = noisy(real, 0.5)
    order = np.random.default_rng(2).permutation(40)
    shuffled = ad.concat([predicted[::-1], ad.AnnData(np.ones((1, 40)), obs=pd.DataFrame(index=["more"]))])[:, order]
    pd.testing.assert_frame_equal(
        score_conditions(real, {"a": shuffled.copy()}), score_conditions(real, {"a": predicted})
    )


def test_no_change_has_correlations_of_zero(real):
    zeros = noisy(real, 0.0)
    zeros.X = np.zeros(real.shape)
    table = score_conditions(real, {"zeros": zeros})
    assert (table[["pearson", "spearman", "cosine"]] == 0).all(axis=None)


def test_significant_genes(real):
    scores = row_scores(
        np.array([[2.0, -1.0, 0.5, 0.1]]),
        np.array([[1.0, 1.0, -1.0, 0.0]]),
        significant=np.array([[True, True, False, False]]),
        k=2,
    )
    assert scores["sign_agreement"] == [0.5]
    assert scores["top_k_overlap"] == [1.0]
    perfect = score_conditions(real, {"same": real}, significant="is_de")
    np.testing.assert_allclose(perfect[["sign_agreement", "pr_auc", "top_k_overlap"]], 1.0)


def test_missing_predictions_count_as_zero(real):
    predicted = noisy(real, 0.5)
    zero = predicted.copy()
    zero.X[0, :3], predicted.X[0, :3] = 0.0, np.nan
    with pytest.warns(UserWarning, match="'a' has 3 missing values"):
        table = score_conditions(real, {"a": predicted})
    pd.testing.assert_frame_equal(table, score_conditions(real, {"a": zero}))


def test_the_scores_can_be_summarised(real):
    table = score_conditions(real, {"good": noisy(real, 0.1), "bad": noisy(real, 3.0)})
    summary = summarise(table, metrics=["rmse", "pearson"], pair_by="condition", baseline="bad").set_index(
        ["model", "metric"]
    )
    assert summary.loc[("good", "rmse"), "high"] < 0 < summary.loc[("good", "pearson"), "low"]


def test_bad_input_is_named(real):
    with pytest.raises(ValueError, match="lacks 2 conditions: 'row4', 'row5'"):
        score_conditions(real, {"a": real[:4].copy()})
    with pytest.raises(ValueError, match="lacks 1 genes: '0'"):
        score_conditions(real, {"a": real[:, 1:].copy()})
    with pytest.raises(ValueError, match="`predictions` is empty"):
        score_conditions(real, {})
    twice = real.copy()
    twice.obs_names = ["row0"] * 6
    with pytest.raises(ValueError, match="names of the conditions .* are repeated"):
        score_conditions(real, {"a": twice})
    with pytest.raises(KeyError, match="'logp'"):
        score_conditions(real, {"a": real}, layer="logp")
    real.X[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        score_conditions(real, {"a": real})
