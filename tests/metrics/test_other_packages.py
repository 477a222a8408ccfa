"""The same numbers as pertpy and cell-eval, where these are installed."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi import metrics

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)), RNG.normal(0.4, 1.3, size=(55, 6))


@pytest.fixture(scope="module")
def distance():
    """Maker of a distance of pertpy between two sets of cells."""
    # Its imports fail beside the newest statsmodels
    pertpy = pytest.importorskip("pertpy", exc_type=ImportError)
    return lambda name: pertpy.tools.Distance(metric=name)


class TestPertpy:
    def test_energy_distance(self, distance):
        found = metrics.energy_distance(X, Y, unbiased=False)
        np.testing.assert_allclose(found, distance("edistance")(X, Y), rtol=1e-6)

    @pytest.mark.parametrize("gamma", [0.05, 0.5])
    def test_mmd(self, distance, gamma):
        found = metrics.mmd(X, Y, bandwidths=[1 / gamma], unbiased=False)
        np.testing.assert_allclose(found, distance("mmd")(X, Y, kernel="rbf", gamma=gamma), rtol=1e-5)

    def test_mean_pairwise_distance(self, distance):
        np.testing.assert_allclose(metrics.mean_pairwise_distance(X, Y), distance("mean_pairwise")(X, Y), rtol=1e-6)

    @pytest.mark.parametrize(
        ("name", "ours"), [("pearson_distance", metrics.pearson_delta), ("cosine_distance", metrics.cosine)]
    )
    def test_correlations_of_means(self, distance, name, ours):
        np.testing.assert_allclose(1.0 - ours(X.mean(0), Y.mean(0)), distance(name)(X, Y), rtol=1e-6)


@pytest.fixture(scope="module")
def pair():
    """Real and predicted cells of six perturbations and the control, as cell-eval reads them."""
    types = pytest.importorskip("cell_eval._types")
    labels = np.repeat(["control", *"ABCDEF"], 20)
    generator = np.random.default_rng(1)
    effects = {name: generator.normal(size=12) for name in "ABCDEF"} | {"control": np.zeros(12)}

    def cells(noise):
        moved = np.stack([effects[name] + noise * generator.normal(size=12) for name in labels])
        obs = pd.DataFrame({"label": labels}, index=[f"c{i}" for i in range(len(labels))])
        return ad.AnnData((3.0 + moved).astype(np.float32), obs=obs)

    return types.PerturbationAnndataPair(cells(1.0), cells(4.0), pert_col="label", control_pert="control")


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("cell_eval.metrics._anndata")


def changes(adata):
    means = {name: adata.X[(adata.obs["label"] == name).to_numpy()].mean(0) for name in ["control", *"ABCDEF"]}
    return np.stack([means[name] - means["control"] for name in "ABCDEF"])


class TestCellEvalArrays:
    @staticmethod
    def in_order(found):
        return [found[name] for name in "ABCDEF"]

    def test_changes_of_means(self, pair, theirs):
        real, predicted = changes(pair.real), changes(pair.pred)
        for ours, name in (
            (metrics.pearson_delta(real, predicted), "pearson_delta"),
            (metrics.mae(real, predicted), "mae_delta"),
            (np.square(metrics.rmse(real, predicted)), "mse_delta"),
        ):
            np.testing.assert_allclose(ours, self.in_order(getattr(theirs, name)(pair)), rtol=1e-4, err_msg=name)

    @pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
    def test_perturbation_discrimination(self, pair, theirs, metric):
        found = theirs.discrimination_score(pair, metric=metric, exclude_target_gene=False)
        # They divide the number of nearer perturbations by that of all, we by that of the others
        nearer = 6 * (1.0 - np.array(self.in_order(found)))
        ours = metrics.perturbation_discrimination(changes(pair.real), changes(pair.pred), metric=metric)
        assert nearer.sum() > 0
        np.testing.assert_allclose(ours, 1.0 - nearer / 5, atol=1e-6)

    def test_energy_distances_from_the_control(self, pair, theirs):
        """Their score is a correlation over perturbations."""

        def distances(adata):
            parts = {name: adata.X[(adata.obs["label"] == name).to_numpy()] for name in ["control", *"ABCDEF"]}
            return [metrics.energy_distance(parts[name], parts["control"], unbiased=False) for name in "ABCDEF"]

        expected = np.corrcoef(distances(pair.real), distances(pair.pred))[0, 1]
        np.testing.assert_allclose(theirs.edistance(pair), expected, rtol=1e-4)


N = 60


@pytest.fixture(scope="module")
def results():
    """Fold changes and false discovery rates of genes, real and predicted, as data frames and as arrays."""
    polars = pytest.importorskip("polars")
    types = pytest.importorskip("cell_eval._types")
    generator = np.random.default_rng(2)
    lfc = generator.normal(size=N)
    arrays = {"real": lfc, "pred": lfc + generator.normal(size=N)}
    fdr = {name: np.exp(-3 * np.abs(values)).astype(np.float32) for name, values in arrays.items()}
    frames = {
        name: polars.DataFrame(
            {
                "target": ["A"] * N,
                "feature": [f"g{i}" for i in range(N)],
                "log2_fold_change": arrays[name],
                "p_value": fdr[name],
                "fdr": fdr[name],
            }
        )
        for name in arrays
    }
    return types.initialize_de_comparison(**frames), arrays, fdr


class TestCellEvalTests:
    def test_precision_and_recall_of_the_significant_genes(self, results):
        theirs = pytest.importorskip("cell_eval.metrics._de")
        comparison, _, fdr = results
        significant, score = fdr["real"] < 0.05, -np.log10(np.clip(fdr["pred"], 1e-10, 1.0))
        # Theirs do not ask for the direction
        ours = metrics.pr_auc(np.ones(N), score, significant, direction="up")
        np.testing.assert_allclose(ours, theirs.compute_pr_auc(comparison)["A"], rtol=1e-6)

    def test_directions_of_the_significant_genes(self, results):
        theirs = pytest.importorskip("cell_eval.metrics._de")
        comparison, lfc, fdr = results
        significant = fdr["real"] < 0.05
        ours = metrics.sign_accuracy(lfc["real"][significant], lfc["pred"][significant])
        assert ours < 1
        np.testing.assert_allclose(ours, theirs.DEDirectionMatch()(comparison)["A"], rtol=1e-6)

    @pytest.mark.parametrize("k", [5, 20])
    def test_common_genes_of_the_first(self, results, k):
        comparison, lfc, _ = results
        ours = metrics.top_k_overlap(lfc["real"], lfc["pred"], k=k)
        assert ours < 1
        np.testing.assert_allclose(ours, comparison.compute_overlap(k=k, fdr_threshold=None)["A"], rtol=1e-6)
