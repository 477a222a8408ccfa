from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy import sparse

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._sampling import controls_alongside, single_cells
from scpi.model.base.loading._splitter import CellSplitter


@pytest.fixture
def make_splitter():
    def make(adata, *, setup=None, n_cells=32, n_parts=8, **kwargs):
        scpi.model.NoChange.setup_anndata(adata, **(setup or {}))
        sampling = partial(controls_alongside, n_cells=n_cells, n_parts=n_parts)
        return CellSplitter(scpi.model.NoChange(adata).adata_manager, sampling, **kwargs)

    return make


def matched(rows, matrix):
    """Cells of the matrix that equal each row."""
    matrix = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    return [np.flatnonzero((matrix == row).all(1)) for row in rows.numpy()]


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, lambda x: x.toarray()])
def test_a_batch_holds_the_cells_of_the_screen(screen, make_splitter, convert):
    screen.X = convert(screen.X)
    splitter = make_splitter(screen, n_cells=6, n_parts=3)
    labels = screen.obs["perturbation"].replace({"B+A": "A+B"}).to_numpy()
    seen = []
    for batch in splitter.train_dataloader():
        n_parts = len(batch[KEYS.DESIGN])
        assert batch[KEYS.X].shape == batch[KEYS.PERTURBED].shape == (6 * n_parts, screen.n_vars)
        assert batch[KEYS.X].dtype == batch[KEYS.PERTURBED].dtype == torch.float32
        for cells in matched(batch[KEYS.X], screen.X):
            assert (labels[cells] == "control").any()
            assert np.isin(cells, splitter.train_idx).any()
        weight = batch[KEYS.WEIGHT].reshape(-1) > 0
        assert (batch[KEYS.PERTURBED][~weight] == 0).all()
        names = ["+".join(np.array(list("ABCD"))[row.numpy() > 0]) for row in batch[KEYS.DESIGN]]
        wanted = np.repeat(names, 6)[weight.numpy()]
        for name, cells in zip(wanted, matched(batch[KEYS.PERTURBED][weight], screen.X), strict=True):
            cell = next(cell for cell in cells if labels[cell] == name and cell in splitter.train_idx)
            seen.append(cell)
    perturbed = splitter.train_idx[labels[splitter.train_idx] != "control"]
    assert sorted(seen) == perturbed.tolist()


