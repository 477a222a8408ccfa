from __future__ import annotations

import anndata as ad
import networkx as nx
import numpy as np
import pytest
from scipy import sparse

import scpi
from scpi._gene_sets import read_gene_sets
from scpi.datasets import plant_screen
from scpi.datasets._plant_screen import _default_cells
from scpi.datasets._planted_effects import respond


@pytest.fixture(scope="module")
def screen():
    return plant_screen(interaction=1.0, rng=0)


def truth_by_label(adata):
    truth = adata.uns["truth"]
    return dict(zip(truth["conditions"], truth["lfc"], strict=True))


def test_log_fold_changes_add_up_without_interaction():
    lfc = truth_by_label(plant_screen(interaction=0.0, n_cells=2, rng=1))
    doubles = [label for label in lfc if "+" in label]
    assert len(doubles) == 28
    for label in doubles:
        first, second = label.split("+")
        np.testing.assert_allclose(lfc[label], lfc[first] + lfc[second], atol=1e-12)


@pytest.mark.parametrize("interaction", [0.5, 1.0])
def test_log_fold_changes_do_not_add_up_with_interaction(interaction):
    shares = []
    for seed in range(4):
        adata = plant_screen(interaction=interaction, n_cells=1, rng=seed)
        truth, lfc = adata.uns["truth"], truth_by_label(adata)
        additive = dict(zip(truth["conditions"], truth["additive_lfc"], strict=True))
        relative = []
        for label, change in lfc.items():
            expected = sum((lfc[name] for name in label.split("+") if name != "control"), np.zeros_like(change))
            np.testing.assert_allclose(additive[label], expected, atol=1e-12)
            if "+" in label:
                relative.append(np.linalg.norm(change - expected) / np.linalg.norm(change))
            else:
                np.testing.assert_allclose(change, expected, atol=1e-12)
        shares.append(np.mean(np.array(relative) > 0.2))
    assert np.mean(shares) > (0.4 if interaction == 1.0 else 0.2)


def test_the_control_and_the_direction_of_the_singles(screen):
    truth, lfc = screen.uns["truth"], truth_by_label(screen)
    assert (lfc["control"] == 0).all()
    assert sorted(truth["targets"]["direction"]) == [-1.0] * 4 + [1.0] * 4
    for name, factor, direction in zip(*truth["targets"].values(), strict=True):
        # The target is in its program, moves the way of its perturbation, and most
        assert name in screen.var_names[truth["programs"][factor] > 0]
        assert lfc[name][screen.var_names.get_loc(name)] == pytest.approx(direction)
        own = lfc[name][truth["programs"][factor] > 0] * direction
        assert ((own >= 0.5) & (own <= 1)).all()


def test_levels_by_the_formula():
    adata = plant_screen(interaction=0.3, effect_size=1.5, n_cells=1, rng=5)
    truth = adata.uns["truth"]
    direction = truth["targets"]["direction"]
    names = list(truth["targets"]["perturbation"])
    for row, label in enumerate(truth["conditions"]):
        level = {}
        for j in truth["order"]:
            inputs = sum(level[i] * truth["graph"][i, j] for i in level)
            inputs += direction[j] * (names[j] in label.split("+"))
            level[j] = 0.7 * inputs + 0.3 * direction[j] * min(max(2 * direction[j] * inputs - 1, 0), 1)
        np.testing.assert_allclose(truth["levels"][row], [level[j] for j in range(8)], atol=1e-12)
    np.testing.assert_allclose(truth["lfc"], 1.5 * truth["levels"] @ truth["programs"], atol=1e-12)
    np.testing.assert_array_equal(truth["mediators"], np.abs(truth["levels"]) >= 0.25)
    # A perturbation acts through its own factor, and the control through none
    assert truth["mediators"][1:9].diagonal().all()
    assert not truth["mediators"][0].any()


