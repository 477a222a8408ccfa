from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from scpi.attribution import AttributionTarget

N_GENES, N_OUTPUTS = 30, 4


def identity(x):
    return x


class Network(nn.Module):
    """Linear, batch norm and a curve, as encoders have them, with dropout that evaluation turns off."""

    def __init__(self, curve):
        super().__init__()
        self.first = nn.Linear(N_GENES, 16)
        self.rest = nn.Sequential(
            nn.BatchNorm1d(16),
            curve(),
            nn.Dropout(0.5),
            nn.Linear(16, 8),
            nn.BatchNorm1d(8),
            curve(),
            nn.Linear(8, N_OUTPUTS),
        )

    def forward(self, x):
        return self.rest(self.first(x))

    def head(self, u):
        return self.rest(u + self.first.bias)


def make_network(curve=nn.ReLU):
    generator = torch.Generator().manual_seed(0)
    network = Network(curve).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=generator)
                value.copy_(
                    drawn.abs() + 0.5 if name.endswith("running_var") else 1.5 * drawn / max(value.shape[-1], 1) ** 0.5
                )
    return network


@pytest.fixture(params=["ReLU", "Softplus", "Tanh"])
def network(request):
    return make_network(getattr(nn, request.param))


@pytest.fixture
def smooth_network():
    return make_network(nn.Softplus)


@pytest.fixture
def kinked_network():
    return make_network(nn.ReLU)


def as_target(network, *, projected, transform=torch.log1p):
    names = [f"class_{k}" for k in range(N_OUTPUTS)]
    if not projected:
        return AttributionTarget(network, transform, names, kind="logit")
    return AttributionTarget(
        network, transform, names, kind="logit", projection=network.first.weight.T, head=network.head
    )


@pytest.fixture
def make_target():
    return as_target


@pytest.fixture(params=[False, True], ids=["genes", "projection"])
def target(request, network):
    return as_target(network, projected=request.param)


@pytest.fixture(params=[False, True], ids=["genes", "projection"])
def smooth_target(request, smooth_network):
    return as_target(smooth_network, projected=request.param)


@pytest.fixture
def counts():
    """Sparse counts, cells x genes."""
    drawn = np.random.default_rng(0).negative_binomial(1, 0.4, size=(60, N_GENES))
    return sparse.csr_matrix(drawn.astype(np.float32))


@pytest.fixture
def codes():
    """Groups of the cells; some cells are in none."""
    return np.arange(60) % (N_OUTPUTS + 1) - 1


@pytest.fixture
def log_counts(counts):
    return torch.log1p(torch.from_numpy(counts.toarray()))


@pytest.fixture
def linear():
    """Function whose gradient is its weight."""
    weight = torch.randn((N_GENES, N_OUTPUTS), generator=torch.Generator().manual_seed(1))
    names = [f"class_{k}" for k in range(N_OUTPUTS)]
    return weight.numpy(), AttributionTarget(lambda x: x @ weight + 1.0, identity, names, kind="logit")
