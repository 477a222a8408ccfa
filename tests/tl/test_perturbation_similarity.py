from __future__ import annotations

import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    """A, B and C act alike, D in the opposite direction, E in another one, F does nothing."""
    rng = np.random.default_rng(0)
    label = np.repeat(["control", *"ABCDEF"], [300, 100, 60, 80, 100, 100, 100])
    values = rng.normal(size=(len(label), 12)) * np.geomspace(5, 0.5, 12)
    for name, component, size in (("A", 2, 2.0), ("B", 2, 1.0), ("C", 2, 3.0), ("D", 2, -2.0), ("E", 7, 2.0)):
        values[label == name, component] += size * np.geomspace(5, 0.5, 12)[component]
    adata = ad.AnnData(np.zeros((len(label), 1), dtype=np.float32), obsm={"X_rep": values})
    adata.obs["perturbation"] = label
    adata.obs["batch"] = [f"batch {i}" for i in rng.integers(2, size=len(label))]
    return adata


def run(adata, **kwargs):
    scpi.tl.perturbation_similarity(adata, **({"use_rep": "X_rep"} | kwargs))
    return adata.uns["perturbation_similarity"]


def pair(adata, one, other, **kwargs):
    table = scpi.get.perturbation_similarity(adata, perturbation=one, **kwargs)
    return table.set_index("other").loc[other]


def test_what_acts_alike_is_found(adata):
    stored = run(adata)
    results = stored["results"].set_index("perturbation")
    assert results["has_effect"].to_dict() == dict.fromkeys("ABCDE", True) | {"F": False}
    np.testing.assert_allclose(results["strength"], [2, 1, 3, 2, 2, 0], atol=0.45)
    assert results["n_cells"].tolist() == [100, 60, 80, 100, 100, 100]
    pairs = scpi.get.perturbation_similarity(adata)
    alike = pairs[pairs["pval_adj"] <= 0.05]
    assert set(alike["perturbation"] + alike["other"]) == {"AB", "AC", "BC", "AD", "BD", "CD"}
    np.testing.assert_allclose(alike["similarity"].abs(), 1, atol=0.2)
    assert (alike["similarity"] < 0).tolist() == (alike["other"] == "D").tolist()
    assert len(pairs) == 10
    assert stored["params"]["n_reference"] == 300
    np.testing.assert_allclose(stored["pairs"]["pval_adj"], scpi.de.false_discovery_control(stored["pairs"]["pval"]))


def test_batches_are_compared_within(adata):
    expected = run(adata, batch_key="batch")["pairs"]["similarity"]
    shift = 30.0 * (adata.obs["batch"] == "batch 1").to_numpy()[:, None]
    adata.obsm["X_rep"] = adata.obsm["X_rep"] + shift
    np.testing.assert_allclose(run(adata, batch_key="batch")["pairs"]["similarity"], expected)


def test_a_perturbation_outside_of_the_batches_of_the_controls_is_reported(adata):
    adata.obs.loc[adata.obs["perturbation"] == "B", "batch"] = "batch 3"
    with pytest.warns(UserWarning, match="no batch has control cells and cells of 1 perturbations, such as 'B'"):
        results = run(adata, batch_key="batch")["results"]
    assert results.loc[1, ["strength", "pval", "pval_adj"]].isna().all() and not results.loc[1, "has_effect"]
    assert len(scpi.get.perturbation_similarity(adata)) == 6


def test_some_groups_are_compared_as_among_all(adata):
    run(adata)
    expected = pair(adata, "C", "A")["similarity"]
    assert len(run(adata, groups=["C", "A"])["results"]) == 2
    assert pair(adata, "A", "C")["similarity"] == pytest.approx(expected, rel=0.02)


def test_the_order_of_cells_does_not_matter(adata):
    run(adata)
    expected = scpi.get.perturbation_similarity(adata)
    adata = adata[np.random.default_rng(1).permutation(adata.n_obs)].copy()
    run(adata)
    pd.testing.assert_frame_equal(scpi.get.perturbation_similarity(adata), expected)


def test_a_screen_without_effects_has_no_pairs(adata, tmp_path):
    stored = run(adata, groups="F")
    assert {len(values) for values in stored["pairs"].values()} == {0}
    assert scpi.get.perturbation_similarity(adata).empty
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert scpi.get.perturbation_similarity(ad.read_h5ad(tmp_path / "a.h5ad")).empty


