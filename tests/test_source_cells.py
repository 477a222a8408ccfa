from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._source_cells import warn_of_source_cells


def obs_of(sources, names=None):
    names = [f"c{i}" for i in range(len(sources))] if names is None else names
    return pd.DataFrame({"source_cell": sources}, index=names)


# Cells c0 and c1 are controls, c2 and c3 treated; c4 and c5 are predicted
CODES = np.array([0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize(
    ("sources", "references", "n"),
    [
        (["c0", "c1"], [0], 2),
        (["c0", "other"], [0], 1),
        (["c2", "c3"], [0], 0),  # from treated cells, which are no reference
        (["c2", "c3"], [0, 1], 2),
        (["c2", "c0"], None, 2),  # each group against all others
        (["x", "y"], [0], 0),  # from other cells
    ],
)
@pytest.mark.parametrize("end", ["", "-real", "-1-real"])
def test_cells_that_are_compared_with_their_source_are_counted(recwarn, sources, references, n, end):
    names = [f"c{i}{end}" for i in range(4)] + ["p0-predicted", "p1-predicted"]
    if end == "-1-real":
        sources = [f"{name}-1" for name in sources]
    warn_of_source_cells(obs_of([None] * 4 + sources, names), CODES, references)
    assert [str(one.message).split(" predicted")[0] for one in recwarn] == [str(n)] * (n > 0)


def test_sources_are_looked_for_within_splits_among_measured_cells(recwarn):
    obs = obs_of([None] * 4 + ["c0", "c1"])
    warn_of_source_cells(obs, CODES, [0], splits=np.array([0, 1, 0, 1, 1, 0]))
    warn_of_source_cells(obs, np.where(CODES == 2, -1, CODES), [0])  # left out
    warn_of_source_cells(obs_of(["a", "b", "c", "d", "c0", "c1"]), CODES, [0])  # a simulation: all have a source
    warn_of_source_cells(obs.drop(columns="source_cell"), CODES, [0])
    assert not recwarn.list
    with pytest.warns(
        UserWarning, match=r"^1 predicted cells are tested against the cells that they were predicted from"
    ):
        warn_of_source_cells(obs, CODES, [0], splits=np.array([0, 1, 0, 1, 0, 0]))


@pytest.fixture
def joined():
    """Predictions of control cells beside these: a half is predicted, and all stand in the data."""
    rng = np.random.default_rng(0)
    measured = ad.AnnData(rng.poisson(3.0, (80, 12)).astype(np.float32), obs={"perturbation": ["control"] * 80})
    measured.obs["donor"] = np.tile(["d1", "d2", "d3", "d4"], 20)
    predicted = measured[:40].copy()
    predicted.obs["perturbation"] = "A"
    predicted.obs["source_cell"] = measured.obs_names[:40].to_numpy()
    return ad.concat({"real": measured, "predicted": predicted}, label="cells", index_unique="-", join="outer")


TESTS = {
    "cells": lambda adata: scpi.de.rank_genes(adata, "perturbation", reference="control"),
    "rest": lambda adata: scpi.de.rank_genes(adata, "perturbation", method="t-test"),
    "samples": lambda adata: scpi.de.limma(adata, "perturbation", reference="control", sample_key="donor", min_cells=1),
    "contrast": lambda adata: scpi.de.limma(
        adata, "perturbation", contrasts="A - control", sample_key="donor", min_cells=1, filter_genes=False
    ),
    "energy": lambda adata: scpi.tl.perturbation_effect(adata, n_permutations=9),
}


@pytest.mark.parametrize("test", TESTS)
def test_tests_warn_of_controls_that_the_tested_cells_were_made_from(joined, recwarn, test):
    TESTS[test](joined)
    assert sum(str(one.message).startswith("40 predicted cells are tested against") for one in recwarn) == 1
    recwarn.clear()
    own = joined.obs_names.isin([f"{name}-real" for name in joined.obs["source_cell"].dropna()])
    TESTS[test](joined[~own].copy())
    assert not [one for one in recwarn if "predicted cells" in str(one.message)]


def test_activities_are_tested_with_the_same_warning(joined):
    scpi.tl.gene_sets(joined, {"first": joined.var_names[:6], "second": joined.var_names[6:]}, min_size=1)
    scpi.tl.pathway_activity(joined)
    with pytest.warns(UserWarning, match="40 predicted cells are tested"):
        scpi.tl.differential_activity(joined)
