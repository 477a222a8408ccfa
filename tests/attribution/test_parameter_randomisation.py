"""Attributions of networks whose layers were shuffled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scpi.attribution import AttributionTarget, attribute_units, parameter_randomisation

N_GENES, N_UNITS = 200, 6


@pytest.fixture(scope="module")
def trained():
    """Autoencoder that has learned which genes go together: most genes belong to no program."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    weights = np.zeros((N_UNITS, N_GENES))
    for k in range(N_UNITS):
        weights[k, rng.choice(N_GENES, 20, replace=False)] = 1.0
    counts = rng.poisson(0.3 + rng.gamma(1.0, size=(400, N_UNITS)) @ weights).astype(np.float32)
    x = torch.log1p(torch.from_numpy(counts))
    encoder = nn.Sequential(nn.Linear(N_GENES, 32), nn.Softplus(), nn.Linear(32, N_UNITS), nn.Softplus())
    decoder = nn.Linear(N_UNITS, N_GENES)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        (decoder(encoder(x)) - x).square().mean().backward()
        optimizer.step()
    return encoder.eval(), counts


def steps(trained, method):
    network, counts = trained
    target = AttributionTarget(network, torch.log1p, [f"unit_{k}" for k in range(N_UNITS)], kind="latent")
    absolute = method == "guided"

    def attribute():
        found = attribute_units(target, counts, method=method, absolute=absolute)
        return (found.mean_abs if absolute else found.mean)[0]

    # One shuffle says little
    runs = [parameter_randomisation(network, attribute, rng=seed).set_index("layer") for seed in range(10)]
    return sum(runs) / len(runs)


def test_gradients_follow_the_network_and_guided_ones_hardly_its_last_layer(trained):
    gradient, guided = steps(trained, "gradient"), steps(trained, "guided")
    assert gradient.index.tolist() == ["2", "0"]
    assert abs(gradient.loc["2", "spearman"]) < 0.3
    assert abs(gradient.loc["0", "spearman"]) < 0.05
    # The positive parts of a shuffled layer average much the same genes
    assert guided.loc["2", "spearman"] > gradient.loc["2", "spearman_abs"] + 0.1
    assert abs(guided.loc["0", "spearman"]) < 0.1


def test_the_network_is_as_it_was(trained):
    network, _ = trained
    before = {name: value.clone() for name, value in network.state_dict().items()}
    seen = []

    def attribute():
        seen.append(network[2].weight.detach().clone())
        if len(seen) == 3:
            msg = "stop"
            raise RuntimeError(msg)
        return seen[-1][:, :5].numpy()

    with pytest.raises(RuntimeError, match="stop"):
        parameter_randomisation(network, attribute)
    assert not torch.equal(seen[0], seen[1])
    torch.testing.assert_close(seen[0].flatten().sort().values, seen[1].flatten().sort().values)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_does_not_depend_on_the_network_agrees_with_itself(trained):
    constant = np.random.default_rng(0).normal(size=(3, 50))
    found = parameter_randomisation(trained[0], lambda: constant)
    np.testing.assert_allclose(found["spearman"], 1.0)


def test_bad_input_is_named(trained):
    with pytest.raises(ValueError, match="ReLU has no parameters"):
        parameter_randomisation(nn.ReLU(), lambda: np.ones((2, 3)))
    with pytest.raises(ValueError, match="outputs x genes"):
        parameter_randomisation(trained[0], lambda: np.ones(3))
