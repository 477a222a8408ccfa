from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from scpi.model.dgd._mixture import (
    GaussianMixture,
    dirichlet_log_density,
    draw_in_ball,
    softball_log_density,
)


def make(covariance="diagonal", n_components=3, **kwargs):
    torch.manual_seed(0)
    mixture = GaussianMixture(n_components, 4, covariance=covariance, **kwargs).double()
    with torch.no_grad():
        mixture.logits.normal_()
        if covariance != "fixed":
            mixture.log_precision.add_(torch.randn_like(mixture.log_precision))
    return mixture


@pytest.mark.parametrize("covariance", ["fixed", "isotropic", "diagonal"])
def test_the_density_is_that_of_torch(covariance):
    mixture = make(covariance)
    z = torch.randn(20, 4, dtype=torch.float64)
    normal = torch.distributions.Independent(torch.distributions.Normal(mixture.means, mixture.variances.sqrt()), 1)
    known = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(logits=mixture.logits), normal)
    torch.testing.assert_close(mixture.log_density(z), known.log_prob(z))
    joint = normal.log_prob(z[:, None]) + mixture.weights.log()
    torch.testing.assert_close(mixture.posterior(z), torch.softmax(joint, 1))
    assert mixture.log_precision.requires_grad == (covariance != "fixed")
    assert mixture.log_precision.shape == (3, 4 if covariance == "diagonal" else 1)


def test_only_allowed_components_count():
    mixture, z = make(), torch.randn(2, 4, dtype=torch.float64)
    allowed = torch.tensor([[True, False, False], [False, True, True]])
    joint = mixture.component_log_density(z)
    expected = torch.stack([joint[0, 0], torch.logsumexp(joint[1, 1:], 0)])
    torch.testing.assert_close(mixture.log_density(z, allowed), expected)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_softball_is_a_density_where_its_edge_is_hard(n):
    radius, hardness = 1.5, 400.0

    def shell(r):
        x = torch.zeros(n, dtype=torch.float64)
        x[0] = r
        area = 2 * np.pi ** (n / 2) / special.gamma(n / 2) * r ** (n - 1)
        return area * float(softball_log_density(x, radius, hardness).exp())

    assert integrate.quad(shell, 0, 2 * radius, points=[radius])[0] == pytest.approx(1.0, abs=0.01)
    # At the edge, half of what it is in the middle
    edge, middle = (softball_log_density(torch.tensor([[r] + [0.0] * (n - 1)]), radius, 5.0) for r in (radius, 0.0))
    expected = np.log1p(np.exp(-5.0)) - np.log(2.0)
    assert float(edge - middle) == pytest.approx(expected, abs=1e-6)


def test_the_softball_has_a_gradient_in_its_middle():
    x = torch.zeros(2, 3, requires_grad=True)
    softball_log_density(x, 1.0, 5.0).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_points_of_the_ball_are_uniform():
    torch.manual_seed(0)
    x = draw_in_ball(4000, 3, 2.0)
    # The volume within a radius grows with its third power
    assert stats.kstest((x.norm(dim=1) / 2.0).numpy() ** 3, "uniform").pvalue > 0.01
    assert x.mean(0).abs().max() < 0.06


@pytest.mark.parametrize("concentration", [0.5, 1.0, 4.0])
def test_the_prior_of_the_weights_is_that_of_scipy(concentration):
    weights = np.array([0.2, 0.3, 0.5])
    found = dirichlet_log_density(torch.tensor(weights).log(), concentration)
    assert float(found) == pytest.approx(stats.dirichlet.logpdf(weights, [concentration] * 3))


def test_the_prior_is_the_sum_of_its_parts():
    mixture = make(sd=0.3, sd_spread=0.7, concentration=2.0, radius=1.2, hardness=3.0)
    precision = stats.norm.logpdf(mixture.log_precision.detach().numpy(), -2 * np.log(0.3), 0.7).sum()
    softball = softball_log_density(mixture.means, 1.2, 3.0).sum()
    weights = dirichlet_log_density(mixture.weights.log(), 2.0)
    assert mixture.log_prior().item() == pytest.approx((precision + softball + weights).item())
    fixed = make("fixed", concentration=2.0)
    expected = softball_log_density(fixed.means, 1.0, 5.0).sum() + dirichlet_log_density(fixed.weights.log(), 2.0)
    assert fixed.log_prior().item() == pytest.approx(expected.item())


def test_draws_are_of_the_mixture():
    mixture = make()
    z, component = mixture.draw(20_000, torch.Generator().manual_seed(0))
    share = torch.bincount(component, minlength=3) / len(z)
    torch.testing.assert_close(share.double(), mixture.weights, atol=0.02, rtol=0.0)
    own = z[component == 1]
    torch.testing.assert_close(own.mean(0), mixture.means[1].detach(), atol=0.1, rtol=0.05)
    torch.testing.assert_close(own.var(0), mixture.variances[1].detach(), atol=0.0, rtol=0.1)


@pytest.mark.parametrize("covariance", ["fixed", "isotropic", "diagonal"])
def test_a_mixture_takes_parameters_with_another_number_of_components(covariance):
    mixture = make(covariance, sd=0.3)
    means, variances = torch.randn(5, 4).double(), torch.rand(5, 4).double() + 0.1
    weights = torch.tensor([0.1, 0.2, 0.3, 0.15, 0.25]).double()
    mixture.put(means, variances, weights)
    assert mixture.n_components == 5
    torch.testing.assert_close(mixture.weights, weights)
    torch.testing.assert_close(mixture.means.detach(), means)
    expected = {
        "fixed": torch.full((5, 4), 0.09).double(),
        "isotropic": variances.mean(1, keepdim=True).expand(5, 4),
        "diagonal": variances,
    }
    torch.testing.assert_close(mixture.variances.detach(), expected[covariance])
    # And what is loaded
    other = make(covariance)
    other.load_state_dict(mixture.state_dict())
    torch.testing.assert_close(other.means, mixture.means)
