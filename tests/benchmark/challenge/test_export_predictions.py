from __future__ import annotations

import logging
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scpi.benchmark import export_predictions, score_vcc2026


@pytest.fixture
def logs(predicted):
    logs = predicted.copy()
    logs.layers["counts"] = logs.X.copy()
    logs.X = logs.X.log1p()
    logs.obs["cell_type"] = np.resize(["T", "B"], logs.n_obs)
    return logs


def test_cells_for_cell_eval(logs, tmp_path):
    turned = list(logs.var_names[::-1])
    logs.X[3, 5] = -0.25
    export_predictions(logs, tmp_path / "a.h5ad", context_key="cell_type", genes=turned)
    found = ad.read_h5ad(tmp_path / "a.h5ad")
    assert isinstance(found.X, sparse.csr_matrix) and found.X.dtype == np.float32
    assert list(found.var_names) == turned and list(found.obs) == ["target_gene", "celltype"]
    assert not (found.layers or found.obsm or found.uns or len(found.var.columns))
    expected = np.maximum(logs[:, turned].X.toarray(), 0)
    np.testing.assert_array_equal(found.X.toarray(), expected.astype("f4"))
    labels = logs.obs["perturbation"].replace("control", "non-targeting")
    assert found.obs["target_gene"].tolist() == labels.tolist() and list(found.obs_names[:2]) == ["0", "1"]


def test_controls_may_come_from_the_measured_cells(logs, measured, tmp_path):
    perturbed = logs[logs.obs["perturbation"] != "control"]
    with pytest.raises(ValueError, match="cell-eval compares with control cells, and there are none"):
        export_predictions(perturbed, tmp_path / "a.h5ad")
    controls = measured[measured.obs["perturbation"] == "control"][:, measured.var_names[::-1]].copy()
    controls.X = controls.X.log1p()
    export_predictions(perturbed, tmp_path / "a.h5ad", controls=controls, n_cells=2)
    found = ad.read_h5ad(tmp_path / "a.h5ad")
    counts = found.obs["target_gene"].value_counts()
    assert counts.pop("non-targeting") == 60 and set(counts) == {2}
    own = found[found.obs["target_gene"] == "non-targeting"]
    np.testing.assert_allclose(own.X.toarray(), np.log1p(measured.X[:60].toarray()), rtol=1e-6)


def test_a_submission_to_the_challenge(logs, tmp_path):
    export_predictions(logs, tmp_path / "a.h5ad", file_format="vcc", layer="counts", context_key="cell_type", n_cells=1)
    found = ad.read_h5ad(tmp_path / "a.h5ad")
    # What its `vcc prep` checks: whole numbers, no control cell, contexts, and the same number of cells everywhere
    assert found.X.dtype == np.float32 and (found.X.data == np.rint(found.X.data)).all() and found.X.min() >= 0
    assert "non-targeting" not in set(found.obs["target_gene"])
    assert (found.obs.value_counts(["target_gene", "context"]) == 1).all() and found.n_obs == 16
    again = tmp_path / "b.h5ad"
    export_predictions(logs, again, file_format="vcc", layer="counts", context_key="cell_type", n_cells=1, rng=1)
    assert (found.X != ad.read_h5ad(again).X).nnz > 0


def test_cell_eval2_reads_both_sides(predicted, measured, tmp_path):
    cell_eval2 = pytest.importorskip("cell_eval2")
    logging.getLogger("cell_eval2").setLevel(logging.ERROR)
    for name, cells in (("predicted", predicted), ("measured", measured)):
        export_predictions(cells, tmp_path / f"{name}.h5ad")
    paths = [str(tmp_path / f"{name}.h5ad") for name in ("predicted", "measured")]
    config = replace(cell_eval2.EvalConfig.from_preset("vcc2026"), pert_col="target_gene", cache_strict=False)
    theirs = cell_eval2.compute_metrics(*paths, config=replace(config, metrics=["pds_cosine"])).to_dicts()
    read = [ad.read_h5ad(path) for path in paths]
    found = score_vcc2026(*read, perturbation_key="target_gene", control="non-targeting").perturbations
    assert {row["perturbation"]: row["value"] for row in theirs} == pytest.approx(found["discrimination"].to_dict())


def test_mistakes(logs, tmp_path):
    path = tmp_path / "a.h5ad"
    with pytest.raises(ValueError, match="`file_format` must be one of 'cell-eval', 'vcc', but is 'csv'"):
        export_predictions(logs, path, file_format="csv")
    with pytest.raises(ValueError, match=r"must end in \.h5ad"):
        export_predictions(logs, tmp_path / "a.csv")
    with pytest.raises(KeyError, match="`predicted.obs` has no column 'x'"):
        export_predictions(logs, path, context_key="x")
    without = logs.copy()
    del without.layers["counts"]
    with pytest.raises(ValueError, match="must be counts.*The challenge takes counts: give the `layer`"):
        export_predictions(without, path, file_format="vcc")
    with pytest.raises(ValueError, match=r"'g4' has 2 predicted cells, fewer than `n_cells=5`"):
        export_predictions(logs, path, n_cells=5)
    with pytest.raises(ValueError, match=r"must have the 91 genes of the file.*lacks 1, such as 'TP53'"):
        export_predictions(logs, path, genes=[*logs.var_names, "TP53"])
    large = logs.copy()
    large.X = large.X * 9.5
    with pytest.raises(ValueError, match="must be counts, or logarithms of normalised counts below 15"):
        export_predictions(large, path)
    large.X = large.layers["counts"] * 1e5
    with pytest.raises(ValueError, match="counts, more than the 1,000,000 that the challenge takes"):
        export_predictions(large, path, file_format="vcc")
    assert not list(tmp_path.iterdir())


def test_too_many_cells(logs, tmp_path, monkeypatch):
    monkeypatch.setitem(export_predictions.__globals__["_MOST_CELLS"], "cell-eval", 100)
    with pytest.raises(ValueError, match="197 cells are more than the 100 that 'cell-eval' takes"):
        export_predictions(logs, tmp_path / "a.h5ad")
