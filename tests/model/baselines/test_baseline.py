"""What all baselines share, with cells made by hand."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model.baselines._baseline import Baseline

# Means of each context and label, of two genes; every group has two cells at this mean -1 and +1
MEANS = {
    ("a", "control"): (2.0, 4.0),
    ("a", "P"): (3.0, 4.0),
    ("a", "Q"): (2.0, 8.0),
    ("b", "control"): (6.0, 2.0),
    ("b", "P"): (6.0, 5.0),
    ("c", "control"): (3.0, 3.0),
}


class First(Baseline):
    """The change of the first context."""

    @staticmethod
    def _weigh(controls, changes, control):
        First.seen = controls, changes, control
        return np.eye(len(controls))[0]


def make(means=MEANS):
    rows = [(*key, np.array(mean) + step) for key, mean in means.items() for step in (-1.0, 1.0)]
    obs = pd.DataFrame([row[:2] for row in rows], columns=["context", "perturbation"])
    obs.index = "c" + obs.index.astype(str)
    return ad.AnnData(np.stack([row[2] for row in rows]).astype(np.float32), obs=obs)


def trained(cls, adata, *, context_key="context", **kwargs):
    cls.setup_anndata(adata, context_key=context_key)
    model = cls(adata)
    model.train(train_size=1.0, **kwargs)
    return model


def change(model, adata=None, **kwargs):
    predicted = model.predict(adata, **kwargs, output="mean")
    source = (model.adata if adata is None else adata).to_df().loc[predicted.obs["source_cell"]].to_numpy()
    moved = predicted.X - source
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-6)
    return moved[0].tolist()


def test_without_weights_of_its_own_it_is_the_mean_change_of_the_contexts():
    model = trained(Baseline, make())
    assert change(model, perturbation="P", context="c") == [0.5, 1.5]
    assert change(model, perturbation="Q", context="c") == [0.0, 4.0]
    assert change(model, perturbation="control", context="c") == [0.0, 0.0]


def test_weights_are_taken_from_controls_and_changes():
    model = trained(First, make())
    assert change(model, perturbation="P", context="c") == [1.0, 0.0]
    controls, changes, control = First.seen
    assert controls.tolist() == [[2.0, 4.0], [6.0, 2.0]]
    assert changes.tolist() == [[1.0, 0.0], [0.0, 3.0]]
    assert control.tolist() == [3.0, 3.0]


def test_what_no_context_was_measured_under_is_the_sum_of_its_members_or_the_mean_of_all_conditions():
    # P changes by (1, 0) in the first context, and Q by (0, 4)
    assert change(trained(First, make()), perturbation="P+Q", context="c") == [1.0, 4.0]
    # Without cells of Q alone: P changes by (0.5, 1.5) in the mean of two contexts
    assert change(trained(First, make(), held_out="Q"), perturbation="P+Q", context="c") == [0.5, 1.5]
    # Without contexts, too: changes against the mean of all controls, (11, 9) / 3
    found = change(trained(First, make(), context_key=None), perturbation="P")
    np.testing.assert_allclose(found, [(4.5 + 2.0) / 2 - 11 / 3, (4.5 + 8.0) / 2 - 3], rtol=1e-5)


def test_a_new_context_is_known_by_the_controls_of_the_new_cells():
    model = trained(First, make({key: mean for key, mean in MEANS.items() if key[0] != "c"}))
    new = make({("d", "control"): (9.0, 1.0), ("a", "control"): (50.0, 50.0)})
    assert change(model, new, perturbation="P", context="d") == [1.0, 0.0]
    assert First.seen[2].tolist() == [9.0, 1.0]
    # A context that was trained on keeps the controls of the training
    change(model, new, perturbation="P", context="a")
    assert First.seen[2].tolist() == [2.0, 4.0]


def test_what_is_held_out_is_neither_learned_nor_named_as_trained():
    model = trained(Baseline, make(), held_out="Q", max_epochs=3, lr=1.0)
    assert set(model.trained_conditions_) - {"control"} == {"P"}
    assert sorted(model.test_indices) == [4, 5] and not len(model.validation_indices)
    assert model.history_ == {}
    # The mean of all trained conditions is that of P
    assert change(model, perturbation="Q", context="c") == [0.5, 1.5]
    assert model.predict(perturbation="Q", output="mean").obs["status"].unique().tolist() == ["unseen"]


def test_an_argument_that_no_model_takes_is_not_ignored():
    adata = ad.AnnData(
        np.ones((6, 2), np.float32) * np.arange(1, 7)[:, None], obs={"perturbation": ["control", "A"] * 3}
    )
    scpi.model.MeanDelta.setup_anndata(adata)
    model = scpi.model.MeanDelta(adata)
    # A user means to leave cells out, and a model that was trained on them would look good
    with pytest.raises(TypeError, match="`MeanDelta.train` has no argument 'indices'"):
        model.train(indices=[0, 1])
    model.train(max_epochs=3, lr=0.1, accelerator="cpu")
