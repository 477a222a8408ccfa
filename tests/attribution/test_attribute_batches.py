from __future__ import annotations

import numpy as np
import pytest

from scpi.attribution import attribute_batches, attribute_cells


@pytest.mark.parametrize("batch_size", [None, pytest.param(1, marks=pytest.mark.slow), 7])
@pytest.mark.parametrize("settings", [{}, {"method": "integrated_gradients", "n_steps": 4, "baseline": "mean"}])
def test_batches_hold_each_cell_once_with_its_attributions(target, counts, codes, settings, batch_size):
    kept = np.full((2, *counts.shape), np.nan)
    for batch in attribute_batches(target, counts, codes, outputs=["class_2", 0], batch_size=batch_size, **settings):
        assert set(codes[batch.cells]) == {batch.group}
        assert batch_size is None or len(batch.cells) <= batch_size
        for place in range(2):
            assert np.isnan(kept[place, batch.cells]).all()
            kept[place, batch.cells] = batch.of_output(place)
    for place, name in enumerate(["class_2", "class_0"]):
        expected = attribute_cells(target, counts, [name] * 4, codes=codes, **settings).values
        np.testing.assert_allclose(kept[place][codes >= 0], expected[codes >= 0], rtol=1e-4, atol=1e-5)
    assert np.isnan(kept[:, codes < 0]).all()


def test_mistakes_are_found_before_the_first_batch(target, counts):
    with pytest.raises(ValueError, match="no output 'nope'"):
        attribute_batches(target, counts, outputs=["nope"])
