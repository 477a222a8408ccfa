"""What users get wrong: a clear error and unchanged data, or a right result."""

from __future__ import annotations

import logging
import warnings

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
from scipy import sparse

import scpi
from scpi.model.base import ScreenModel

SENAVAE, Additive = "SENAVAE", "Additive"


def put(value, *, cell=3, gene=2):
    """Write one value into a screen."""

    def change(adata):
        x = adata.X.tolil()
        x[cell, gene] = value
        adata.X = x.tocsr()

    return change


def rename(axis):
    def change(adata):
        names = getattr(adata, f"{axis}_names").tolist()
        names[1] = names[0]
        setattr(adata, f"{axis}_names", names)

    return change


def column(name, values):
    def change(adata):
        adata.obs[name] = values(adata) if callable(values) else values

    return change


def nothing(adata):
    pass


def words(adata):
    adata.X = np.full(adata.shape, "one", dtype=object)


def zeros(adata):
    adata.X = sparse.csr_matrix(adata.shape, dtype=np.float32)


def same(adata):
    adata.X = sparse.csr_matrix(np.tile(adata.X[:1].toarray(), (adata.n_obs, 1)))


def without(key):
    def change(adata):
        del adata.obs[key]

    return change


SETUPS = {
    "NaN": (put(np.nan), {}, ValueError, r"`adata\.X` holds NaN or infinite values"),
    "infinite": (put(np.inf), {}, ValueError, r"`adata\.X` holds NaN or infinite values"),
    "zeros": (zeros, {}, ValueError, r"`adata\.X` is zero everywhere: there is nothing to learn from.*layer="),
    "the same cells": (same, {}, ValueError, r"`adata\.X` is the same in all \d+ cells"),
    "words": (words, {}, TypeError, "must hold numbers, but has dtype object"),
    "repeated genes": (rename("var"), {}, ValueError, r"var_names` are not unique.*\['g0'\].*var_names_make_unique"),
    "repeated cells": (rename("obs"), {}, ValueError, r"obs_names` are not unique.*obs_names_make_unique"),
    "no label column": (without("perturbation"), {}, KeyError, r"'perturbation', but `obs` has no column.*'batch'"),
    "unknown key": (
        nothing,
        {"perturbation_key": "guide"},
        KeyError,
        r"'guide', but `obs` has no column.*'perturbation'",
    ),
    "unknown batch": (nothing, {"batch_key": "lane"}, KeyError, "'lane', but `obs` has no column"),
    "unknown context": (nothing, {"context_key": "donor"}, KeyError, "'donor', but `obs` has no column"),
    "unknown dose": (nothing, {"dose_key": "uM"}, KeyError, "'uM', but `obs` has no column"),
    "unknown size factor": (nothing, {"size_factor_key": "n"}, KeyError, "'n', but `obs` has no column"),
    "unknown layer": (nothing, {"layer": "counts"}, KeyError, "has no 'counts', only"),
    "unknown sets": (nothing, {"gene_sets_key": "hallmark"}, KeyError, r"varm\['hallmark'\].*scpi\.tl\.gene_sets"),
    "no controls": (nothing, {"control": "NT"}, ValueError, r"No cell of .* is labelled 'NT'.*'control'"),
    "only controls": (column("perturbation", "control"), {}, ValueError, "holds no perturbation, only 'control'"),
    "a missing label": (
        column("perturbation", lambda a: [None, *a.obs["perturbation"].iloc[1:]]),
        {},
        ValueError,
        "no label for 1 cells",
    ),
    "a missing batch": (
        column("batch", lambda a: [None, *a.obs["batch"].iloc[1:]]),
        {"batch_key": "batch"},
        ValueError,
        "no value for 1 cells",
    ),
    "words for doses": (column("dose", "high"), {"dose_key": "dose"}, ValueError, "finite number for every perturbed"),
    "a depth of zero": (column("depth", 0.0), {"size_factor_key": "depth"}, ValueError, "must be a positive number"),
}


@pytest.mark.parametrize("case", list(SETUPS))
@pytest.mark.parametrize("name", [SENAVAE, Additive])
def test_a_setup_that_fails_leaves_the_data_alone(name, case, screen, assert_unchanged):
    change, setup, error, message = SETUPS[case]
    change(screen)
    before = screen.copy()
    with pytest.raises(error, match=message):
        getattr(scpi.model, name).setup_anndata(screen, **setup)
    assert_unchanged(screen, before)


def test_a_setup_that_fails_keeps_the_one_before(make_screen, build):
    """A mistyped key in a second call does not break the model of the first."""
    adata = make_screen()
    model = build(Additive, adata)
    expected = model.predict(perturbation="A", output="mean")
    with pytest.raises(KeyError, match="lane"):
        scpi.model.Additive.setup_anndata(adata, batch_key="lane", control="A")
    np.testing.assert_array_equal(model.predict(perturbation="A", output="mean").X, expected.X)


