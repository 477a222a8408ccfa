from __future__ import annotations

import numpy as np
import pytest

import scpi


def setup(adata, **kwargs):
    scpi.model.DGD.setup_anndata(adata, labels_key="group", **kwargs)
    return scpi.model.DGD(adata, n_latent=2)


def test_cells_without_a_label_come_after_all_labels(cells):
    adata = cells.copy()
    labels = adata.obs["group"].astype(str).to_numpy()
    labels[:30] = "?"
    adata.obs["group"] = labels
    model = setup(adata, unlabeled_category="?")
    assert model.labels_ == model.components_ == sorted(set(cells.obs["group"]))
    codes = model._field(adata, "labels").ravel()
    assert (codes[:30] == 3).all()
    np.testing.assert_array_equal(codes[30:], cells.obs["group"].cat.codes[30:])


def test_labels_are_complete_or_it_is_said_what_they_lack(cells):
    adata = cells.copy()
    with pytest.raises(ValueError, match=r"`unlabeled_category` is 'none', but `adata\.obs\['group'\]` holds"):
        setup(adata, unlabeled_category="none")
    adata.obs.loc[adata.obs_names[:4], "group"] = np.nan
    with pytest.raises(ValueError, match=r"has no value for 4 cells.*`unlabeled_category`"):
        setup(adata)
    adata.obs["group"] = "?"
    with pytest.raises(ValueError, match="holds no label beside '\\?'"):
        setup(adata, unlabeled_category="?")
    with pytest.raises(KeyError, match="`labels_key` names 'kind', but"):
        scpi.model.DGD.setup_anndata(adata, labels_key="kind")


def test_new_cells_need_no_labels_and_may_have_others(cells):
    model = setup(cells.copy())
    for change in (lambda obs: obs.drop(columns="group"), lambda obs: obs.assign(group="new")):
        new = cells[:5].copy()
        new.obs = change(new.obs)
        assert (model._field(model._validate_anndata(new), "labels") == 3).all()


def test_categories_of_new_cells_come_after_the_known_ones(cells):
    adata = cells.copy()
    scpi.model.DGD.setup_anndata(adata, categorical_covariate_keys=["site"])
    model = scpi.model.DGD(adata, n_latent=2)
    new = cells[:3].copy()
    new.obs["site"] = ["south", "east", "north"]
    assert model._field(model._validate_anndata(new), "extra_categorical_covs").ravel().tolist() == [1, 3, 0]
    assert model._categories_of(model._validate_anndata(new)) == {"site": ["north", "south", "west", "east"]}
