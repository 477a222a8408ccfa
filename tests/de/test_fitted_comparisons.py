from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi import de
from scpi._ranking import read_ranking
from scpi.de._sample_models import Question


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": ["a", "b", "c"] * 4, "age": np.linspace(20, 60, 12)}, index=map(str, range(12)))
    return ad.AnnData(rng.poisson(30, (12, 50)).astype(float), obs=obs)


@pytest.mark.parametrize(
    "call",
    [
        {"groupby": "condition", "reference": ["a", "b"]},
        {"groupby": "condition", "contrasts": [np.array([1.0, -1.0, 0.0]), {"c": 1, "a": -1}, "(a + b) / 2 - c"]},
        {"groupby": "condition", "contrasts": pd.DataFrame({"x": [1.0, -1.0]}, index=["a", "c"]), "span": "adaptive"},
        {"formula": "~ condition + age", "coef": ["age", "condition"], "method": "trend", "sample_weights": True},
    ],
)
def test_the_same_model_is_fitted(adata, call):
    de.limma(adata, **call)
    found, ranking = de.fitted_comparisons(adata), read_ranking(adata, "limma")
    assert list(found) == ranking.groups.tolist()
    for row, one in enumerate(found.values()):
        assert one.samples["condition"].tolist() == adata.obs["condition"].tolist()
        fit = de.lm_fit(one.expression, one.design, weights=one.weights)
        tests = de.ebayes(de.contrasts(fit, one.contrast[:, None]), trend=one.trend)
        np.testing.assert_allclose(tests.t[0], ranking.scores[row, one.genes], rtol=1e-5)


def test_samples_that_have_changed_are_noticed(adata):
    de.limma(adata, "condition", reference="a")
    fewer = adata[adata.obs_names != "1"].copy()
    with pytest.raises(ValueError, match="samples are not those of 'limma' any more"):
        de.fitted_comparisons(fewer)


def test_other_rankings_are_refused(adata):
    de.rank_genes(adata, "condition")
    with pytest.raises(KeyError, match=r"no result of `scpi.de.limma` under 'rank_genes_groups'"):
        de.fitted_comparisons(adata, key="rank_genes_groups")


def test_a_question_is_text_and_back():
    weights = {np.int64(1): 1, "b": np.float32(-1.0)}
    asked = Question(groupby="g", contrasts=[weights], covariates=pd.Index(["x"]), groups={"a"})
    again = Question.from_text(asked.to_text())
    assert list(again.contrasts.values()) == [{"1": 1.0, "b": -1.0}]
    assert (again.covariates, again.groups) == (["x"], ["a"])
    asked = Question(groupby="g", reference=np.int64(0), sample_key=("a", "b"), min_cells=3)
    again = Question.from_text(asked.to_text())
    assert (again.reference, again.sample_key, again.min_cells) == (0, ["a", "b"], 3)
    assert Question.from_text(Question(groupby="g", contrasts="pairs").to_text()).contrasts == "pairs"
    assert Question.from_text(Question(groupby="g", contrasts="a - b").to_text()).contrasts == {"a - b": "a - b"}
