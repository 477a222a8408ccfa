from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi
from mudata import MuData

import scpi
from scpi.tl._impact._consensus import consensus


def make_runs(n_runs=6, n_genes=200, n_programs=5, noise=0.3, seed=0, n_chance=2):
    """Programs in every run, in another order, sign and scale, among units of chance."""
    rng = np.random.default_rng(seed)
    truth = rng.gamma(1, size=(n_genes, n_programs)) * (rng.random((n_genes, n_programs)) < 0.15)
    runs, orders = [], []
    for _ in range(n_runs):
        order = rng.permutation(n_programs + n_chance)
        units = np.concatenate([truth, rng.normal(size=(n_genes, n_chance))], axis=1)
        units += noise * truth.std() * rng.normal(size=units.shape)
        runs.append(units[:, order] * rng.choice([-1, 1], len(order)) * rng.gamma(2, size=len(order)))
        orders.append(order)
    return truth, runs, orders


def cosines(a, b):
    return np.abs((a / np.linalg.norm(a, axis=0)).T @ (b / np.linalg.norm(b, axis=0)))


def test_programs_are_found_whatever_their_order_and_sign():
    truth, runs, orders = make_runs()
    found = consensus(runs, min_similarity=0.5, min_runs=3)
    assert found.programs.shape == (200, 5)
    assert (found.n_found == 6).all()
    match = cosines(found.programs, truth)
    assert match.max(axis=1).min() > 0.97
    assert sorted(match.argmax(axis=1)) == list(range(5))
    # The sign is that of the heavier tail, here the truth itself
    assert (np.einsum("gp,gp->p", found.programs, truth[:, match.argmax(axis=1)]) > 0).all()
    for program, members in zip(match.argmax(axis=1), found.members, strict=True):
        assert [order[unit] for order, unit in zip(orders, members, strict=True)] == [program] * 6
    # Better than any single unit
    single = cosines(runs[0], truth).max(axis=0)
    assert (np.sort(match.max(axis=1)) > np.sort(single)).all()


