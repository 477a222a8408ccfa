from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scpi
from scpi._screen._labels import Labelling
from scpi.screen._design import Design
from scpi.screen._effects import (
    DE,
    effect_table,
    enough_cells,
    find_genes,
    measure_effects,
    significant_genes,
    strongest,
    with_effect,
)
from scpi.screen._prepare import prepare_screen

LABELLING = Labelling.of()


@pytest.fixture(scope="module")
def screen():
    """Strong effects of two perturbations, and a third that is a third of the controls."""
    data = scpi.datasets.plant_screen(
        n_perturbations=2, n_cells=60, n_control=240, effect_size=4.0, n_decoy_sets=3, rng=0
    )
    labels = data.obs["perturbation"].astype(str).to_numpy().astype(object)
    labels[np.flatnonzero(labels == "control")[:60]] = "nothing"
    labels[np.flatnonzero(labels == "control")[:5]] = "rare"
    data.obs["perturbation"] = labels
    data.obs["donor"] = np.random.default_rng(0).choice(["d1", "d2", "d3", "d4"], data.n_obs)
    data.obs["guide"] = [f"{label}-{i % (9 if label == 'control' else 3)}" for i, label in enumerate(labels)]
    return data


def prepared(screen, **keys):
    design = Design(perturbation_key="perturbation", **keys)
    arguments = {"layer": None, "mod": None, "min_size": 1, "n_top_genes": None, "notes": []}
    return prepare_screen(screen, None, design=design, labelling=LABELLING, **arguments), design


def test_perturbations_that_do_nothing_are_named(screen):
    adata, design = prepared(screen, sample_key="donor", guide_key="guide")
    assert "rare" not in enough_cells(adata, design, LABELLING)
    assert measure_effects(adata, design, LABELLING, rng=0) == []
    assert find_genes(adata, design, LABELLING) == ["Genes were tested by samples ('donor'), with limma-voom."]
    table = effect_table(adata, LABELLING).set_index("perturbation")
    assert {"active", "responders", "agreeing_guides", "guide_similarity", "n_genes"} <= set(table)
    assert not table.loc["nothing", "active"]
    assert table.loc["nothing", "n_genes"] == 0
    strong = table.index.difference(["nothing"])
    assert len(strong) == 3
    assert (table.loc[strong, "n_genes"] > 5).all()
    assert table.loc[strong, "active"].all()
    genes = significant_genes(adata, LABELLING, top_n=7)
    columns = ["perturbation", "gene", "rank", "score", "log2fc", "pval", "pval_adj", "is_target"]
    assert genes.columns.tolist() == columns
    assert (genes["perturbation"] == "nothing").sum() == 7
    # By p-value, whatever the sign
    assert genes.groupby("perturbation")["pval"].is_monotonic_increasing.all()
    assert (genes.loc[genes["rank"] <= 7, "score"] < 0).any()
    assert set(with_effect(adata, ["nothing", *strong])) == set(strong)
    assert with_effect(adata, ["nothing", strong[0]]) == ["nothing", strong[0]]
    assert (genes.loc[genes["rank"] > 7, "pval_adj"] <= 0.05).all()


def test_samples_are_divided_by_context(screen):
    data = screen.copy()
    rng = np.random.default_rng(1)
    data.obs["donor"], data.obs["state"] = (
        rng.choice(["d1", "d2"], data.n_obs),
        rng.choice(["rest", "stim"], data.n_obs),
    )
    adata, design = prepared(data, sample_key="donor", context_key="state")
    assert find_genes(adata, design, LABELLING) == ["Genes were tested by samples ('donor'), with limma-voom."]
    params = adata.uns[DE]["params"]
    assert list(params["sample_key"]) == ["donor", "state"]
    assert list(params["covariates"]) == ["state", "donor"]


def test_p_values_are_adjusted_over_all_genes_and_perturbations(screen):
    adata, design = prepared(screen)
    assert "because no replicates were named" in find_genes(adata, design, LABELLING)[0]
    table = scpi.get.de_df(adata, key=DE)
    order = table.sort_values("pval")
    expected = np.minimum.accumulate((order["pval"] * len(order) / np.arange(1, len(order) + 1))[::-1])[::-1]
    np.testing.assert_allclose(order["pval_adj"], np.minimum(expected, 1), rtol=1e-6)


def test_a_control_of_one_guide_has_no_null(screen):
    data = screen.copy()
    data.obs.loc[data.obs["perturbation"] == "control", "guide"] = "NT"
    adata, design = prepared(data, guide_key="guide")
    notes = measure_effects(adata, design, LABELLING, rng=0)
    assert notes == ["The control has one guide only: effects are tested by cells, as if guides made no difference."]
    assert "pval_guides" not in scpi.get.perturbation_effect(adata)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda adata: adata.layers.pop("counts"), "without counts there is nothing to sum"),
        (lambda adata: adata.obs.__setitem__("donor", "d1"), "fewer than two samples have 10 control cells"),
        (
            lambda adata: adata.obs.__setitem__(
                "donor", np.where(adata.obs["perturbation"] == "control", adata.obs["donor"].astype(str), "d9")
            ),
            "no perturbation has 10 cells in two samples",
        ),
    ],
)
def test_genes_are_tested_by_cells_where_samples_do_not_do(screen, spoil, reason):
    adata, design = prepared(screen, sample_key="donor")
    spoil(adata)
    assert reason in find_genes(adata, design, LABELLING)[0]
    assert adata.uns[DE]["params"]["method"] == "wilcoxon"


def test_without_enough_cells_nothing_is_tested(screen):
    few = screen[np.isin(screen.obs["perturbation"], ["control", "rare"])].copy()
    adata, design = prepared(few)
    assert measure_effects(adata, design, LABELLING, rng=0) == [
        "No perturbation has 10 cells: none was tested for an effect."
    ]
    assert find_genes(adata, design, LABELLING) == []
    assert effect_table(adata, LABELLING).empty
    assert significant_genes(adata, LABELLING).empty


def test_the_target_itself_is_no_effect():
    """A knock-out that lowers its own transcript only does nothing, unless targets are counted."""
    rng = np.random.default_rng(0)
    x = rng.poisson(5.0, (240, 30)).astype(np.float32)
    labels = np.repeat(["control", "g3"], 120)
    x[labels == "g3", 3] = 0
    genes = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    data = AnnData(x, obs=pd.DataFrame({"perturbation": labels}, index=[f"c{i}" for i in range(240)]), var=genes)
    for exclude_targets in (True, False):
        adata, design = prepared(data)
        assert measure_effects(adata, design, LABELLING, exclude_targets=exclude_targets, rng=0) == []
        find_genes(adata, design, LABELLING)
        row = effect_table(adata, LABELLING, exclude_targets=exclude_targets).iloc[0]
        assert (bool(row["active"]), row["n_genes"]) == ((False, 0) if exclude_targets else (True, 1))
        found = significant_genes(adata, LABELLING, top_n=2)
        assert found["gene"][0] == "g3" and found["is_target"].tolist() == [True, False]


def test_the_strongest_conditions_come_first(screen):
    adata, design = prepared(screen)
    assert strongest(adata, ["x", "y"]) == ["x", "y"]
    measure_effects(adata, design, LABELLING, rng=0)
    order = scpi.get.perturbation_effect(adata)["perturbation"].tolist()
    assert strongest(adata, ["new", *order[::-1]]) == [*order, "new"]
