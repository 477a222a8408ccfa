from __future__ import annotations

import dataclasses

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import scpi
from scpi._ranking import Ranking, write_ranking
from scpi.de import false_discovery_control


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def graph_data():
    """Make an AnnData with a causal graph of `n` factors, as `tl.causal_graph` stores it."""

    def make(n, *, n_perturbations=25, edge_probability=0.3, seed=0, set_names=None):
        rng = np.random.default_rng(seed)
        order, rows = rng.permutation(n), []
        for i in range(n):
            rows += [
                (f"factor_{order[i]}", f"factor_{order[j]}", rng.choice([-1, 1]) * rng.uniform(0.1, 1.5))
                for j in range(i + 1, n)
                if rng.random() < edge_probability
            ]
        edges = pd.DataFrame(rows, columns=["source", "target", "weight"]).astype({"weight": float})
        assignment = rng.dirichlet(np.full(n, 0.05), n_perturbations)
        best, labels = assignment.argmax(axis=1), [f"GENE{i}" for i in range(n_perturbations)]
        names = set_names or [f"HALLMARK_SET_NUMBER_{i}" for i in range(50)]
        hit = [[label for label, factor in zip(labels, best, strict=True) if factor == k] for k in range(n)]
        adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
        adata.uns["causal_graph"] = {
            "params": {"model": "Fake"},
            "edges": edges,
            "factors": pd.DataFrame(
                {
                    "factor": [f"factor_{k}" for k in range(n)],
                    "n_targets": [len(h) for h in hit],
                    "targets": [";".join(h) for h in hit],
                    "top_sets": [";".join(rng.choice(names, 5, replace=False)) for _ in range(n)],
                }
            ),
            "targets": pd.DataFrame(
                {
                    "perturbation": labels,
                    "factor": [f"factor_{k}" for k in best],
                    "probability": assignment.max(axis=1),
                    "strength": rng.normal(size=n_perturbations),
                    "entropy": -(assignment * np.log(assignment + 1e-300)).sum(axis=1),
                }
            ),
            "assignment": assignment,
        }
        return adata

    return make


@pytest.fixture(scope="session")
def tested():
    """Make an AnnData with tests of many gene sets in a few perturbations."""

    def make(n_sets=30, groups=("A", "B", "C"), name="HALLMARK_SET_{}"):
        rng = np.random.default_rng(0)
        labels = np.repeat(["control", *groups], 40)
        adata = ad.AnnData(np.zeros((len(labels), 1), dtype=np.float32), obs={"perturbation": labels})
        activity = rng.normal(size=(len(labels), n_sets))
        for i, group in enumerate(groups):
            activity[labels == group, i : i + 2] += [3.0, -2.0]
        adata.obsm["pathway_activity"] = activity
        adata.uns["pathway_activity"] = {"names": np.array([name.format(i) for i in range(n_sets)], dtype=object)}
        scpi.tl.differential_activity(adata)
        return adata

    return make


@pytest.fixture(scope="session")
def scored_once():
    rng = np.random.default_rng(0)
    effect = {"control": 0.0, "A": np.linspace(-1, 1, 40), "B+C": np.linspace(2, 0, 40)}
    labels = np.repeat(list(effect), [60, 30, 50])
    real = ad.AnnData(np.stack([effect[x] + rng.normal(3, 0.3, 40) for x in labels]), obs={"perturbation": labels})
    made = np.repeat(["A", "B+C", "unseen"], 20)
    x = np.stack([0.7 * effect.get(label, 0.0) + rng.normal(3, 0.3, 40) for label in made])
    predicted = ad.AnnData(x, obs={"perturbation": made})
    predicted.var_names = real.var_names = [f"G{i}" for i in range(40)]
    scpi.tl.score_prediction(predicted, real)
    return predicted


@pytest.fixture
def scored(scored_once):
    """A prediction of three perturbations, of which the last has no real cells."""
    return scored_once.copy()


