from __future__ import annotations

import pytest
import torch
from scipy import stats

from scpi.model.base import KEYS


@pytest.mark.parametrize("activation", ["softmax", "softplus", "sigmoid"])
@pytest.mark.parametrize("library", ["sum", "max"])
def test_the_loss_is_that_of_negative_binomial_counts(make_module, activation, library):
    module, tensors = make_module(activation=activation, library=library)
    torch.nn.init.normal_(module.log_excess)
    z, x = module.representations.weight, tensors[KEYS.X]
    hidden = torch.relu(module.hidden[0](z))
    raw = module.output(hidden)
    function = {"softmax": lambda y: torch.softmax(y, 1), "softplus": torch.nn.functional.softplus}
    fraction = function.get(activation, torch.sigmoid)(raw)
    depth = x.sum(1, keepdim=True) if library == "sum" else x.amax(1, keepdim=True)
    mean, r = (depth * fraction).detach().numpy(), 1.0 + module.log_excess.exp().detach().numpy()
    expected = -stats.nbinom.logpmf(x.numpy(), r, r / (r + mean)).sum(1)
    found = module.cell_loss(tensors, z, module.code(tensors))
    torch.testing.assert_close(found.detach(), torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-4)


def test_a_size_factor_is_the_depth(make_module):
    module, tensors = make_module()
    tensors[KEYS.SIZE_FACTOR] = torch.full((8, 1), 7.0)
    torch.testing.assert_close(module.log_depth(tensors).exp(), tensors[KEYS.SIZE_FACTOR])


def test_genes_that_are_missing_do_not_count(make_module):
    module, tensors = make_module()
    z, code, found = module.representations.weight, module.code(tensors), torch.tensor([0, 2, 3])
    tensors[KEYS.X][:, [1, 4, 5]] = 0.0
    # What is decoded is that of the genes that are there, and the total too
    counts = tensors[KEYS.X][:, found]
    mean = counts.sum(1, keepdim=True) * torch.softmax(module.decode(z, code)[:, found], 1)
    theta = module.theta[found]
    expected = -torch.distributions.NegativeBinomial(theta, logits=(mean / theta).log()).log_prob(counts).sum(1)
    torch.testing.assert_close(module.cell_loss(tensors, z, code, found), expected, rtol=1e-4, atol=1e-4)


def test_the_terms_of_the_objective(make_module):
    module, tensors = make_module(posterior="point")
    z = module.representations.weight
    found = module.losses(tensors, n_cells=100)
    assert found.keys() == {"reconstruction", "representations", "mixture"}
    torch.testing.assert_close(found["reconstruction"], module.cell_loss(tensors, z, module.code(tensors)).mean())
    torch.testing.assert_close(found["representations"], -module.mixture.log_density(z).mean())
    # Over the batches of an epoch, the prior counts once
    torch.testing.assert_close(100 * found["mixture"], -module.mixture.log_prior())
    published, _ = make_module(preset="published")
    per_sample = published.losses(tensors, n_cells=100)["mixture"]
    torch.testing.assert_close(per_sample, -published.mixture.log_prior())


def test_units_are_left_out_in_training_alone(make_module):
    module, tensors = make_module(dropout=0.5)
    z, code = module.representations.weight, module.code(tensors)
    module.eval()
    torch.testing.assert_close(module.decode(z, code), module.decode(z, code))
    module.train()
    assert not torch.equal(module.decode(z, code), module.decode(z, code))


def test_the_standard_deviations_of_representations_are_bounded_from_both_sides(make_module):
    # Of one Gaussian, the expectation is that of the divergence between two
    module, tensors = make_module(n_components=1, component_sd=0.7)
    with torch.no_grad():
        module.log_sd.fill_(-1.0)
        found = torch.stack([module.losses(tensors, n_cells=10)["representations"] for _ in range(3000)]).mean()
    z = module.representations.weight.detach()
    posterior = torch.distributions.Normal(z, torch.full_like(z, -1.0).exp())
    prior = torch.distributions.Normal(module.mixture.means[0], module.mixture.variances[0].sqrt())
    divergence = torch.distributions.kl_divergence(posterior, prior).sum(1).mean()
    # Less the constants of the entropy of the posterior
    constant = 2 * 0.5 * (1 + torch.log(torch.tensor(2 * torch.pi)))
    torch.testing.assert_close(found, divergence + constant, rtol=0.02, atol=0.02)


