from __future__ import annotations

import inspect

import pytest

import scpi
from scpi._scoring._conventions import EXCLUDE_TARGETS, N_CELLS, N_COMPONENTS, check_conventions

DOORS = [
    scpi.benchmark.evaluate,
    scpi.benchmark.noise_ceiling,
    scpi.benchmark.compare_predictions,
    scpi.tl.score_prediction,
    scpi.model.MeanDelta.evaluate,
]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__qualname__)
def test_every_door_has_the_same_defaults(door):
    defaults = {name: one.default for name, one in inspect.signature(door).parameters.items()}
    assert (defaults["n_cells"], defaults["n_components"], defaults["metrics"]) == (N_CELLS, N_COMPONENTS, None)
    assert defaults["exclude_targets"] is EXCLUDE_TARGETS
    assert defaults.get("reference_cells", "apart") == "apart"


@pytest.mark.parametrize(("n_cells", "n_components"), [(1, 30), (0, None), (1000, 0), (1000, -1)])
def test_numbers_that_give_no_score(n_cells, n_components):
    with pytest.raises(ValueError, match="must be at least"):
        check_conventions(n_cells, n_components)


def test_numbers_that_do():
    check_conventions(2, 1)
    check_conventions(1000, None)