@pytest.fixture(scope="session")
def ranked_once():
    rng = np.random.default_rng(0)
    groups, genes = np.array(["A", "B", "C"], dtype=object), np.array([f"G{i}" for i in range(300)], dtype=object)
    adata = ad.AnnData(np.ones((2, 300), dtype=np.float32), var=pd.DataFrame({"mean": np.arange(300.0)}, index=genes))
    for key, seed in (("rank_genes_groups", 1), ("limma", 1), ("other", 2)):
        fold = rng.normal(0, 0.05, (3, 300)) + np.random.default_rng(seed).normal(0, 2, (3, 300)) * (
            np.arange(300) < np.array([30, 90, 10])[:, None]
        )
        log10_pvals = -12 * np.abs(fold) - 0.1
        ranking = Ranking(
            groups=groups,
            genes=genes,
            scores=fold * 5,
            logfoldchanges=fold,
            log10_pvals=log10_pvals,
            pvals_adj=false_discovery_control(10.0**log10_pvals),
            extra={"ave_expr": rng.normal(5, 2, fold.shape)} if key == "limma" else {},
            params={"method": "test"},
        )
        trend = pd.DataFrame({"split": np.repeat(["B cells", "T cells"], 300), "gene": np.tile(genes, 2)})
        x = rng.normal(5, 2, 600)
        trend = trend.assign(mean_log_count=x, sqrt_sd=rng.gamma(20, 0.05, 600), line=np.exp(-x / 10))
        write_ranking(adata, key, ranking, **({"voom": trend} if key == "limma" else {}))
    adata.varm["log2fc_rest"] = pd.DataFrame(
        {group: np.where(np.arange(300) < 20, rng.normal(0, 2, 300), 0.0) for group in groups}, index=genes
    )
    write_ranking(adata, "rank_genes_gradients", dataclasses.replace(ranking, params={"groupby": "group"}))
    return adata


@pytest.fixture
def ranked(ranked_once):
    """Rankings of 300 genes in three groups, of which B has the most that are changed."""
    return ranked_once.copy()


@pytest.fixture(scope="session")
def compared_once():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": ["ctrl", "A", "B"] * 12, "cell_type": np.repeat(["B cells", "T cells"], 18)})
    obs["donor"] = [f"d{i // 3 % 6}" for i in range(36)]
    obs.index = [f"s{i}" for i in range(36)]
    rate = np.tile(rng.gamma(2.0, 50.0, 120) + 20.0, (36, 1)) * np.exp(rng.normal(0, 0.1, (36, 120)))
    for place, label in enumerate(("A", "B")):
        changed = np.ix_(obs["condition"] == label, range(10 * place, 10 * place + 20))
        rate[changed] *= np.exp(rng.normal(0.5 - place, 0.3, 20))
    adata = ad.AnnData(rng.poisson(rate).astype(np.float32), obs=obs)
    adata.var_names = [f"G{i}" for i in range(120)]
    scpi.tl.gene_sets(adata, {f"HALLMARK_SET_{i}": adata.var_names[10 * i : 10 * i + 10] for i in range(12)})
    scpi.de.limma(adata, "condition", reference="ctrl", split_by="cell_type", covariates="donor", donor_key="donor")
    scpi.tl.enrichment(adata)
    return adata


@pytest.fixture
def compared(compared_once):
    """Samples of six donors and three conditions in two cell types, tested by limma, and tests of gene sets."""
    return compared_once.copy()


@pytest.fixture(scope="session")
def explained_once():
    adata = scpi.datasets.gene_programs(150, 400, 8, n_genes_per_program=25, signed=False)
    rng = np.random.default_rng(0)
    units = [f"latent_{i}" for i in range(8)]
    truth, sign = adata.varm["programs"], rng.choice([-1, 1], 8)
    sets = truth.rename(columns=lambda name: f"HALLMARK_{name.upper()}_RESPONSE") != 0
    others = {f"HALLMARK_OTHER_{i}": rng.random(400) < 0.06 for i in range(20)}
    adata.varm["gene_sets"] = sets.assign(**others)
    noise = 0.4 * rng.normal(size=(400, 8))
    adata.varm["saliency"] = pd.DataFrame(truth.to_numpy() * sign + noise, index=adata.var_names, columns=units)
    adata.uns["saliency"] = {"params": {}, "units": np.array(units, dtype=object)}
    adata.obsm["X_scpi"] = adata.obsm["programs"].to_numpy() + 0.1 * rng.normal(size=(150, 8))
    adata.obsm["X_umap"] = rng.normal(size=(150, 2)) + adata.obsm["X_scpi"][:, :2]
    scpi.tl.gene_set_impact(adata)
    scpi.tl.annotate_units(adata)
    stored = adata.uns["gene_set_impact"]
    shape = stored["zscore"].shape
    difference = rng.normal(size=shape) * 0.02
    difference[:, :3] += 0.1 * np.eye(8, 3)
    adata.uns["impact_contrast"] = {
        "params": {"target": "stim", "reference": "ctrl"},
        "units": stored["units"],
        "sets": stored["sets"],
        "size": stored["size"],
        "difference": difference,
        "ci_low": difference - 0.03,
        "ci_high": difference + 0.03,
        "zscore": difference * 50,
        "pval": np.where(difference > 0.08, 1e-4, 0.5),
        "pval_adj": np.where(difference > 0.08, 1e-3, 0.9),
        "pval_groups": np.where(difference > 0.08, 1e-4, 0.5),
        "pval_groups_adj": np.where(difference > 0.08, 1e-3, 0.9),
        "pval_both": np.where(difference > 0.08, 1e-4, 0.5),
        "pval_both_adj": np.where(difference > 0.08, 1e-3, 0.9),
    }
    return adata