def test_the_same_batches_for_the_same_seed(make_screen, make_splitter):
    first, again, other = (
        torch.cat([batch[KEYS.PERTURBED] for batch in make_splitter(make_screen(), seed=seed).train_dataloader()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_the_seed_of_scvi_tools_is_taken(make_screen, make_splitter):
    import scvi

    before = scvi.settings.seed
    try:
        scvi.settings.seed = 7
        expected = make_splitter(make_screen(), seed=7).train_idx
        np.testing.assert_array_equal(make_splitter(make_screen()).train_idx, expected)
    finally:
        scvi.settings.seed = before


def test_validation_has_controls_of_its_own(screen, make_splitter):
    splitter = make_splitter(screen, train_size=0.7, validation_size=0.2)
    labels = screen.obs["perturbation"].to_numpy()
    for cells in (splitter.train_idx, splitter.val_idx, splitter.test_idx):
        assert (labels[cells] == "control").any() and (labels[cells] != "control").any()
    for loader, cells in (
        (splitter.val_dataloader(), splitter.val_idx),
        (splitter.test_dataloader(), splitter.test_idx),
    ):
        for batch in loader:
            for candidates in matched(batch[KEYS.X], screen.X):
                assert np.isin(candidates, cells).any()
    first, again = (torch.cat([batch[KEYS.X] for batch in splitter.val_dataloader()]) for _ in range(2))
    assert torch.equal(first, again)


def test_batch_and_size_factor_are_those_of_the_cells(screen, make_splitter):
    setup = {"batch_key": "batch", "size_factor_key": "depth", "dose_key": "dose"}
    splitter = make_splitter(screen, setup=setup, n_cells=6, n_parts=3)
    depth, lane = screen.obs["depth"].to_numpy(np.float32), (screen.obs["batch"] == "b2").to_numpy()
    for batch in splitter.train_dataloader():
        # The size factor of this screen is the total count.
        torch.testing.assert_close(batch[KEYS.SIZE_FACTOR], batch[KEYS.X].sum(1, keepdim=True))
        weight = batch[KEYS.WEIGHT].reshape(-1, 1)
        expected = torch.where(weight > 0, batch[KEYS.PERTURBED].sum(1, keepdim=True), 1.0)
        torch.testing.assert_close(batch[KEYS.PERTURBED_SIZE_FACTOR], expected)
        assert set(batch[KEYS.DESIGN].unique().tolist()) <= {0.0, 0.5, 1.0}
        for cells, code in zip(matched(batch[KEYS.X], screen.X), batch[KEYS.BATCH].ravel().tolist(), strict=True):
            assert (lane[cells] == code).any()
    assert depth.min() > 0


def test_controls_are_of_the_batch_and_context_of_the_perturbed_cells(screen, make_splitter):
    splitter = make_splitter(screen, setup={"batch_key": "batch", "context_key": "cell_type"}, n_cells=6)
    strata = (screen.obs["batch"] + screen.obs["cell_type"]).to_numpy()
    sampler = splitter.train_dataloader().sampler
    for batch in sampler:
        real = batch.perturbed >= 0
        assert (strata[batch.perturbed[real]] == strata[batch.cells[real]]).all()


@pytest.mark.parametrize("held_out", ["B+A", ["B+A"], ["A+B", "C+D"]])
def test_held_out_conditions_are_tested(screen, make_splitter, held_out):
    splitter = make_splitter(screen, held_out=held_out)
    labels = screen.obs["perturbation"].replace({"B+A": "A+B"})
    wanted = {"A+B"} if len(held_out) < 2 or isinstance(held_out, str) else {"A+B", "C+D"}
    assert set(labels.iloc[splitter.test_idx]) == wanted
    assert not wanted & set(labels.iloc[np.concatenate([splitter.train_idx, splitter.val_idx])])
    assert len(splitter.test_idx) == labels.isin(wanted).sum()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"held_out": ["A+D"]}, r"\['A\+D'\], which no cell is labelled with"),
        ({"held_out": ["control"]}, "names the control"),
        ({"held_out": ["A", "B", "C", "D", "A+B", "C+D"]}, "no perturbed cell in the training set"),
        ({"external_indexing": [[0, 1], [1, 2]]}, "disjoint"),
        ({"external_indexing": [[0], [1], [2], [3]]}, "disjoint"),
        ({"external_indexing": [[0, 10_000]]}, "disjoint"),
        ({"external_indexing": [[0, -1]]}, "disjoint"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(screen, make_splitter, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_splitter(screen, **kwargs)


def test_cells_may_be_divided_by_the_user(screen, make_splitter):
    order = np.random.default_rng(0).permutation(screen.n_obs)
    splitter = make_splitter(screen, external_indexing=[order[:80], order[80:120]])
    np.testing.assert_array_equal(splitter.train_idx, order[:80])
    np.testing.assert_array_equal(splitter.val_idx, order[80:120])
    assert len(splitter.test_idx) == 0
    assert splitter.test_dataloader() == []


def test_a_training_set_without_controls_is_refused(screen, make_splitter):
    perturbed = np.flatnonzero(screen.obs["perturbation"] != "control")
    with pytest.raises(ValueError, match="no control cell in the training set"):
        make_splitter(screen, external_indexing=[perturbed])


def test_doses_of_cells(screen, make_splitter):
    cells = np.arange(30)
    perturbed = (screen.obs["perturbation"] != "control").to_numpy()[:30]
    np.testing.assert_array_equal(make_splitter(screen.copy()).doses_of(cells), perturbed.astype(float))
    with_doses = make_splitter(screen, setup={"dose_key": "dose"}).doses_of(cells)
    np.testing.assert_array_equal(with_doses, screen.obs["dose"].to_numpy()[:30])


def test_what_occurs_among_cells(screen, make_splitter):
    splitter = make_splitter(screen, held_out="C+D")
    labels = screen.obs["perturbation"].replace({"B+A": "A+B"}).to_numpy()
    assert splitter.trained_conditions == ["A", "A+B", "B", "C", "D"]
    np.testing.assert_array_equal(
        np.sort(splitter.training_cells_of("A+B")), np.sort(splitter.train_idx[labels[splitter.train_idx] == "A+B"])
    )
    # Conditions are sorted by name: A, A+B, B, C, C+D, D, control
    assert splitter.occurs(splitter.train_idx).tolist() == [True, True, True, True, False, True, True]
    assert splitter.occurs(np.flatnonzero(labels == "A")).tolist() == [True] + [False] * 6


def test_contexts_in_which_labels_were_trained(screen, make_splitter):
    splitter = make_splitter(screen, setup={"context_key": "cell_type"}, held_out="C+D")
    obs = screen.obs.iloc[splitter.train_idx]
    labels = obs["perturbation"].replace({"B+A": "A+B"})
    expected = {
        label: sorted(obs["cell_type"][labels == label].unique()) for label in sorted(set(labels) - {"control"})
    }
    assert splitter.trained_contexts == expected and "C+D" not in expected
    assert make_splitter(screen.copy()).trained_contexts == {}


def test_cells_of_a_stratum_have_its_values_in_common(screen, make_splitter):
    splitter = make_splitter(screen, setup={"batch_key": "batch", "context_key": "cell_type"})
    both, context, neither = (
        splitter.strata_of(fields) for fields in ((KEYS.BATCH, KEYS.CONTEXT), (KEYS.CONTEXT,), (KEYS.LABELS,))
    )
    obs = screen.obs
    for codes, names in ((both, obs["batch"] + obs["cell_type"]), (context, obs["cell_type"])):
        pairs = {(int(code), name) for code, name in zip(codes, names, strict=True)}
        assert len(pairs) == len(set(codes)) == names.nunique()
    assert not neither.any()


@pytest.fixture
def of_counts(screen):
    """Manager of counts without conditions."""
    scpi.model.GeneProgramAE.setup_anndata(screen, size_factor_key="depth")
    return scpi.model.GeneProgramAE(screen, n_units=2).adata_manager


def test_cells_without_conditions_are_divided_all_together(screen, of_counts):
    splitter = CellSplitter(of_counts, single_cells, train_size=0.5, validation_size=0.25, seed=3)
    assert [len(cells) for cells in splitter.split.sets] == [screen.n_obs // 2, screen.n_obs // 4, screen.n_obs // 4]
    np.testing.assert_array_equal(np.sort(np.concatenate(splitter.split.sets)), np.arange(screen.n_obs))
    assert not splitter.has_conditions and splitter.trained_conditions == []
    with pytest.raises(ValueError, match="which no cell is labelled with"):
        CellSplitter(of_counts, held_out="A")


def test_samples_and_blocks_are_of_training_cells(screen, of_counts):
    splitter = CellSplitter(of_counts, single_cells, train_size=0.5, seed=3)
    sample = splitter.sample(10)
    assert len(sample) == 10 and np.isin(sample, splitter.train_idx).all() and (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(splitter.sample(10_000), splitter.train_idx)
    ((counts, size, _),) = splitter.training_cells()
    np.testing.assert_array_equal(counts, screen.X[splitter.train_idx].toarray())
    np.testing.assert_allclose(size.ravel(), screen.obs["depth"].to_numpy()[splitter.train_idx])


def test_without_sampling_there_are_no_batches(of_counts):
    splitter = CellSplitter(of_counts)
    assert splitter.n_batches == 0
    assert splitter.train_dataloader() == splitter.val_dataloader() == splitter.test_dataloader() == []


def test_workers_read_the_same_batches(screen, make_splitter):
    batches = [list(make_splitter(screen.copy(), num_workers=n, seed=0).train_dataloader()) for n in (0, 1)]
    for one, other in zip(*batches, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[key]) for key, value in one.items())
