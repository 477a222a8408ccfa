from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.scbutterfly._matching import matching
from scpi.model.scbutterfly._presets import PRESETS


def make_splitter(adata, *, batch_size=16, **kwargs):
    scpi.model.SCButterfly.setup_anndata(adata, context_key="context", dose_key="dose")
    manager = scpi.model.SCButterfly(adata).adata_manager
    return CellSplitter(manager, matching(PRESETS["published"], batch_size), **kwargs)


def test_pairs_stay_in_their_set_and_context(make_shifted):
    adata = make_shifted(n_cells=20, conditions=[("A", 1.0), ("A", 0.5)])
    splitter = make_splitter(adata, train_size=0.6, validation_size=0.3)
    context, label = adata.obs["context"].to_numpy(), adata.obs["perturbation"].to_numpy()
    for pairs, cells in (
        (splitter.train_sampler.pairs, splitter.train_idx),
        (splitter.val_sampler.pairs, splitter.val_idx),
    ):
        assert len(pairs.source) == 2 * (label[cells] == "control").sum()
        assert set(pairs.source) | set(pairs.target) <= set(cells)
        assert (context[pairs.source] == context[pairs.target]).all()
        assert (label[pairs.source] == "control").all()
        assert (label[pairs.target] == "A").all()


def test_validation_is_a_random_share_of_every_context_and_condition(make_shifted):
    adata = make_shifted(n_cells=20)
    splitter = make_splitter(adata, train_size=0.8)
    shares = adata.obs.iloc[splitter.val_idx].groupby(["context", "perturbation"]).size()
    assert (shares == 4).all() and len(shares) == 6
    # As published it would be the last cells of each group
    last = np.concatenate([rows[-4:] for rows in adata.obs.groupby(["context", "perturbation"]).indices.values()])
    assert len(np.intersect1d(last, splitter.val_idx)) < 15


def test_a_context_without_treated_cells_has_no_pairs(make_shifted):
    adata = make_shifted(treated_contexts=("x", "y"))
    splitter = make_splitter(adata)
    assert set(adata.obs["context"].iloc[splitter.train_sampler.pairs.source]) == {"x", "y"}


def test_a_batch_holds_both_cells_and_the_condition(make_shifted):
    adata = make_shifted(n_cells=20, conditions=[("A", 1.0), ("A", 0.5)])
    splitter = make_splitter(adata)
    seen = list(splitter.val_dataloader())
    pairs = splitter.val_sampler.pairs
    np.testing.assert_array_equal(torch.cat([batch[KEYS.X] for batch in seen]), adata.X[pairs.source])
    np.testing.assert_array_equal(torch.cat([batch[KEYS.PERTURBED] for batch in seen]), adata.X[pairs.target])
    codes = torch.cat([batch[KEYS.CONDITION] for batch in seen]).numpy()
    np.testing.assert_array_equal(codes, splitter.conditions_of(pairs.target))


def test_an_epoch_is_all_pairs_of_one_condition_or_as_many_of_several(make_shifted):
    for conditions in ([("A", 1.0)], [("A", 1.0), ("A", 0.5), ("B", 1.0)]):
        splitter = make_splitter(make_shifted(n_cells=20, conditions=conditions), train_size=1.0)
        loader = splitter.train_dataloader()
        epochs = [torch.cat([batch[KEYS.X] for batch in loader]) for _ in range(2)]
        largest = max(60, len(np.unique(splitter.train_sampler.pairs.target)))
        assert len(splitter.train_sampler.pairs.source) == 60 * len(conditions)
        assert [len(x) for x in epochs] == [min(60 * len(conditions), largest)] * 2
        assert not torch.equal(*epochs)


def test_data_without_pairs_is_refused(make_shifted):
    adata = make_shifted(treated_contexts=("x",))
    keep = (adata.obs["context"] != "x") | (adata.obs["perturbation"] != "control")
    with pytest.raises(ValueError, match="No context has control and treated cells in the training set"):
        make_splitter(adata[keep.to_numpy()].copy())
