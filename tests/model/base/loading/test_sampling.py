from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._sampling import controls_alongside, match_by_transport, matched_pairs, single_cells
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.base.loading._transport import CellPairs


@pytest.fixture
def split(screen):
    scpi.model.NoChange.setup_anndata(screen, batch_key="batch", context_key="cell_type")
    manager = scpi.model.NoChange(screen).adata_manager
    return partial(CellSplitter, manager, seed=0)


def epoch(sampler):
    """Cells of each batch, and what stands beside them."""
    return [(batch.cells, batch.perturbed) for batch in sampler]


def test_single_cells_are_all_cells_in_another_order_every_epoch(split):
    splitter = split(partial(single_cells, batch_size=16))
    first, second = (np.concatenate([cells for cells, _ in epoch(splitter.train_sampler)]) for _ in range(2))
    np.testing.assert_array_equal(np.sort(first), splitter.train_idx)
    assert (first != second).any()
    # Validation cells stay in order
    for _ in range(2):
        cells = np.concatenate([cells for cells, _ in epoch(splitter.val_sampler)])
        np.testing.assert_array_equal(cells, splitter.val_idx)


def test_training_cells_may_stay_in_order(split):
    splitter = split(partial(single_cells, shuffle=False))
    np.testing.assert_array_equal(
        np.concatenate([cells for cells, _ in epoch(splitter.train_sampler)]), splitter.train_idx
    )


def test_too_few_validation_cells_make_no_batches(split):
    splitter = split(single_cells, train_size=1.0)
    assert splitter.val_sampler is None and splitter.val_dataloader() == []
    perturbed = np.flatnonzero(~splitter.is_control(splitter.train_idx))[:5]
    rest = np.setdiff1d(splitter.train_idx, perturbed)
    assert split(controls_alongside, external_indexing=[rest, perturbed]).val_sampler is None
    assert split(partial(single_cells), external_indexing=[rest, perturbed[:1]]).val_sampler is None


def test_controls_are_training_cells_of_the_stratum(split):
    splitter = split(partial(controls_alongside, n_cells=5, n_parts=3))
    for cells, perturbed in epoch(splitter.train_sampler):
        real = perturbed >= 0
        assert splitter.is_control(cells).all() and not splitter.is_control(perturbed[real]).any()
        np.testing.assert_array_equal(splitter.strata[cells[real]], splitter.strata[perturbed[real]])
        assert np.isin(cells, splitter.train_idx).all()
    assert splitter.n_batches == len(epoch(splitter.train_sampler))


@pytest.mark.parametrize("within", [(KEYS.CONTEXT,), (KEYS.BATCH, KEYS.CONTEXT)])
@pytest.mark.parametrize("each", ["control", "treated"])
def test_transport_matches_cells_of_a_stratum(split, within, each):
    splitter = split(partial(matched_pairs, match=partial(match_by_transport, within=within, each=each)))
    pairs, strata = splitter.train_sampler.pairs, splitter.strata_of(within)
    assert splitter.is_control(pairs.source).all() and not splitter.is_control(pairs.target).any()
    np.testing.assert_array_equal(strata[pairs.source], strata[pairs.target])
    if each == "treated":
        perturbed = splitter.train_idx[~splitter.is_control(splitter.train_idx)]
        assert len(np.unique(pairs.target)) == len(pairs.target) and set(pairs.target) <= set(perturbed)
    assert set(np.concatenate(splitter.val_sampler.pairs)) <= set(splitter.val_idx)


def test_the_nearest_cell_is_the_partner(split):
    """Cells on a line, in the order of which transport in one dimension matches them."""
    splitter = split(None)
    of_context = splitter.train_idx[splitter.strata_of((KEYS.CONTEXT,))[splitter.train_idx] == 0]
    control = of_context[splitter.is_control(of_context)]
    treated = of_context[splitter.conditions_of(of_context) == 0]
    n = min(len(control), len(treated))
    cells = np.concatenate([control[:n], treated[:n]])
    x = np.zeros((len(splitter.strata), 1), dtype=np.float32)
    x[control[:n], 0], x[treated[:n], 0] = np.arange(n), np.arange(n) + 0.25
    pairs = match_by_transport(splitter, cells, x=x, within=(KEYS.CONTEXT,), n_components=None)
    assert dict(zip(*pairs, strict=True)) == dict(zip(control[:n], treated[:n], strict=True))


def test_an_epoch_may_take_some_of_the_pairs(split):
    def match(splitter, cells):
        control, treated = cells[splitter.is_control(cells)], cells[~splitter.is_control(cells)]
        return CellPairs(np.repeat(control, 3), np.resize(treated, 3 * len(control)))

    all_of, some = (split(partial(matched_pairs, match=match, all_pairs=flag)) for flag in (True, False))
    pairs = all_of.train_sampler.pairs
    assert sum(len(cells) for cells, _ in epoch(all_of.train_sampler)) == len(pairs.source)
    largest = max(len(np.unique(side)) for side in pairs)
    assert sum(len(cells) for cells, _ in epoch(some.train_sampler)) == largest
    # Validation takes all of its pairs
    assert sum(len(cells) for cells, _ in epoch(some.val_sampler)) == len(some.val_sampler.pairs.source)


def test_training_needs_pairs_with_perturbed_cells(split):
    with pytest.raises(ValueError, match="No context has control and treated cells"):
        split(partial(matched_pairs, match=lambda splitter, cells: CellPairs(cells[:1], cells[:1])))
    control = lambda splitter, cells: CellPairs(*[cells[splitter.is_control(cells)]] * 2)  # noqa: E731
    with pytest.raises(ValueError, match="No context has control and treated cells"):
        split(partial(matched_pairs, match=control))


def test_no_control_is_twice_in_a_part_of_validation_cells(screen):
    """Two of the same have no distance, which the unbiased discrepancy takes for likeness."""
    scpi.model.NoChange.setup_anndata(screen)
    manager = scpi.model.NoChange(screen).adata_manager
    controls = np.flatnonzero((screen.obs["perturbation"] == "control").to_numpy())
    perturbed = np.flatnonzero((screen.obs["perturbation"] == "A").to_numpy())
    cells = [np.concatenate([controls[10:], perturbed[5:]]), np.concatenate([controls[:10], perturbed[:5]])]
    splitter = CellSplitter(
        manager, partial(controls_alongside, n_cells=16, n_parts=2), seed=0, external_indexing=cells
    )
    assert splitter.val_sampler.n_cells == 10 and splitter.train_sampler.n_cells == 16
    for batch in splitter.val_sampler:
        assert all(len(np.unique(part)) == 10 for part in batch.cells.reshape(-1, 10))
