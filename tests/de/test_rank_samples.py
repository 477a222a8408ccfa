from __future__ import annotations

import anndata as ad
import numpy as np

from scpi._view import View
from scpi.de import false_discovery_control
from scpi.de._rank_samples import rank_samples
from scpi.de._sample_models import Question
from scpi.de._tests._method import Method, SampleTests


def difference(samples, *, offset=0.0):
    """Contrasts of least squares, with p-values that count genes; the first one is filtered out."""
    effect = samples.contrasts.T @ np.linalg.lstsq(samples.design.to_numpy(), samples.counts, rcond=None)[0] + offset
    log_pval = np.log(np.tile([0.01, 0.02, 0.5], (len(effect), 1)))
    return SampleTests(
        effect, effect, log_pval, ave_expr=effect * 0, counted=np.tile([False, True, True], (len(effect), 1))
    )


def test_tests_of_samples_become_a_ranking():
    counts = np.arange(24.0).reshape(8, 3) ** 2 % 17
    adata = ad.AnnData(counts, obs={"group": list("aabbabab"), "kind": list("xxxxyyyy"), "donor": list("abcdefgh")})
    question = Question(
        groupby="group", contrasts=["b - a", {"a": 1, "b": -1}], split_by="kind", sample_key="donor", min_cells=1
    )
    test = Method("difference", difference, "counts", "", "", unit="sample")
    params = {"corr_method": "benjamini-hochberg", "corr_scope": "group"}
    ranking, table, _ = rank_samples(View.of(adata), test, question, options={"offset": 1.0}, params=params, n_jobs=1)
    assert table["group"].tolist() == [f"{kind} | {name}" for kind in "xy" for name in ("b - a", "a - b")]
    mean = adata.to_df().groupby([adata.obs["kind"], adata.obs["group"]]).mean()
    for kind, row in (("x", 0), ("y", 2)):
        change = (mean.loc[kind, "b"] - mean.loc[kind, "a"]).to_numpy()
        np.testing.assert_allclose(ranking.logfoldchanges[row : row + 2], [change + 1, 1 - change], atol=1e-9)
    assert table["n_genes"].tolist() == [3] * 4
    np.testing.assert_allclose(ranking.pvals_adj[0], false_discovery_control([np.nan, 0.02, 0.5]))
    assert ranking.params["reference"] == "0" and ranking.params["split_by"] == "kind"
