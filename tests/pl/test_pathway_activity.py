from __future__ import annotations

import numpy as np
import pytest

import scpi


def parts(adata, **kwargs):
    ax = scpi.pl.pathway_activity(adata, show=False, **kwargs)
    sets = [label.get_text() for label in ax.get_yticklabels()]
    groups = [label.get_text() for label in ax.get_xticklabels()]
    return ax, sets, groups


def test_the_heatmap_shows_the_effects(tested):
    adata = tested()
    ax, sets, groups = parts(adata)
    assert sorted(groups) == ["A", "B", "C"]
    assert len(sets) == 25
    results = scpi.get.differential_activity(adata).astype({"set": str, "group": str}).set_index(["set", "group"])
    image = ax.images[0]
    for i, name in enumerate(sets):
        for j, group in enumerate(groups):
            expected = results.loc[("HALLMARK_" + name.replace(" ", "_"), group), "effect"]
            assert image.get_array()[i, j] == pytest.approx(expected)
    low, high = image.get_clim()
    assert low == -high
    assert image.get_cmap().name == "RdBu_r"


def test_dots_mark_what_is_significant(tested):
    adata = tested()
    ax, sets, groups = parts(adata, pval_cutoff=1e-4)
    found = {(groups[int(x)], sets[int(y)]) for x, y in ax.collections[0].get_offsets()}
    assert found == {("A", "SET 0"), ("A", "SET 1"), ("B", "SET 1"), ("B", "SET 2"), ("C", "SET 2"), ("C", "SET 3")}


def test_every_perturbation_has_its_first_set(tested):
    _, sets, _ = parts(tested(), n_sets=3)
    assert sorted(sets) == ["SET 0", "SET 1", "SET 2"]


def test_what_is_chosen_keeps_its_order(tested):
    ax, sets, groups = parts(tested(), groups=["C", "A"], sets=["HALLMARK_SET_9", "HALLMARK_SET_3"], values="score")
    assert groups == ["C", "A"]
    assert sets == ["SET 9", "SET 3"]
    assert ax.images[0].get_array()[1, 0] == pytest.approx(-9, abs=4)


def test_similar_sets_stand_together(tested):
    adata = tested()
    ax, *_ = parts(adata)
    rows = np.asarray(ax.images[0].get_array())
    distance = np.abs(np.diff(rows, axis=0)).sum()
    shuffled = [np.abs(np.diff(np.random.default_rng(i).permutation(rows), axis=0)).sum() for i in range(20)]
    assert distance < min(shuffled)


def test_thousands_of_long_names_do_not_break_it(tested):
    adata = tested(
        4000, groups=[f"perturbation {i}" for i in range(60)], name="regulation of a process {} " + "x" * 200
    )
    ax, sets, groups = parts(adata)
    assert len(sets) == 25
    assert max(map(len, sets)) <= 38
    assert len(groups) == 40
    assert ax.get_figure().get_figwidth() <= 7.09


def test_bad_choices_are_explained(tested):
    adata = tested()
    with pytest.raises(ValueError, match="'Z'"):
        parts(adata, groups=["Z"])
    with pytest.raises(ValueError, match="no gene set 'nothing', only"):
        parts(adata, sets=["nothing"])
    with pytest.raises(ValueError, match="'effect', 'score'"):
        parts(adata, values="t")
