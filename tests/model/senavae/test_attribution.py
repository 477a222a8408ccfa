from __future__ import annotations

import numpy as np
import pytest
import torch


def jacobian(target, x):
    """Derivatives of the outputs of one cell by its genes."""
    return torch.autograd.functional.jacobian(lambda cell: target.function(cell[None])[0], x)


@pytest.fixture(scope="module")
def cell(make_screen):
    return torch.from_numpy(make_screen().X.toarray()[3]).double()


@pytest.fixture(scope="module")
def linear(make_screen, build):
    model = build(
        "SENAVAE", make_screen(), {"encoder": "linear", "n_hidden": 0, "n_factors": 4}, train={"max_epochs": 2}
    )
    model.module.double()
    return model


def test_a_linear_model_has_its_weights_for_a_jacobian(linear, cell):
    module = linear.module
    weight = module.encoder.heads.weight[:4].detach()
    graph = module.causal.adjacency().detach().double()
    eye = torch.eye(4, dtype=torch.float64)
    assert module.preset.causal_posterior
    # The encoder gives u = W x + b, and the noise is u (I - G).
    torch.testing.assert_close(jacobian(linear.attribution_target("causal"), cell), weight, atol=1e-8, rtol=0)
    expected = (eye - graph).t() @ weight
    target = linear.attribution_target("factor")
    torch.testing.assert_close(jacobian(target, cell), expected, atol=1e-8, rtol=0)
    assert list(target.names) == [f"factor_{i}" for i in range(4)]
    torch.testing.assert_close(jacobian(linear.attribution_target("latent"), cell), expected, atol=1e-8, rtol=0)
    # The change under a perturbation is the same for all cells.
    change = linear.attribution_target("change", perturbation="B+A")
    torch.testing.assert_close(jacobian(change, cell), torch.zeros(24, 24, dtype=torch.float64), atol=1e-8, rtol=0)
    shift = module.intervention(torch.tensor([[1.0, 1, 0, 0]], dtype=torch.float64))
    decoded = shift @ torch.linalg.inv(eye - graph) @ module.decoder.first.weight.t()
    torch.testing.assert_close(change.function(cell[None]), decoded, atol=1e-8, rtol=0)
    assert list(change.names) == linear.var_names_


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"leak": 0.1, "mechanism": "relu"}, {"encoder": "mlp", "likelihood": "nb"}, {"preset": "sena"}],
    ids=str,
)
def test_gradients_are_those_of_finite_differences(kwargs, make_screen, build, cell):
    model = build("SENAVAE", make_screen(), kwargs, train={"max_epochs": 2})
    model.module.double()
    kinds = ["factor", "causal", "change"] + ([] if kwargs.get("encoder") == "mlp" else ["pathway"])
    for kind in kinds:
        target = model.attribution_target(kind, perturbation="A" if kind == "change" else None)
        x = target.transform(cell[None])[0] + 0.01
        step = 1e-6
        exact = jacobian(target, x)
        assert exact.shape == (len(target.names), 24)
        with torch.no_grad():
            numeric = torch.stack(
                [
                    (target.function((x + step * unit)[None]) - target.function((x - step * unit)[None]))[0]
                    / (2 * step)
                    for unit in torch.eye(24, dtype=torch.float64)
                ],
                dim=1,
            )
        torch.testing.assert_close(exact, numeric, atol=1e-6, rtol=1e-4)


def test_targets_are_what_the_model_reports(make_screen, build):
    adata = make_screen()
    model = build("SENAVAE", adata)
    x = torch.from_numpy(adata.X.toarray())
    for kind, expected in (
        ("factor", model.get_latent_representation()),
        ("causal", model.get_latent_representation(kind="causal")),
        ("pathway", model.get_pathway_activity().to_numpy()),
    ):
        target = model.attribution_target(kind)
        found = target.function(target.transform(x)).detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)
        # No random numbers are drawn.
        np.testing.assert_array_equal(found, target.function(target.transform(x)).detach().numpy())
        assert target.kind == kind


@pytest.mark.parametrize("kind", ["units", "change"])
def test_unknown_kinds_are_refused(linear, kind):
    with pytest.raises(ValueError, match="'latent', 'factor', 'causal', 'pathway', or 'change' with a `perturbation`"):
        linear.attribution_target(kind)