COUNTS = {
    "negative": (put(-1.0), "holds negative values, but the likelihood of counts needs raw counts"),
    "fractional": (put(0.5), r"holds fractional values such as 0\.5.*layer=.*likelihood='normal'"),
}


@pytest.mark.parametrize("case", list(COUNTS))
def test_counts_are_counts(case, screen, make_screen, build, assert_unchanged):
    change, message = COUNTS[case]
    change(screen)
    scpi.model.SENAVAE.setup_anndata(screen)
    before = screen.copy()
    with pytest.raises(ValueError, match=message):
        scpi.model.SENAVAE(screen, likelihood="nb")
    assert_unchanged(screen, before)
    # Nor are they taken from new data.
    model = build(SENAVAE, make_screen(), {"likelihood": "nb"})
    new = make_screen()
    change(new)
    before = new.copy()
    with pytest.raises(ValueError, match=message):
        model.predict(new, perturbation="A", output="mean")
    assert_unchanged(new, before)


def test_negative_and_fractional_values_are_fine_for_the_normal_likelihood(screen, build):
    screen.X = sparse.csr_matrix(np.random.default_rng(0).normal(size=screen.shape).astype(np.float32))
    model = build(SENAVAE, screen)
    assert np.isfinite(model.predict(perturbation="A", output="mean").X).all()


@pytest.mark.parametrize("argument", ["perturbation_key", "context_key", "dose_key", "batch_key", "size_factor_key"])
def test_a_column_that_is_missing_is_named_with_its_argument(argument, screen):
    with pytest.raises(KeyError) as error:
        scpi.model.Additive.setup_anndata(screen, **{argument: "absent"})
    message = str(error.value)
    assert f"`{argument}` names 'absent', but `obs` has no column 'absent', only 'perturbation', 'batch'" in message
    assert "_scpi" not in message


@pytest.mark.parametrize(
    "call",
    [
        scpi.model.SENAVAE.setup_anndata,
        scpi.model.PerturbationGP.setup_anndata,
        scpi.model.ConditionModel.setup_anndata,
        scpi.tl.perturbation_effect,
        scpi.tl.perturbation_features,
        scpi.benchmark.splits.leave_combinations_out,
        scpi.screen.run_screen,
    ],
)
def test_the_default_of_the_column_of_perturbations_is_named_with_its_argument(call, screen):
    screen.obs["guide"] = screen.obs.pop("perturbation")
    with pytest.raises(
        KeyError, match="`perturbation_key` names 'perturbation', but `obs` has no column 'perturbation'"
    ):
        call(screen)


def normalised(adata):
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


