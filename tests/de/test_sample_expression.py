from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": ["ctrl", "stim"] * 8, "cell_type": np.repeat(["B", "T"], 8)})
    obs["donor"] = [f"d{i // 2 % 4}" for i in range(16)]
    obs.index = [f"s{i}" for i in range(16)]
    counts = rng.poisson(40.0, (16, 50)).astype(np.float32)
    counts[:8, 3] = 0
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(50)]))


def test_expression_of_samples(adata):
    scpi.de.limma(adata, "condition", reference="ctrl", split_by="cell_type", donor_key="donor")
    frame = scpi.de.sample_expression(adata, ["g7", "g2"])
    assert frame.columns.tolist() == ["gene", "sample", "split", "group", "donor", "log2_cpm"]
    assert frame["group"].cat.categories.tolist() == ["ctrl", "stim"]
    assert frame["gene"].tolist() == ["g7"] * 16 + ["g2"] * 16
    one = frame[frame["gene"] == "g2"].set_index("sample")
    assert one.loc["s5", ["split", "group", "donor"]].tolist() == ["B", "stim", "d2"]
    counts = adata.X[8:]
    expected = np.log2((counts[:, 2] + 0.5) / (counts.sum(1) * scpi.de.norm_factors(counts) + 1.0) * 1e6)
    np.testing.assert_allclose(one.loc[[f"s{i}" for i in range(8, 16)], "log2_cpm"], expected, rtol=1e-5)


def test_the_difference_of_means_is_the_fold_change(adata):
    scpi.de.limma(adata, "condition", reference="ctrl", method="trend")
    frame = scpi.de.sample_expression(adata, "g2")
    means = frame.groupby("group", observed=True)["log2_cpm"].mean()
    fold = scpi.get.de_df(adata, key="limma").set_index("gene").loc["g2", "log2fc"]
    assert means["stim"] - means["ctrl"] == pytest.approx(fold, rel=1e-5)
    assert set(frame["split"]) == {"all"}
    assert (frame["donor"] == frame["sample"]).all()


def test_a_gene_that_was_not_tested(adata):
    scpi.de.limma(adata, "condition", reference="ctrl", split_by="cell_type", block="donor")
    frame = scpi.de.sample_expression(adata, "g3")
    assert set(frame["split"]) == {"T"}
    assert set(frame["donor"]) == {f"d{i}" for i in range(4)}
    with pytest.raises(ValueError, match="not tested in 'limma': 'none'"):
        scpi.de.sample_expression(adata, ["g3", "none"])
