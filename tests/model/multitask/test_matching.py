from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

import scpi
from scpi._screen._expression import log_normalised
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._sampling import matched_pairs
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.multitask._matching import match_tasks, training_depth_per_size


@pytest.fixture
def manager(make_contexts):
    adata = make_contexts()
    scpi.model.MultiTaskAE.setup_anndata(adata, context_key="context")
    return scpi.model.MultiTaskAE(adata).adata_manager


def split(manager, *, batch_size=128, train_size=0.8, **kwargs):
    sampling = partial(matched_pairs, match=partial(match_tasks, **kwargs), batch_size=batch_size)
    return CellSplitter(manager, sampling, train_size=train_size, seed=0)


def test_cells_are_their_own_targets(manager):
    splitter = split(manager)
    pairs = splitter.train_sampler.pairs
    np.testing.assert_array_equal(*pairs)
    np.testing.assert_array_equal(pairs.source, splitter.train_idx)
    assert splitter.occurs(pairs.target).all()


@pytest.mark.parametrize("each", ["control", "treated"])
def test_partners_are_of_the_same_context(manager, each):
    splitter = split(manager, target="ot", each=each)
    pairs, obs = splitter.train_sampler.pairs, manager.adata.obs
    source, target = (obs.iloc[side] for side in pairs)
    assert set(source["perturbation"]) == {"control"}
    assert (source["context"].to_numpy() == target["context"].to_numpy()).all()
    is_control = (target["perturbation"] == "control").to_numpy()
    np.testing.assert_array_equal(*(side[is_control] for side in pairs))
    # The context without treated cells has its controls, for themselves
    assert set(source.loc[is_control, "context"]) == {"a", "b", "c", "d", "e"}
    assert set(source.loc[~is_control, "context"]) == {"a", "b", "c", "d"}
    assert set(np.concatenate(pairs)) <= set(splitter.train_idx)


def test_a_batch(manager):
    batch = next(iter(split(manager, target="ot", batch_size=16, train_size=0.9).train_dataloader()))
    assert batch[KEYS.X].shape == batch[KEYS.PERTURBED].shape
    is_control = ~batch[KEYS.DESIGN].any(1)
    torch.testing.assert_close(batch[KEYS.X][is_control], batch[KEYS.PERTURBED][is_control])


def test_counts_are_matched_as_logarithms_at_the_depth_of_their_size_factors(make_contexts):
    adata = make_contexts(counts=True)
    adata.obs["size"] = np.asarray(adata.X.sum(1)).ravel() / 7.0
    scpi.model.MultiTaskAE.setup_anndata(adata, context_key="context", size_factor_key="size")
    manager = scpi.model.MultiTaskAE(adata, likelihood="nb").adata_manager
    by_counts = split(manager, target="ot", counts=True)
    assert training_depth_per_size(by_counts) == pytest.approx(7.0)
    # Size factors in proportion to the totals give the logarithms that totals give
    logs = adata.copy()
    logs.X = log_normalised(adata.X)
    scpi.model.MultiTaskAE.setup_anndata(logs, context_key="context")
    by_logs = split(scpi.model.MultiTaskAE(logs).adata_manager, target="ot")
    assert training_depth_per_size(by_logs) == 1.0
    for one, other in zip(by_counts.train_sampler.pairs, by_logs.train_sampler.pairs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_context_with_both_domains(make_contexts, fit):
    adata = make_contexts()
    keep = (adata.obs["context"] == "a") & (adata.obs["perturbation"] == "control")
    keep |= (adata.obs["context"] == "b") & (adata.obs["perturbation"] == "drug")
    with pytest.raises(ValueError, match="No context has control and treated cells"):
        fit(adata[keep.to_numpy()].copy(), target="ot")