def test_similarity_and_order_by_hand():
    a, b, c = np.eye(3)
    runs = [np.stack([a, b], axis=1), np.stack([-a, c], axis=1), np.stack([3 * a, b + 0.5 * c], axis=1)]
    found = consensus(runs, min_similarity=0.6, min_runs=2)
    assert found.n_found.tolist() == [3, 2]
    assert found.members.tolist() == [[0, 0, 0], [1, -1, 1]]
    np.testing.assert_allclose(found.programs[:, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.sign(found.cosines[0]), [1, -1, 1])
    # The mean of two directions is half an angle from each
    angle = np.arctan(0.5) / 2
    assert found.similarity[1] == pytest.approx(np.cos(angle))
    np.testing.assert_allclose(found.programs[:, 1], [0, np.cos(angle), np.sin(angle)], atol=1e-12)
    assert consensus(runs, min_similarity=0.6, min_runs=1).n_found.tolist() == [3, 2, 1]


def test_units_of_one_sign_keep_it():
    # The heavier tail is negative, but every run says that this is what the unit lowers
    unit = np.array([[1.0], [1.0], [-3.0]])
    runs = [unit, 2 * unit, 0.5 * unit]
    assert np.sign(consensus(runs, min_similarity=0.5, min_runs=3).programs[:, 0]).tolist() == [1, 1, -1]
    runs[1] = -runs[1]
    assert np.sign(consensus(runs, min_similarity=0.5, min_runs=3).programs[:, 0]).tolist() == [-1, -1, 1]


def test_a_run_has_one_unit_in_a_program():
    truth, runs, _ = make_runs(n_programs=2, n_chance=0)
    doubled = [
        np.concatenate([run, run + 0.05 * np.random.default_rng(0).normal(size=run.shape)], axis=1) for run in runs
    ]
    found = consensus(doubled, min_similarity=0.5, min_runs=6)
    for members in found.members.T:
        assert len(set(members[members >= 0])) == (members >= 0).sum()
    assert cosines(found.programs, truth).max(axis=0).min() > 0.95


def test_units_of_one_run_are_different_programs():
    """Two units whose cosine is 0.8, in two runs."""
    run = np.array([[1.0, 0.8], [0.0, 0.6], [0.0, 0.0]])
    found = consensus([run, run[:, ::-1]], min_similarity=0.5, min_runs=2)
    assert sorted(map(tuple, found.members.tolist())) == [(0, 1), (1, 0)]
    np.testing.assert_allclose(found.similarity, 1)


def test_a_unit_like_those_of_another_program_is_not_lost():
    a, b = np.eye(2)
    # Near to the program of all runs, of which its own run has a nearer unit
    runs = [np.stack([a, a + 0.5 * b], axis=1), *(a[:, None] for _ in range(3))]
    found = consensus(runs, min_similarity=0.5, min_runs=1)
    assert found.members.tolist() == [[0, 0, 0, 0], [1, -1, -1, -1]]
    np.testing.assert_allclose(found.programs[:, 1], (a + 0.5 * b) / np.sqrt(1.25))


@pytest.mark.parametrize("seed", range(5))
def test_every_unit_is_in_one_program(seed):
    _, runs, _ = make_runs(n_runs=4, n_programs=6, noise=1.5, seed=seed)
    runs[1][:, 2] = 0.0
    found = consensus(runs, min_similarity=0.3, min_runs=1)
    for i, (run, members) in enumerate(zip(runs, found.members.T, strict=True)):
        assert sorted(members[members >= 0]) == [unit for unit in range(run.shape[1]) if (i, unit) != (1, 2)]
    assert np.nanmin(np.abs(found.cosines)) >= 0.3


def test_vanished_units_are_in_no_program():
    _, runs, _ = make_runs(n_runs=3)
    runs = [np.concatenate([run, np.zeros((200, 2))], axis=1) for run in runs]
    found = consensus(runs, min_similarity=0.5, min_runs=1)
    assert found.members.max() < 7
    assert np.isfinite(found.programs).all()


def with_runs(**kwargs):
    truth, runs, _ = make_runs(**kwargs)
    adata = ad.AnnData(np.ones((3, 200), dtype=np.float32))
    adata.var_names = [f"g{i}" for i in range(200)]
    keys = [f"run{i}" for i in range(len(runs))]
    for key, run in zip(keys, runs, strict=True):
        units = [f"latent_{i}" for i in range(run.shape[1])]
        adata.varm[key] = pd.DataFrame(run, index=adata.var_names, columns=units)
    return adata, keys


def test_what_is_stored_survives_a_file(tmp_path):
    adata, keys = with_runs()
    scpi.tl.consensus_programs(adata, keys)
    stored = adata.uns["consensus_programs"]
    assert stored["programs"].tolist() == [f"program_{i}" for i in range(5)]
    np.testing.assert_allclose(np.linalg.norm(adata.varm["consensus_programs"], axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(stored["share"], 5 / 7)
    for i, members in enumerate(stored["members"]):
        program = adata.varm["consensus_programs"].iloc[:, i]
        for member in members.split(";"):
            run, unit = member.lstrip("-").split(":")
            product = float(adata.varm[f"run{run}"][unit] @ program)
            assert (product < 0) == member.startswith("-")
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        pd.testing.assert_frame_equal(
            scpi.get.programs(again, key="consensus_programs"), scpi.get.programs(adata, key="consensus_programs")
        )
        assert again.uns["consensus_programs"]["members"].tolist() == stored["members"].tolist()


def test_copies_and_modalities():
    adata, keys = with_runs()
    mdata = MuData({"rna": adata})
    copied = scpi.tl.consensus_programs(mdata, keys, mod="rna", key_added="mine", copy=True)
    assert "mine" in copied["rna"].varm
    assert "mine" not in mdata["rna"].varm


def test_models_are_explained_and_leave_nothing_else():
    adata = scpi.datasets.gene_programs(200, 100, 3, n_genes_per_program=20, strength=2.0)
    scvi.model.LinearSCVI.setup_anndata(adata)
    models = []
    for seed in range(2):
        scvi.settings.seed = seed
        model = scvi.model.LinearSCVI(adata, n_latent=3)
        model.train(2, accelerator="cpu", enable_progress_bar=False)
        models.append(model)
    before = set(adata.varm), set(adata.uns)
    scpi.tl.consensus_programs(adata, models, min_similarity=0.01)
    for i, model in enumerate(models):
        scpi.tl.saliency(adata, model, method="decoder_effect", key_added=f"run{i}")
    scpi.tl.consensus_programs(adata, ["run0", "run1"], min_similarity=0.01, key_added="again")
    np.testing.assert_allclose(adata.varm["consensus_programs"], adata.varm["again"], atol=1e-5)
    added = {"consensus_programs", "again", "run0", "run1"}
    assert (set(adata.varm) - before[0], set(adata.uns) - before[1]) == (added, added)


@pytest.mark.parametrize(
    ("keys", "kwargs", "error", "match"),
    [
        (["run0"], {}, ValueError, "at least two runs"),
        ("run0", {}, ValueError, "at least two runs"),
        (["run0", "nothing"], {}, KeyError, "'nothing'"),
        (["run0", "run1"], {"min_similarity": 0}, ValueError, "`min_similarity` must be above 0"),
        (["run0", "run1"], {"min_runs": 3}, ValueError, "`min_runs` must be between 1 and the number of runs, 2"),
        (["run0", "run1"], {"n_cells": 3}, TypeError, "n_cells"),
        (["run0", "run1"], {"min_similarity": 0.99999}, ValueError, "No program is in 2 of the 2 runs"),
    ],
)
def test_bad_input_is_explained(keys, kwargs, error, match):
    adata, _ = with_runs()
    with pytest.raises(error, match=match):
        scpi.tl.consensus_programs(adata, keys, **kwargs)
    assert "consensus_programs" not in adata.varm
