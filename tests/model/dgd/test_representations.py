from __future__ import annotations

import pytest
import torch

from scpi.model.base import KEYS
from scpi.model.dgd._representations import best_candidate, fit_representations, objective


@pytest.fixture
def decoder(make_module):
    """A network whose counts say where they come from, and counts of cells at known representations."""
    module, _ = make_module(n_genes=200, component_sd=0.5, n_hidden=(20,))
    torch.nn.init.normal_(module.output.weight, std=0.5)
    z, _ = module.mixture.draw(30, torch.Generator().manual_seed(1))
    fractions = module.decode(z, torch.zeros(30, 0)).exp()
    counts = torch.poisson(5000.0 * fractions, generator=torch.Generator().manual_seed(2)).detach()
    return module, {KEYS.X: counts}, z


def test_representations_are_found_again(decoder):
    module, tensors, z = decoder
    before = {name: value.clone() for name, value in module.state_dict().items()}
    fit = fit_representations(module, tensors, n_steps=200)
    assert fit.converged.all()
    code = torch.zeros(30, 0)
    # No worse than where the counts come from
    assert (objective(module, tensors, fit.z, code, None) < objective(module, tensors, z, code, None) + 0.1).all()
    assert (fit.z - z).square().mean() < 0.1 * z.var()
    # Everything else is as it was, and has no gradient
    assert all((module.state_dict()[name] == value).all() for name, value in before.items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_few_steps_have_not_converged(decoder):
    module, tensors, _ = decoder
    start = torch.full((30, 2), 3.0)
    assert not fit_representations(module, tensors, start=start, n_steps=10, lr=0.01).converged.any()
    torch.testing.assert_close(fit_representations(module, tensors, start=start, n_steps=0).z, start)


def test_the_best_candidate_is_that_of_the_objective(decoder):
    module, tensors, _ = decoder
    candidates = torch.randn(5, 2)
    code = torch.zeros(30, 0)
    chosen = best_candidate(module, tensors, candidates, code)
    losses = torch.stack([objective(module, tensors, row.expand(30, -1), code, None) for row in candidates], 1)
    torch.testing.assert_close(chosen, candidates[losses.argmin(1)])


def test_candidates_are_decoded_under_the_categories_of_the_cells(make_module):
    module, tensors = make_module(sizes=(2,), n_continuous=1)
    tensors |= {KEYS.BATCH: torch.tensor([[0], [1]] * 4), KEYS.CONTINUOUS: torch.zeros(8, 1)}
    torch.nn.init.normal_(module.hidden[0].weight, std=2.0)
    candidates, code = torch.randn(4, 2), module.code(tensors)
    chosen = best_candidate(module, tensors, candidates, code)
    losses = torch.stack([objective(module, tensors, row.expand(8, -1), code, None) for row in candidates], 1)
    torch.testing.assert_close(chosen, candidates[losses.argmin(1)])


def test_an_unseen_category_is_found_among_the_known_ones(make_module):
    module, _ = make_module(n_genes=300, sizes=(2,), component_sd=0.3, n_hidden=(20,))
    torch.nn.init.normal_(module.output.weight, std=0.4)
    z, _ = module.mixture.draw(50, torch.Generator().manual_seed(1))
    old = torch.zeros(50, 1)
    fractions = module.decode(z, module.covariates(old.long(), torch.zeros(50, 0))).exp()
    tensors = {KEYS.X: torch.poisson(20_000.0 * fractions).detach(), KEYS.BATCH: torch.full((50, 1), 2)}
    rows = [torch.tensor([[0.5, 0.5]])]
    fit = fit_representations(module, tensors, unseen=rows, fit_unseen=True, n_steps=200)
    assert fit.unseen[0][0, 0] > 0.8
    fixed = fit_representations(module, tensors, unseen=rows, n_steps=200)
    torch.testing.assert_close(fixed.unseen[0], rows[0])
    losses = [
        objective(module, tensors, found.z, module.code(tensors, found.unseen), None).mean() for found in (fit, fixed)
    ]
    assert losses[0] < losses[1] - 5