def test_a_cell_comes_from_the_components_of_its_label(make_module):
    module, tensors = make_module(n_components=4, n_labels=2, posterior="point")
    labels = torch.tensor([[0], [1], [2], [0], [1], [2], [0], [1]])
    allowed = module.allowed(labels)
    assert allowed[:3].tolist() == [[True, True, False, False], [False, False, True, True], [True] * 4]
    found = module.losses(tensors | {KEYS.LABELS: labels}, n_cells=8)
    expected = -module.mixture.log_density(module.representations.weight, allowed).mean()
    torch.testing.assert_close(found["representations"], expected)
    assert module.head is None


@pytest.mark.parametrize("supervise", ["head", "both"])
def test_labels_are_predicted_from_representations(make_module, supervise):
    module, tensors = make_module(n_components=4, n_labels=2, supervise=supervise, task_weight=3.0)
    labels = torch.tensor([[0], [1], [2], [0], [1], [2], [0], [1]])
    known = labels.reshape(-1) < 2
    logits = module.head(module.representations.weight[known])
    missed = torch.nn.functional.cross_entropy(logits, labels.reshape(-1)[known], reduction="sum")
    found = module.losses(tensors | {KEYS.LABELS: labels}, n_cells=8)
    torch.testing.assert_close(found["task"], 3.0 * missed / 8)
    assert (module.allowed(labels) is None) == (supervise == "head")
    # Without labels there is nothing to predict
    assert "task" not in module.losses(tensors | {KEYS.LABELS: torch.full((8, 1), 2)}, n_cells=8)


@pytest.mark.parametrize("activation", ["softmax", "softplus", "sigmoid"])
def test_training_starts_from_the_mean_of_the_cells(make_module, activation):
    module, _ = make_module(activation=activation)
    fractions = torch.tensor([0.5, 0.2, 0.1, 0.1, 0.099, 0.001])
    module.start(fractions)
    torch.nn.init.zeros_(module.output.weight)
    found = module.decode(torch.zeros(1, 2), torch.zeros(1, 0)).exp()[0]
    torch.testing.assert_close(found, fractions, rtol=1e-3, atol=1e-5)


def test_covariates_change_what_is_decoded_and_nothing_else(make_module):
    module, tensors = make_module(sizes=(2,))
    first, second = (module.code(tensors | {KEYS.BATCH: torch.full((8, 1), value)}) for value in (0, 1))
    z = module.representations.weight
    assert not torch.allclose(module.decode(z, first), module.decode(z, second))
    torch.testing.assert_close(
        module.losses(tensors | {KEYS.BATCH: torch.zeros(8, 1)}, n_cells=8)["mixture"], -module.mixture.log_prior() / 8
    )


def test_a_network_takes_the_number_of_cells_components_and_categories_that_it_was_saved_with(make_module):
    module, tensors = make_module(sizes=(2,), n_components=5)
    other, _ = make_module(sizes=(4,), n_components=1)
    other.representations = torch.nn.Embedding(3, 2, sparse=True)
    other.load_state_dict(module.state_dict())
    tensors[KEYS.BATCH] = torch.ones(8, 1)
    for name in ("representations", "mixture"):
        for one, two in zip(getattr(module, name).parameters(), getattr(other, name).parameters(), strict=True):
            torch.testing.assert_close(one, two)
    z = module.representations.weight
    torch.testing.assert_close(
        other.cell_loss(tensors, z, other.code(tensors)), module.cell_loss(tensors, z, module.code(tensors))
    )
