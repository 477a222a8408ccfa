from __future__ import annotations

import numpy as np
import pytest

from scpi import metrics
from scpi._scoring._metrics import CONTRASTS, METRICS, NAMES, check_metrics, list_metrics
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score


@pytest.fixture(scope="module")
def prediction():
    rng = np.random.default_rng(0)
    up = np.repeat([0.0, 1.0], [20, 10])
    others = np.random.default_rng(1).normal(2, 0.5, (60, 30)) + np.repeat([1.0, 0.0], [10, 20])
    return Prediction(
        real=(rng.normal(2, 0.5, (40, 30)) + up).astype(np.float32),
        predicted=(rng.normal(2, 0.4, (35, 30)) + 0.8 * up).astype(np.float32),
        start=rng.normal(2, 0.5, (35, 30)).astype(np.float32),
        reference=rng.normal(2, 0.5, (50, 30)).astype(np.float32),
        perturbed_mean=np.full(30, 2.2),
        others=lambda: others,
    )


def test_every_metric_is_that_of_the_public_function(prediction):
    p = prediction
    real, predicted = p.change
    found = score([p], list(METRICS))[0]
    weights, special = (metrics.change_weights(p.real, cells) for cells in (p.reference, p.others()))
    called, guessed = p.calls
    error = metrics.mse_unbiased(p.real, p.predicted)
    expected = {
        "pearson": metrics.pearson_delta(real, predicted),
        "pearson_top": metrics.score_change(real, predicted)["pearson_top"],
        "pearson_perturbed": metrics.pearson_delta(p.real.mean(0) - 2.2, p.predicted.mean(0) - 2.2),
        "cosine": metrics.cosine(real, predicted),
        "rmse": metrics.rmse(real, predicted),
        "mae": metrics.mae(real, predicted),
        "error_ratio": np.linalg.norm(predicted - real) / np.linalg.norm(real),
        "mse_normalised": error / metrics.mse_unbiased(p.real, p.reference, correct_predicted=True),
        "r2": metrics.r2(real, predicted),
        "r2_weighted": metrics.weighted_r2(real, predicted, weights),
        "r2_weighted_perturbed": metrics.weighted_r2(p.real.mean(0) - 2.2, p.predicted.mean(0) - 2.2, special),
        "sign_accuracy": metrics.sign_accuracy(real, predicted),
        "de_jaccard": metrics.significant_jaccard(called.significant, guessed.significant),
        "de_effect_jaccard": metrics.effect_jaccard(
            called.lfc, guessed.lfc, called.significant, predicted_significant=guessed.significant
        ),
        "de_fidelity": metrics.direction_fidelity(
            called.lfc, guessed.lfc, called.significant, predicted_significant=guessed.significant
        ),
        "de_overlap": metrics.significant_overlap(called.significant, guessed.significant, guessed.lfc),
        "de_reach": metrics.direction_reach(called.lfc, guessed.lfc, called.significant, score=np.abs(guessed.score)),
        "de_lfc_spearman": metrics.lfc_spearman(called.lfc, guessed.lfc, called.significant),
        "de_roc_auc": metrics.roc_auc(guessed.score, called.significant),
        "de_lfc_error": metrics.lfc_nmae(called.lfc, guessed.lfc, called.significant),
        "de_pr_auc": metrics.pr_auc(called.lfc, guessed.score, called.significant),
        "de_top": metrics.top_k_overlap(called.score, guessed.score, k=100, absolute=False),
        "energy_distance": metrics.energy_distance(p.real, p.predicted),
        "mmd": metrics.mmd(p.real, p.predicted, base_bandwidth=2 * p.reference.astype(float).var(0, ddof=1).sum()),
        "sliced_wasserstein": metrics.sliced_wasserstein(p.real, p.predicted),
        "variance_error": abs(np.log2(metrics.variance_ratio(p.real, p.predicted))),
        "correlation_error": metrics.correlation_error(p.real, p.predicted),
    }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_the_weight_is_on_what_is_special_about_a_perturbation():
    """Gene 0 rises under all perturbations: it has most weight against the reference, and none against the others."""
    spread = np.array([[-1.0], [1.0]])
    shared = {
        "real": [4.0, 3.0, 2.0] + spread,
        "predicted": [5.0, 3.0, 1.5] + spread,
        "reference": [1.0, 1.0, 1.0] + spread,
        "start": [1.0, 1.0, 1.0] + spread,
        "perturbed_mean": np.array([4.0, 1.0, 1.0]),
    }
    others = [4.0, 1.0, 1.0] + spread
    made = [Prediction(**shared, others=lambda: others), Prediction(**shared)]
    found = [row["r2_weighted_perturbed"] for row in score(made, ["r2_weighted_perturbed"])]
    # Deviations are (0, 2, 1) and (1, 2, 0.5). Against the others, t is as (0, 2, 1) and the weights are (0, 0.8, 0.2):
    # the error is 0.2 x 0.25 of a variance of 0.8 x 0.04 + 0.2 x 0.64. Against the reference t is as (3, 2, 1), and the
    # weights are (0.8, 0.2, 0): the error is 0.8 of a variance of 0.8 x 0.16 + 0.2 x 2.56.
    assert found == pytest.approx([1 - 0.05 / 0.16, 1 - 0.8 / 0.64])


def test_better_is_what_the_table_says(prediction):
    """The right prediction beats none in every metric that has a value for both."""
    right, none = (
        score(
            [
                Prediction(
                    **{name: getattr(prediction, name) for name in ("real", "reference", "perturbed_mean", "others")}
                    | made
                )
            ],
            list(METRICS),
        )[0]
        for made in (
            {"predicted": prediction.start + np.repeat([0.0, 1.0], [20, 10]), "start": prediction.start},
            {"predicted": prediction.start, "start": prediction.start},
        )
    )
    # Cells that are shifted, or not, have the same spread, and the first 100 of 30 genes are all of them
    for name in METRICS.keys() - {"variance_error", "correlation_error", "de_top"}:
        if np.isfinite(none[name]):
            assert (right[name] > none[name]) is METRICS[name].higher_is_better, name


def test_names_are_checked():
    assert check_metrics(None) == list(NAMES) == [*METRICS, *CONTRASTS]
    assert check_metrics("rmse") == ["rmse"]
    assert check_metrics(["mmd", "rmse", "mmd"]) == ["mmd", "rmse"]
    for given, message in ((["rsme"], "Unknown metrics 'rsme': choose from 'pearson'"), ([], "`metrics` is empty")):
        with pytest.raises(ValueError, match=message):
            check_metrics(given)


def test_the_table_lists_all():
    table = list_metrics().set_index("metric")
    assert tuple(table.index) == NAMES
    assert set(table.index[table["perfect"]]) == {"pearson", "pearson_perturbed", "cosine"}
    assert not table.loc["rmse", "higher_is_better"] and table.loc["discrimination", "higher_is_better"]