def raised_or_warned(call):
    """Whether a call says that it was given counts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except ValueError as error:
            return "look like raw counts" in str(error)
    return any("look like raw counts" in str(one.message) for one in caught)


SCREEN_MODELS = sorted(
    name
    for name in scpi.model.__all__
    if isinstance(getattr(scpi.model, name), type) and issubclass(getattr(scpi.model, name), ScreenModel)
)


@pytest.mark.parametrize("name", SCREEN_MODELS)
def test_counts_are_pointed_out_to_models_of_logarithms(name, make_screen):
    cls = getattr(scpi.model, name)

    def build(adata, **setup):
        cls.setup_anndata(adata, **setup)
        return cls(adata)

    assert raised_or_warned(lambda: build(make_screen()))
    assert not raised_or_warned(lambda: build(normalised(make_screen())))
    # A layer that is named is meant, but for models that cannot do with counts at all
    named = make_screen()
    named.layers["raw"] = named.X
    assert raised_or_warned(lambda: build(named, layer="raw")) == (cls._reads_logs or name == "MultiTaskAE")


def test_new_cells_are_set_up_without_a_note(make_screen, build, caplog):
    model = build(Additive, normalised(make_screen()))
    with caplog.at_level("INFO", logger="scvi"):
        # scvi-tools does not propagate its notes
        logging.getLogger("scvi").addHandler(caplog.handler)
        model.predict(normalised(make_screen(rng=1)), perturbation="A", output="mean")
        new = normalised(make_screen(rng=1))
        scpi.tl.predict_perturbation(new, model, "A")
        logging.getLogger("scvi").removeHandler(caplog.handler)
        assert logging.getLogger("scvi").level == logging.INFO
    assert [one.message for one in caplog.records if one.name.startswith("scvi")] == []


def test_new_counts_are_pointed_out_to_a_model_of_logarithms(make_screen, build):
    model = build(Additive, normalised(make_screen()))
    assert raised_or_warned(lambda: model.predict(make_screen(rng=1), perturbation="A", output="mean"))
    assert not raised_or_warned(lambda: model.predict(normalised(make_screen(rng=1)), perturbation="A", output="mean"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [SENAVAE, Additive])
def test_new_cells_are_checked_too(name, value, make_screen, build, assert_unchanged):
    model = build(name, make_screen())
    new = make_screen()
    put(value)(new)
    before = new.copy()
    for call in (lambda: model.predict(new, perturbation="A", output="mean"), lambda: model.evaluate(new)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            call()
    assert_unchanged(new, before)


def test_new_cells_of_an_unknown_batch_are_left_alone(make_screen, build, assert_unchanged):
    model = build(SENAVAE, make_screen(), setup={"batch_key": "batch"})
    new = make_screen()
    new.obs["batch"] = "b3"
    before = new.copy()
    with pytest.raises(ValueError, match="b3"):
        model.predict(new, perturbation="A", output="mean")
    assert_unchanged(new, before)


@pytest.mark.parametrize("likelihood", ["normal", "nb"])
@pytest.mark.parametrize("name", [SENAVAE, Additive])
def test_a_perturbation_of_one_cell_is_trained_and_predicted(name, likelihood, make_screen, build):
    adata = make_screen(conditions={"control": 20, "A": 12, "B": 1, "A+B": 1})
    model = build(name, adata, {"likelihood": likelihood} if name == SENAVAE else {}, train={"max_epochs": 3})
    # The one cell is for training.
    assert model.trained_conditions_ == ["A", "A+B", "B"]
    predicted = model.predict(perturbation=["B", "A+B"], output="mean")
    assert np.isfinite(predicted.X).all()
    assert model.evaluate(metrics=["rmse"]).index.tolist() == ["A"]


def test_one_control_is_enough_to_train(make_screen, build):
    adata = make_screen(conditions={"control": 1, "A": 12, "B": 12})
    for name in (SENAVAE, Additive):
        model = build(name, adata.copy())
        assert np.isfinite(model.predict(perturbation="A", output="mean").X).all()
        with pytest.raises(ValueError, match="at least four control cells, got 1"):
            model.evaluate()


@pytest.mark.parametrize("likelihood", ["normal", "nb"])
def test_empty_cells_and_silent_genes_are_read(likelihood, make_screen, build):
    adata = make_screen()
    x = adata.X.toarray()
    labels = adata.obs["perturbation"].to_numpy()
    x[np.flatnonzero(labels == "control")[:3]] = 0
    x[np.flatnonzero(labels == "A")[:3]] = 0
    x[:, 5] = 0
    adata.X = sparse.csr_matrix(x)
    model = build(SENAVAE, adata, {"likelihood": likelihood}, train={"max_epochs": 4})
    for values in (
        model.predict(perturbation=["A", "A+C"], output="mean").X,
        model.get_latent_representation(),
        model.get_pathway_activity().to_numpy(),
        np.concatenate([table.to_numpy().ravel() for table in model.history.values()]).astype(float),
    ):
        assert np.isfinite(values).all()


def test_an_unknown_perturbation_is_named(screen, build):
    model = build(SENAVAE, screen)
    for call in (
        lambda: model.predict(perturbation=["A", "TP53"], output="mean"),
        lambda: model.evaluate(perturbation="A+TP53"),
        lambda: model.attribution_target("change", perturbation="TP53"),
    ):
        with pytest.raises(ValueError, match="TP53"):
            call()


def test_gene_sets_that_match_nothing(screen, assert_unchanged):
    del screen.varm["gene_sets"], screen.uns["gene_sets"]
    before = screen.copy()
    with pytest.raises(ValueError, match="Ensembl"):
        scpi.tl.gene_sets(screen, {"set": [f"ENSG{i:011d}" for i in range(20)]})
    assert_unchanged(screen, before)
    scpi.model.SENAVAE.setup_anndata(screen)
    with pytest.raises(ValueError, match=r"needs gene sets.*scpi\.tl\.gene_sets.*encoder='mlp'"):
        scpi.model.SENAVAE(screen)
    scpi.model.SENAVAE(screen, encoder="mlp")


def test_gene_sets_with_an_empty_one_are_read(screen, build):
    screen.varm["mine"] = np.zeros((screen.n_vars, 2), dtype=bool)
    screen.varm["mine"][:4, 1] = True
    model = build(SENAVAE, screen, setup={"gene_sets_key": "mine"})
    activity = model.get_pathway_activity()
    assert activity.columns.tolist() == ["0", "1"]
    # What has no members is its bias.
    assert activity["0"].nunique() == 1


def test_a_view_is_to_be_copied_first(screen, assert_unchanged):
    view = screen[:100]
    before = screen.copy()
    with pytest.raises(ValueError, match=r"adata\.copy\(\)"):
        scpi.model.SENAVAE.setup_anndata(view)
    assert view.is_view
    assert_unchanged(screen, before)


def test_a_backed_file_is_read_and_not_changed(screen, build, tmp_path):
    screen.write_h5ad(tmp_path / "screen.h5ad")
    size = (tmp_path / "screen.h5ad").stat().st_size
    model = build(SENAVAE, screen)
    backed = ad.read_h5ad(tmp_path / "screen.h5ad", backed="r")
    found, expected = (model.predict(x, perturbation="A", output="mean", n_cells=5) for x in (backed, screen))
    np.testing.assert_allclose(found.X, expected.X, rtol=1e-6)
    backed.file.close()
    assert (tmp_path / "screen.h5ad").stat().st_size == size


def test_another_panel_is_refused_unless_it_has_the_genes(make_screen, build):
    model = build(SENAVAE, make_screen())
    panel = make_screen()[:, 4:].copy()
    with pytest.raises(ValueError, match=r"lacks 4 of the 24 genes.*'g0', 'g1', 'g2', 'g3'"):
        model.predict(panel, perturbation="A", output="mean")
    larger = ad.concat([make_screen(), make_screen()[:, :3].copy()], axis=1, merge="first")
    larger.var_names = [*larger.var_names[:24], "x", "y", "z"]
    with pytest.raises(ValueError, match=r"model\.var_names_"):
        model.predict(larger, perturbation="A", output="mean")
    expected = model.predict(make_screen(), perturbation="A", output="mean")
    subset = larger[:, model.var_names_]
    np.testing.assert_array_equal(model.predict(subset, perturbation="A", output="mean").X, expected.X)


@pytest.fixture(scope="module", params=[SENAVAE, Additive])
def saved(request, make_screen, build, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved")
    build(request.param, make_screen()).save(path, overwrite=True)
    return request.param, path


def test_a_model_is_loaded_by_its_own_class(saved, screen):
    name, path = saved
    other = scpi.model.NoChange
    with pytest.raises(ValueError, match="different class"):
        other.load(path, adata=screen, accelerator="cpu")


def test_data_that_does_not_fit_the_model_is_not_called_damage(saved, screen, assert_unchanged):
    name, path = saved
    screen.obs = screen.obs.rename(columns={"perturbation": "guide"})
    before = screen.copy()
    with pytest.raises(KeyError, match="'perturbation' is not a column"):
        getattr(scpi.model, name).load(path, adata=screen, accelerator="cpu")
    assert_unchanged(screen, before)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"preset": "other"}, r"`preset` must be one of \['scpi', 'sena', 'zhang'\], got 'other'"),
        ({"encoder": "cnn"}, r"`encoder` must be one of \['gene_sets', 'mlp', 'linear'\], got 'cnn'"),
        ({"lr": 0.0}, "`lr` must be above 0"),
        ({"likelihood": "poisson"}, "`likelihood` must be 'normal' or 'nb'"),
        ({"mechanism": "cubic"}, "`mechanism` must be"),
        ({"n_factors": 0}, "`n_factors` must be at least 1"),
        ({"leak": -0.1}, "`leak`"),
        ({"leak": np.nan}, "`leak`"),
    ],
)
def test_arguments_of_the_model(kwargs, message, screen):
    scpi.model.SENAVAE.setup_anndata(screen)
    with pytest.raises(ValueError, match=message):
        scpi.model.SENAVAE(screen, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"train_size": 1.5}, "must be fractions"),
        ({"held_out": ["A+D"]}, "no cell is labelled with"),
        ({"held_out": "control"}, "names the control"),
        ({"train_size": 1.0, "early_stopping": True}, "Early stopping needs validation cells"),
    ],
)
def test_arguments_of_the_training(kwargs, message, screen, quiet):
    scpi.model.SENAVAE.setup_anndata(screen)
    model = scpi.model.SENAVAE(screen)
    before = {key: value.clone() for key, value in model.module.state_dict().items() if "bandwidth" not in key}
    with pytest.raises(ValueError, match=message):
        model.train(max_epochs=1, **quiet, **kwargs)
    assert not model.is_trained
    if "early_stopping" not in kwargs:
        assert all((model.module.state_dict()[key] == value).all() for key, value in before.items())


def test_a_prediction_of_a_model_without_pathways(screen, build):
    model = build(SENAVAE, screen, {"encoder": "mlp"})
    for call in (model.get_pathway_activity, model.get_factor_pathways, lambda: model.attribution_target("pathway")):
        with pytest.raises(ValueError, match="no gene sets"):
            call()
