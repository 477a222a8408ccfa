from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scpi.attribution import AttributionTarget
from scpi.attribution._space import Space

GENES = torch.tensor([[0.0, 1.0, 2.0, 3.0], [4.0, 0.0, 1.0, 0.0], [2.0, 2.0, 0.0, 1.0]])
PROJECTION = torch.tensor([[1.0, 0.0], [2.0, -1.0], [0.0, 1.0], [-1.0, 3.0]])
MIX = torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, 1.0]])


def head(u):
    return torch.tanh(u) @ MIX


def make(**changes):
    settings = {"projection": PROJECTION, "head": head, "kind": "latent"} | changes
    function = (lambda x: settings["head"](x @ PROJECTION)) if settings["head"] else (lambda x: head(x @ PROJECTION))
    return AttributionTarget(function, lambda x: 2 * x, ["a", "b", "c"], **settings)


@pytest.fixture(params=["genes", "projection"])
def space(request):
    return Space(make() if request.param == "projection" else make(projection=None, head=None), None)


def test_both_spaces_have_the_same_outputs_and_slopes_of_genes(space):
    x = space.read(GENES.numpy())
    torch.testing.assert_close(x, 2 * GENES)
    values, slopes = space.slopes(space.enter(x), [2, 0])
    torch.testing.assert_close(values, head(x @ PROJECTION)[:, [2, 0]].T)
    torch.testing.assert_close(space.values(space.enter(x), [1])[0], head(x @ PROJECTION)[:, 1])
    steep = 1 - torch.tanh(x @ PROJECTION) ** 2
    expected = torch.stack([(steep * MIX[:, k]) @ PROJECTION.T for k in (2, 0)])
    torch.testing.assert_close(space.leave(slopes), expected)


def test_a_gene_is_shifted_as_in_the_cells(space):
    x = space.read(sparse.csr_matrix(GENES.numpy()))
    genes, change = torch.tensor([3, 0, 3]), torch.tensor([1.0, -2.0, 0.5])
    moved = x.clone()
    moved[torch.arange(3), genes] += change
    torch.testing.assert_close(space.shift(space.enter(x), genes, change), space.enter(moved))


def test_noise_of_the_genes_has_the_covariance_of_the_projection():
    root = Space(make(), None).noise_root
    torch.testing.assert_close(root.T @ root, PROJECTION.T @ PROJECTION)
    assert Space(make(projection=None, head=None), None).noise_root is None


def test_a_projection_comes_with_a_head():
    with pytest.raises(ValueError, match="both a `projection` and a `head`"):
        Space(make(head=None), None)
    with pytest.raises(ValueError, match="4 rows, but its input 3 genes"):
        Space(make(), None).read(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda u: head(u)[:, :2], r"shape \(4, 2\) for 4 cells"),
        (lambda u: head(u) * torch.nan, "NaN or infinite"),
        (lambda u: head(u) - head(u).mean(0), "depend on other cells"),
        (lambda u: head(u) + torch.rand(len(u), 1), "draw no random numbers"),
    ],
)
def test_functions_that_cannot_be_explained_are_refused(wrong, message):
    cells = torch.rand((6, 4), generator=torch.Generator().manual_seed(0))
    Space(make(), None).check(cells, 3)
    with pytest.raises(ValueError, match=message):
        Space(make(head=wrong), None).check(cells, 3)


def test_a_function_without_a_gradient_is_refused():
    space = Space(make(head=lambda u: head(u.detach())), None)
    with pytest.raises(ValueError, match="has no gradient"):
        space.slopes(space.enter(GENES), [0])