def test_the_loss_of_a_target_is_no_effect_if_it_is_excluded():
    """A and B lower only their own transcripts, C and D the same other genes."""
    rng = np.random.default_rng(0)
    label = np.repeat(["control", *"ABCD"], [200, 80, 80, 80, 80])
    counts = rng.poisson(8.0, size=(len(label), 100)).astype(np.float32)
    adata = ad.AnnData(
        counts, obs={"perturbation": label}, var=pd.DataFrame(index=[*"ABCD", *(f"g{i}" for i in range(96))])
    )
    for i, name in enumerate("ABCD"):
        adata.X[label == name, i] = 0
    adata.X[np.isin(label, ["C", "D"]), 10:16] += 8
    options = {"use_rep": None, "n_components": 10}
    assert run(adata, **options)["results"]["has_effect"].all()
    found = run(adata, exclude_targets=True, **options)["results"]
    assert found["has_effect"].tolist() == [False, False, True, True]
    assert pair(adata, "C", "D")["similarity"] > 0.9


def test_modules_of_genes_are_found():
    """A1 and A2 change the same genes, as do B1 and B2, more or less; others change genes of their own."""
    rng = np.random.default_rng(0)
    names = ["control", "A1", "A2", "B1", "B2", "C", "D", "E", "F"]
    code = np.repeat(np.arange(9), [400] + [60] * 8)
    log_fold = rng.normal(0, 0.5, size=(9, 300)) * (rng.random((9, 300)) < 0.1)
    log_fold[0], log_fold[2], log_fold[4] = 0, 0.8 * log_fold[1], 0.7 * log_fold[3]
    activity, program = rng.gamma(1, 1, size=(len(code), 3)), rng.normal(0, 0.5, size=(3, 300))
    rate = rng.gamma(1, 2, 300) * np.exp(log_fold[code] + activity @ (program * (rng.random((3, 300)) < 0.2)))
    counts = rng.poisson(rate * rng.lognormal(0, 0.3, size=(len(code), 1))).astype(np.float32)
    adata = ad.AnnData(counts, obs={"perturbation": np.array(names)[code]})
    scpi.tl.perturbation_similarity(adata)
    pairs = scpi.get.perturbation_similarity(adata)
    assert len(pairs) == 28
    alike = pairs[pairs["pval_adj"] <= 0.05]
    assert set(alike["perturbation"] + alike["other"]) == {"A1A2", "B1B2"}
    assert alike["similarity"].min() > 0.9
    assert alike["similarity_low"].min() > 0.7


def test_it_survives_a_file(adata, tmp_path):
    run(adata)
    outputs = ("pairs", "matrix", "perturbations")
    expected = [scpi.get.perturbation_similarity(adata, output=output) for output in outputs]
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        for output, table in zip(outputs, expected, strict=True):
            found = scpi.get.perturbation_similarity(again, output=output)
            pd.testing.assert_frame_equal(found, table, check_dtype=False, check_column_type=False)


def test_many_perturbations_take_seconds():
    """A quarter of a million pairs."""
    rng = np.random.default_rng(0)
    label = np.r_[np.repeat("control", 2000), np.repeat([f"p{i}" for i in range(700)], 30)]
    effects = np.vstack([np.zeros(20), 2 * rng.normal(size=(700, 20))])
    values = rng.normal(size=(len(label), 20)) + np.repeat(effects, [2000] + [30] * 700, axis=0)
    adata = ad.AnnData(np.zeros((len(label), 1), dtype=np.float32), obs={"perturbation": label}, obsm={"X_rep": values})
    start = time.process_time()
    stored = run(adata)
    assert time.process_time() - start < 20
    assert len(stored["pairs"]["pval"]) == 700 * 699 // 2
    assert (stored["pairs"]["pval"] <= 0.05).mean() == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pval_cutoff": 0.0}, "must be between 0 and 1, but they are 0.0 and 0.95"),
        ({"confidence_level": 95}, "must be between 0 and 1, but they are 0.05 and 95"),
        ({"control": "nothing"}, "0 cell\\(s\\) of the control 'nothing'"),
        ({"n_components": 0}, "`n_components` must be at least 1"),
        ({"exclude_targets": True}, "`exclude_targets` needs genes"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, message):
    with pytest.raises(ValueError, match=message):
        run(adata, **kwargs)
    assert "perturbation_similarity" not in adata.uns


def test_what_is_known_of_a_real_screen(test_data):
    adata = ad.read_h5ad(test_data("papalexi2021_eccite_299genes.h5ad"))
    scpi.tl.perturbation_similarity(adata, control="non-targeting", batch_key="bio_rep", exclude_targets=True)
    results = scpi.get.perturbation_similarity(adata, output="perturbations").set_index("perturbation")
    assert not results.loc[["CAV1", "CD86", "ATF2", "MARCH8"], "has_effect"].any()
    matrix = scpi.get.perturbation_similarity(adata, output="matrix")
    pathway = ["IFNGR1", "IFNGR2", "JAK2", "STAT1"]
    assert matrix.loc[pathway, pathway].to_numpy().min() > 0.95
    assert matrix.loc[pathway, "SMAD4"].max() < 0.4
    pairs = scpi.get.perturbation_similarity(adata)
    alike = pairs[pairs["pval_adj"] <= 0.05]
    assert set(alike["perturbation"]) | set(alike["other"]) == {*pathway, "STAT2"}