def test_response():
    np.testing.assert_allclose(respond(np.array([-2, 0, 0.5, 0.75, 1, 3]), 1.0), [0, 0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(respond(np.array([2, 0, -0.5, -0.75, -1, -3]), -1.0), [0, 0, 0, -0.5, -1, -1])


@pytest.mark.parametrize("seed", range(4))
def test_graph_is_acyclic_and_indirect_effects_stay_below_direct_ones(seed):
    truth = plant_screen(n_cells=1, rng=seed).uns["truth"]
    graph, order = truth["graph"], truth["order"]
    assert nx.is_directed_acyclic_graph(nx.from_numpy_array(graph != 0, create_using=nx.DiGraph))
    assert (np.tril(graph[np.ix_(order, order)]) == 0).all()
    total = np.linalg.inv(np.eye(8) - graph)
    assert np.abs(total - np.eye(8)).max() <= 0.8 + 1e-12


def test_thinning_given_the_source_cells(screen):
    """Each total is a sum of binomials of known size, conditional on the cells that were drawn."""
    truth = screen.uns["truth"]
    whole = _default_cells()
    z = []
    for row, label in enumerate(truth["conditions"]):
        cells = screen[(screen.obs["perturbation"] == label).to_numpy()]
        original = np.asarray(whole[cells.obs["source_cell"].to_numpy()].X.sum(axis=0)).ravel()
        probability = truth["keep"] * 2.0 ** truth["lfc"][row]
        assert (probability <= 1 + 1e-12).all()
        variance = original * probability * (1 - probability)
        sure = variance > 5
        observed = np.asarray(cells.X.sum(axis=0)).ravel()
        z.append(((observed - original * probability) / np.sqrt(np.maximum(variance, 1e-9)))[sure])
    z = np.concatenate(z)
    assert len(z) > 10_000
    assert np.mean(z) == pytest.approx(0, abs=0.03)
    assert np.std(z) == pytest.approx(1, abs=0.02)
    assert np.abs(z).max() < 5.5


def test_ratios_of_means_are_the_stored_fold_changes():
    adata = plant_screen(n_perturbations=3, n_cells=3000, n_control=6000, effect_size=1.5, rng=2)
    x, label = adata.X.toarray(), adata.obs["perturbation"].to_numpy()
    control = x[label == "control"]
    for name, lfc in list(truth_by_label(adata).items())[1:]:
        cells = x[label == name]
        use = (cells.sum(axis=0) > 400) & (control.sum(axis=0) > 400)
        a, b = cells[:, use], control[:, use]
        error = np.sqrt(
            a.var(axis=0) / a.mean(axis=0) ** 2 / len(a) + b.var(axis=0) / b.mean(axis=0) ** 2 / len(b)
        ) / np.log(2)
        z = (np.log2(a.mean(axis=0) / b.mean(axis=0)) - lfc[use]) / error
        assert np.abs(z).max() < 6
        assert np.corrcoef(np.log2(a.mean(axis=0) / b.mean(axis=0)), lfc[use])[0, 1] > 0.95


def test_what_is_written(screen):
    assert sparse.issparse(screen.X)
    assert screen.X.format == "csr"
    assert screen.X.dtype == np.float32
    assert (screen.X.data == np.round(screen.X.data)).all()
    assert screen.X.data.min() >= 1
    sizes = screen.obs["perturbation"].value_counts()
    assert sizes["control"] == 500
    assert len(sizes) == 37
    assert (sizes.drop("control") == 100).all()
    assert screen.obs["perturbation"].cat.categories.tolist() == list(screen.uns["truth"]["conditions"])
    assert screen.obs["cell_type"].nunique() == 10
    membership, names = read_gene_sets(screen)
    assert membership.shape == (765, 28)
    programs = screen.uns["truth"]["programs"] > 0
    np.testing.assert_array_equal(membership[:, :8].toarray().T, programs)
    assert names[0] == f"program_{screen.uns['truth']['targets']['perturbation'][0]}"
    # Decoys are without effect, and no gene is in two programs
    assert not (membership[:, 8:].toarray() & programs.any(axis=0)[:, None]).any()
    assert programs.sum(axis=0).max() == 1
    assert (screen.uns["gene_sets"]["sizes"] == 25).all()
    assert scpi.get.gene_sets(screen)["size"].sum() == membership.nnz == 28 * 25


def test_own_cells_seed_and_options():
    rng = np.random.default_rng(0)
    cells = ad.AnnData(rng.poisson(3.0, size=(30, 40)))
    cells.var_names = ["A+B", *(f"g{i}" for i in range(39))]
    cells.obs["donor"] = ["x", "y"] * 15
    options = {"n_perturbations": 2, "n_cells": 4, "n_control": 3, "set_size": 5, "n_decoy_sets": 2, "rng": 3}
    screen = plant_screen(cells, **options)
    assert screen.obs["perturbation"].value_counts().tolist() == [4, 4, 4, 3]
    assert set(screen.obs["donor"]) == {"x", "y"}
    np.testing.assert_array_equal((plant_screen(cells, **options).X != screen.X).nnz, 0)
    assert (plant_screen(cells, **{**options, "rng": 4}).X != screen.X).nnz > 0
    # The form of the matrix makes no difference
    for form in (sparse.csc_matrix, sparse.csr_array, lambda x: x.astype(np.float32)):
        other = ad.AnnData(form(cells.X), obs=cells.obs, var=cells.var)
        assert (plant_screen(other, **options).X != screen.X).nnz == 0
    for seed in range(20):
        screen = plant_screen(cells, **{**options, "rng": seed, "doubles": False})
        assert screen.obs["perturbation"].nunique() == 3
        assert "A+B" not in screen.uns["truth"]["targets"]["perturbation"]


def test_backed_cells(tmp_path):
    rng = np.random.default_rng(0)
    cells = ad.AnnData(sparse.csr_matrix(rng.poisson(3.0, size=(30, 40)).astype(np.float32)))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    options = {"n_perturbations": 2, "n_cells": 4, "set_size": 5, "rng": 3}
    assert (plant_screen(backed, **options).X != plant_screen(cells, **options).X).nnz == 0


def test_keep_everything():
    cells = ad.AnnData(np.full((20, 60), 7.0))
    screen = plant_screen(cells, n_perturbations=2, n_cells=10, set_size=5, keep=1.0, effect_size=2.0, rng=1)
    unchanged = (screen.uns["truth"]["lfc"] == 0).all(axis=0)
    assert (screen.X.toarray()[:, unchanged] == 7).all()
    assert (screen.uns["truth"]["keep"][unchanged] == 1).all()
    assert screen.uns["truth"]["keep"].min() < 1


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_round_trip(tmp_path, suffix):
    adata = plant_screen(n_perturbations=3, n_cells=3)
    path = tmp_path / f"screen.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    assert (back.X != adata.X).nnz == 0
    np.testing.assert_array_equal(back.uns["truth"]["lfc"], adata.uns["truth"]["lfc"])
    assert list(back.uns["truth"]["conditions"]) == list(adata.uns["truth"]["conditions"])
    assert list(back.obs["source_cell"]) == list(adata.obs["source_cell"])
    np.testing.assert_array_equal(read_gene_sets(back)[0].toarray(), read_gene_sets(adata)[0].toarray())
    assert list(read_gene_sets(back)[1]) == list(read_gene_sets(adata)[1])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n_perturbations": 0}, "n_perturbations"),
        ({"n_cells": 0}, "n_cells"),
        ({"n_control": 0}, "n_control"),
        ({"set_size": 0}, "set_size"),
        ({"n_decoy_sets": -1}, "n_decoy_sets"),
        ({"interaction": 1.1}, "between 0 and 1"),
        ({"keep": 0.0}, "above 0"),
        ({"n_perturbations": 40}, "need 1025 genes, but there are 765"),
    ],
)
def test_bad_numbers(change, match):
    with pytest.raises(ValueError, match=match):
        plant_screen(**change)


@pytest.mark.parametrize("value", [0.5, -1.0, np.nan, np.inf])
def test_bad_counts(value):
    x = np.ones((5, 60))
    x[2, 3] = value
    with pytest.raises(ValueError, match="must contain counts"):
        plant_screen(ad.AnnData(x), n_perturbations=2, set_size=5)


def test_repeated_genes():
    cells = ad.AnnData(np.ones((5, 60)))
    cells.var_names = ["a"] * 60
    with pytest.raises(ValueError, match="var_names_make_unique"):
        plant_screen(cells, n_perturbations=2, set_size=5)