@pytest.fixture
def explained(explained_once):
    """Eight latent units, each with a gene program, its impacts and names, and a contrast of two groups of cells."""
    return explained_once.copy()


@pytest.fixture(scope="session")
def latent_once():
    """Representations of cells in three dimensions, and the mixture of two components that they come from."""
    rng = np.random.default_rng(0)
    component = np.repeat([0, 1], [60, 30])
    means, variances = np.array([[2.0, 0, 0], [-2.0, 1, 0]]), np.array([[0.5, 0.1, 0.01], [0.2, 0.2, 0.01]])
    z = means[component] + np.sqrt(variances[component]) * rng.normal(size=(90, 3))
    adata = ad.AnnData(np.ones((90, 1), dtype=np.float32), obsm={"X_dgd": z.astype(np.float32)})
    adata.obs["dgd"] = pd.Categorical.from_codes(component, ["0", "1"])
    adata.uns["dgd"] = {
        "names": np.array(["0", "1"], dtype=object),
        "weights": np.array([2 / 3, 1 / 3]),
        "means": means,
        "variances": variances,
        "axes": np.eye(3)[:, :2],
    }
    return adata


@pytest.fixture(scope="session")
def joined_once():
    """Cells of two types, measured and generated; the latter have twice the total counts in the second type."""
    rng, cells = np.random.default_rng(0), {}
    for name, factor in (("measured", 1), ("generated", 2)):
        kind = np.repeat(["B cells", "T cells"], [60, 40])
        total = np.r_[np.arange(200, 260), factor * np.arange(100, 140)]
        counts = np.c_[total // 4, total - total // 4].astype(np.float32)
        cells[name] = ad.AnnData(rng.permuted(counts, axis=1), obs={"cell_type": kind})
    return ad.concat(cells, label="origin", index_unique="_")


@pytest.fixture
def risks(risks_once):
    """Predicted hits, with conditions that were left out: the surer the nearer."""
    return risks_once.copy()


@pytest.fixture(scope="session")
def risks_once():
    rng = np.random.default_rng(0)
    confidence = rng.random(30)
    table = pd.DataFrame(
        {"perturbation": [f"P{i}" for i in range(30)], "confidence": confidence, "size": rng.uniform(1, 2, 30)}
    )
    table["error"] = table["size"] * np.sqrt(1.2 - confidence) * rng.uniform(0.8, 1.2, 30)
    table["error_of_mean"] = table["size"] * rng.uniform(0.8, 1.1, 30)
    adata = ad.AnnData(np.ones((1, 2), dtype=np.float32))
    for key in ("predicted_hits", "predicted_hits_pvals", "predicted_hits_change"):
        adata.varm[key] = np.ones((2, 1))
    adata.uns["predicted_hits"] = {
        "conditions": pd.DataFrame({"perturbation": ["A"], "status": "unseen"}),
        "left_out": table,
    }
    return adata


@pytest.fixture
def report(report_once):
    """Two explained predictions, of a family whose genes are a set, with intervals, hits and measurements."""
    return report_once.copy()


@pytest.fixture(scope="session")
def report_once():
    rng = np.random.default_rng(0)
    names = [f"{family}{number}" for family in ("KLF", "IRF", "SOX") for number in range(1, 8)]
    change = np.repeat(np.kron(np.eye(3), np.ones(10)), 7, axis=0) + 0.3 * rng.normal(size=(21, 30))
    table = ad.AnnData(
        change.astype(np.float32),
        obs=pd.DataFrame({"perturbation": names}, index=names),
        var=pd.DataFrame(index=[f"gene {i}" for i in range(30)]),
    )
    adata = scpi.screen.with_zero_control(table)
    scpi.tl.perturbation_features(adata)
    adata.varm["gene_sets"] = np.kron(np.eye(3), np.ones((10, 1))) > 0
    adata.uns["gene_sets"] = {"names": np.array(["FIRST", "SECOND", "THIRD"], dtype=object)}
    scpi.model.PerturbationGP.setup_anndata(adata)
    model = scpi.model.PerturbationGP(adata)
    model.train(train_size=1.0, held_out=["KLF7"])
    model.calibrate("perturbations")
    scpi.tl.predict_perturbation(adata, model, ["KLF7", "IRF1"])
    scpi.tl.predicted_hits(adata, model)
    scpi.tl.explain_prediction(adata, model, ["KLF7", "IRF1"], interval=0.9, n_null=99)
    return adata
