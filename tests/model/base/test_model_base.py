"""What all models check, keep and build."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import torch

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import ModelBase, _check_genes, _modality


def registry_of(modality):
    data = {} if modality is None else {"mod_key": modality}
    return {"field_registries": {KEYS.X: {"data_registry": data}}}


class TestGenes:
    def test_the_same_genes_in_order_pass(self):
        _check_genes(pd.Index(["a", "b"]), ["a", "b"])
        _check_genes(pd.Index([1, 2]), ["1", "2"])

    def test_missing_genes_are_counted_and_named(self):
        with pytest.raises(ValueError, match=r"lacks 2 of the 3 genes .* for instance \['b', 'c'\]"):
            _check_genes(pd.Index(["a", "x"]), ["a", "b", "c"])

    @pytest.mark.parametrize("given", [["b", "a"], ["a", "b", "c"]])
    def test_another_order_or_more_genes_are_refused(self, given):
        with pytest.raises(ValueError, match="not those of the model, in its order"):
            _check_genes(pd.Index(given), ["a", "b"])


class TestModality:
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32))
    # The second modality has the cells in another order, as a file may have them
    mdata = md.MuData({"rna": adata, "adt": adata[[1, 0]].copy()})

    def test_it_holds_the_expression(self):
        assert _modality(self.adata, registry_of(None)) is self.adata
        assert _modality(self.mdata, registry_of("rna")) is self.mdata.mod["rna"]

    def test_another_kind_of_data_is_refused(self):
        with pytest.raises(TypeError, match="set up with AnnData, but MuData was given"):
            _modality(self.mdata, registry_of(None))
        with pytest.raises(TypeError, match="set up with MuData, but AnnData was given"):
            _modality(self.adata, registry_of("rna"))

    def test_an_unknown_modality_is_named(self):
        with pytest.raises(ValueError, match=r"reads the modality 'atac', but the data has \['rna', 'adt'\]"):
            _modality(self.mdata, registry_of("atac"))


def test_a_network_is_made_from_the_seed_alone():
    torch.manual_seed(7)
    wanted, after = torch.rand(3), torch.rand(1)
    torch.manual_seed(0)
    following = torch.rand(1)
    torch.manual_seed(0)
    model = SimpleNamespace(preset_=SimpleNamespace(n_latent=4))
    ModelBase._build(model, lambda: torch.rand(3), seed=7, of_preset=("n_latent",), genes=5)
    assert torch.equal(model.module, wanted)
    assert model.seed_ == 7
    assert model._model_summary_string == "SimpleNamespace with genes: 5, n_latent: 4"
    # The generator of the user goes on as if nothing had been drawn
    assert torch.equal(torch.rand(1), following) and not torch.equal(following, after)


def test_numbers_of_a_field_are_those_of_the_registry():
    summary = {"field_registries": {"batch": {"summary_stats": {"n_batch": 3}}}}
    model = SimpleNamespace(registry=summary)
    assert ModelBase._statistic(model, "batch", "n_batch") == 3
    assert ModelBase._statistic(model, "batch", "n_other", 2) == 2
    assert ModelBase._statistic(model, "context", "n_context") == 0


class TestData:
    @pytest.fixture
    def model(self, screen):
        scpi.model.Additive.setup_anndata(screen)
        return scpi.model.Additive(screen)

    def test_expression_is_dense_and_in_the_order_of_the_cells(self, model, screen):
        found = model._expression(screen, np.array([5, 0, 5]))
        np.testing.assert_array_equal(found, screen.X.toarray()[[5, 0, 5]])

    def test_a_view_is_copied_and_no_manager_of_it_stays(self, model, screen):
        store, sizes = model._per_instance_manager_store[model.id], []
        for cells in ([0, 1, 2], [3, 4], [5]):
            view = screen[cells]
            checked = model._validate_anndata(view)
            assert view.is_view and not checked.is_view
            np.testing.assert_array_equal(checked.X.toarray(), screen.X.toarray()[cells])
            sizes.append(len(store))
        assert sizes == [sizes[0]] * 3

    def test_without_data_the_cells_must_be_given(self, model):
        model._adata = None
        with pytest.raises(ValueError, match="loaded without data: pass the cells as `adata`"):
            model._validate_anndata()

    def test_other_cells_are_no_training_cells(self, screen, tmp_path):
        """Positions of training cells mean nothing in cells of other names, or in another order."""
        adata = screen.copy()
        scpi.model.Additive.setup_anndata(adata)
        model = scpi.model.Additive(adata)
        model.train(train_size=0.5, seed=0)
        model.save(tmp_path / "model")
        own = scpi.model.Additive.load(tmp_path / "model", adata=screen.copy())
        np.testing.assert_array_equal(own.train_indices, model.train_indices)
        turned = scpi.model.Additive.load(tmp_path / "model", adata=screen[::-1].copy())
        assert turned.train_indices is turned.validation_indices is turned.test_indices is None
        np.testing.assert_array_equal(turned._training_cells(turned.adata), np.arange(screen.n_obs))
        assert np.isfinite(turned.evaluate(metrics=["pearson"], rng=0)["pearson"]).all()
