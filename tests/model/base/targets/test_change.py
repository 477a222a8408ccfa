"""The predicted change as an attribution target."""

from __future__ import annotations

import numpy as np
import pytest
import torch

MODELS = {"SCGEN": {"n_hidden": 8, "n_latent": 3}, "SCPREGAN": {"n_hidden": (8, 8)}, "SCButterfly": {"n_latent": 8}}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request, make_screen, build):
    adata = make_screen()
    adata.X = adata.X.log1p()
    return build(request.param, adata, MODELS[request.param], setup={"dose_key": "dose"})


def test_a_change_depends_on_the_dose(model):
    x = torch.from_numpy(model.adata.X[:5].toarray())
    changes = []
    for dose in (0.5, 1.0, None):
        target = model.attribution_target("change", perturbation="A", dose=dose)
        with torch.no_grad():
            changes.append(target.function(target.transform(x)).numpy())
    assert not np.allclose(changes[0], changes[1])
    np.testing.assert_array_equal(changes[1], changes[2])


@pytest.mark.parametrize("arguments", [("change",), ("cause", "A")])
def test_a_kind_that_does_not_exist_is_refused(model, arguments):
    kind, *perturbation = arguments
    with pytest.raises(ValueError, match="`kind` must be 'latent', or 'change' with a `perturbation`"):
        model.attribution_target(kind, perturbation=perturbation[0] if perturbation else None)
