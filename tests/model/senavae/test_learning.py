"""Whether the model learns what was planted. What it reaches on larger problems is shown by the benchmarks."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.datasets import causal_screen
from scpi.metrics import align_graph, edge_average_precision, edge_chance_level, match_latents, mmd, target_recovery
from scpi.model import SENAVAE, Additive


@pytest.fixture(scope="module")
def screen():
    return causal_screen(5, n_genes=100, n_cells=512, n_control=512, mixing="random", graph="chain", rng=0)


@pytest.fixture(scope="module")
def doubles(screen):
    return sorted(label for label in screen.obs["perturbation"].unique() if "+" in label)


@pytest.fixture(scope="module")
def model(screen, doubles, quiet):
    SENAVAE.setup_anndata(screen)
    model = SENAVAE(screen, encoder="linear", n_hidden=0)
    model.train(max_epochs=20, held_out=doubles, **quiet)
    return model


def test_all_targets_are_found(model, screen):
    truth = screen.uns["truth"]["targets"]
    table = model.get_intervention_targets().set_index("perturbation").loc[list(truth["perturbation"])]
    latents = table["factor"].str.removeprefix("factor_").astype(int).to_numpy()
    assert target_recovery(truth["factor"], latents) == 1
    assert table["probability"].min() > 0.9
    assert table.attrs.get("n_factors_used", table["factor"].nunique()) == 5


def test_the_chain_is_found(model, screen):
    truth = screen.uns["truth"]
    factors = truth["targets"]["factor"]
    assignment = model.get_intervention_assignment().loc[list(truth["targets"]["perturbation"])].to_numpy()
    similarity = np.zeros_like(assignment)
    similarity[factors] = assignment
    strength = model.get_intervention_targets()["strength"].to_numpy()
    latent_scale = (assignment * np.abs(strength)[:, None]).sum(0)
    graph = np.zeros((5, 5))
    for edge in model.get_causal_graph().itertuples():
        graph[int(edge.source[7:]), int(edge.target[7:])] = edge.weight
    found = align_graph(graph, match_latents(similarity), latent_scale)
    assert edge_chance_level(truth["graph"]) == pytest.approx(0.2)
    assert edge_average_precision(truth["graph"], found) > 0.9


def test_unseen_doubles_are_as_near_as_other_cells_of_the_same_law(model, screen, doubles, quiet):
    """Discrepancies: below those of the control, and at most a few times the distance of two halves of the cells."""
    table = model.evaluate(perturbation=doubles)
    assert (table["status"] == "unseen combination").all()
    x, labels = np.asarray(screen.X), screen.obs["perturbation"].to_numpy()
    nothing = np.mean([mmd(x[labels == "control"], x[labels == label]) for label in doubles])
    assert table["mmd"].mean() < 0.02 * nothing
    assert table["pearson"].min() > 0.99
    additive = Additive(screen) if Additive.setup_anndata(screen) is None else None
    additive.train(held_out=doubles)
    # In a linear model adding the effects is right: the network must not be worse by much.
    assert table["rmse"].mean() < 1.2 * additive.evaluate(perturbation=doubles)["rmse"].mean()


@pytest.mark.parametrize(
    ("variant", "error"),
    [
        ({"discrepancy": "paired"}, 0.6),
        # Of the divergence alone, as published, and not divided by the number of genes
        ({"discrepancy": "reconstruction", "max_mmd": 1.0, "per_gene": False}, 0.8),
    ],
    ids=["paired cells", "conditional VAE"],
)
def test_variants_learn_changes_that_they_do_not_start_from(variant, error, screen, doubles, quiet):
    SENAVAE.setup_anndata(screen)
    start = {"n_factors": 5, "least_squares": False, "data_init": False, "lr": 0.03, "seed": 0}
    model = SENAVAE(screen, encoder="linear", n_hidden=0, **start, **variant)
    model.train(max_epochs=30, held_out=doubles, **quiet)
    labels = [*doubles, *model.perturbations_]
    table = model.evaluate(perturbation=labels, indices=np.arange(screen.n_obs), metrics=["pearson", "error_ratio"])
    # No change has an error of 1
    assert table["error_ratio"].mean() < error
    assert table["pearson"].min() > 0.5
    name = {"paired": "paired_error", "reconstruction": "reconstruction_perturbed"}[variant["discrepancy"]]
    assert f"{name}_train" in model.history and "mmd_train" not in model.history
