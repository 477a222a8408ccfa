"""Rankings by the decoder of a model."""

import anndata as ad
import numpy as np
import pytest
import scvi
import torch

import scpi
from scpi._ranking import read_ranking
from scpi._view import View
from scpi.attribution import DecoderTarget, decoded_means
from scpi.de import log_means, shrink_effects
from scpi.model import decoder_target
from scpi.tl._decoder_contrast import decoder_contrast_scores
from scpi.tl._gradient_input import GradientInput

KEY = "rank_genes_gradients"
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def simulated():
    return scpi.datasets.splat(500, n_genes=400, group_prob=(0.3, 0.3, 0.4), de_prob=0.1, de_fac_scale=0.4, rng=1)


@pytest.fixture
def adata(simulated):
    return simulated.copy()


@pytest.fixture(scope="module")
def trained(simulated):
    adata = simulated.copy()
    scpi.model.SCDeepCluster.setup_anndata(adata)
    model = scpi.model.SCDeepCluster(adata, n_clusters=3, seed=0)
    model.train(max_epochs=60, max_cluster_epochs=2, seed=0, **QUIET)
    return model


def rank(adata, model, **options):
    options = {"test": None, "reference": "median"} | options
    scpi.tl.rank_genes_gradients(adata, "group", model=model, method="decoder_contrast", **options)
    return read_ranking(adata, KEY)


def accuracy(adata, ranking):
    truth = np.log(adata.varm["de_factor"][list(ranking.groups)].to_numpy().T)
    return float(np.mean([scpi.metrics.top_k_overlap(truth, np.abs(ranking.scores), k=k) for k in (30, None)]))


class Linear:
    """A model whose decoder is linear, so that the contrast is known."""

    is_trained_ = True
    loadings = np.random.default_rng(0).normal(size=(2, 400)).astype(np.float32)

    def __init__(self, z):
        self.z = z

    def _check_if_trained(self, *, warn):
        pass

    def get_latent_representation(self, adata=None):
        return self.z

    def decoder_target(self):
        return DecoderTarget(lambda z: z @ torch.from_numpy(self.loadings), ["a", "b"])


def test_a_linear_decoder_gives_the_shrunken_difference_of_centroids_times_loadings(adata):
    codes = adata.obs["group"].cat.codes.to_numpy().astype(np.intp)
    z = np.random.default_rng(1).normal(size=(adata.n_obs, 2)).astype(np.float32) + codes[:, None]
    given = GradientInput(
        View.to_write(adata, None, None, key_added=KEY), adata.X, adata.obs["group"].array, "group", False, None
    )
    names = list(adata.obs["group"].cat.categories)
    found = decoder_contrast_scores(given, codes, names, "rest", model=Linear(z))
    centroids = np.stack([z[codes == k].mean(axis=0) for k in range(3)])
    effect = shrink_effects(centroids @ Linear.loadings, log_means(adata.X, codes)[1]).effect
    sizes = np.bincount(codes)[:, None]
    for k in range(3):
        others = [j for j in range(3) if j != k]
        rest = np.log((sizes[others] * np.exp(effect[others])).sum(axis=0) / sizes[others].sum())
        np.testing.assert_allclose(found.scores[k], (effect[k] - rest) / np.log(2), atol=1e-4)
    # Where the counts leave no doubt, nothing is shrunken
    sure = log_means(adata.X, codes)[1].max(axis=0) < 0.02
    own = centroids[0] @ Linear.loadings - np.median(centroids @ Linear.loadings, axis=0)
    assert sure.sum() > 10
    median = decoder_contrast_scores(given, codes, names, "median", model=Linear(z))
    assert np.corrcoef(median.scores[0, sure], own[sure])[0, 1] > 0.98


def test_scores_are_shrunken_decoded_means(adata, trained):
    found = rank(adata, trained)
    codes = adata.obs["group"].cat.codes.to_numpy()
    decoded = decoded_means(decoder_target(trained), trained.get_latent_representation(adata), codes)
    shrunken = shrink_effects(decoded, log_means(adata.X, codes)[1])
    np.testing.assert_allclose(found.scores, shrunken.effect / np.log(2), atol=1e-5)
    np.testing.assert_allclose(found.extra["probability"], shrunken.probability, atol=1e-5)
    assert found.params["method"] == "decoder_contrast"
    assert found.params["model"] == "SCDeepCluster"


def test_it_finds_more_genes_than_a_test_and_than_the_encoder(adata, trained):
    contrast = accuracy(adata, rank(adata, trained))
    scpi.de.rank_genes(adata, "group", method="t-test", key_added="t")
    scpi.tl.rank_genes_gradients(adata, "group", model=trained, method="gradient", reference="median", test=None)
    assert contrast > accuracy(adata, read_ranking(adata, "t")) + 0.03
    assert contrast > accuracy(adata, read_ranking(adata, KEY)) + 0.05


def test_reference_group(adata, trained):
    median, named = rank(adata, trained).scores, rank(adata, trained, reference="Group2")
    assert named.groups.tolist() == ["Group1", "Group3"]
    np.testing.assert_allclose(named.scores, median[[0, 2]] - median[1], atol=1e-5)


def test_cells_have_the_logarithm_of_their_decoded_mean_over_the_reference(adata, trained):
    adata.obs["group"] = adata.obs["group"].astype(object)
    adata.obs.loc[adata.obs_names[:7], "group"] = np.nan
    rank(adata, trained, layer_added="contrast")
    layer = adata.layers["contrast"]
    assert np.isnan(layer[:7]).all()
    assert np.isfinite(layer[7:]).all()
    z = torch.from_numpy(trained.get_latent_representation(adata))
    decoded = decoder_target(trained).function(z).detach().numpy()
    # The level of a gene is the same for all cells
    level = (decoded / np.log(2) - layer)[7:]
    np.testing.assert_allclose(level.std(axis=0), 0, atol=1e-4)
    own = decoded[7:] / np.log(2) - level
    np.testing.assert_allclose(own, layer[7:], atol=1e-4)


def test_own_clusters_and_files(adata, trained, tmp_path):
    with pytest.warns(UserWarning, match="p-values are too small"):
        scpi.tl.rank_genes_gradients(adata, model=trained, method="decoder_contrast")
    found = read_ranking(adata, KEY)
    assert found.groups.tolist() == ["0", "1", "2"]
    assert np.isfinite(found.pvals).all()
    adata.write_h5ad(tmp_path / "ranked.h5ad")
    again = read_ranking(ad.read_h5ad(tmp_path / "ranked.h5ad"), KEY)
    np.testing.assert_array_equal(again.scores, found.scores)


@pytest.mark.parametrize("name", ["SCVI", pytest.param("LinearSCVI", marks=pytest.mark.slow)])
def test_models_of_scvi_tools(adata, name):
    model_cls = getattr(scvi.model, name)
    model_cls.setup_anndata(adata)
    scvi.settings.seed = 0
    model = model_cls(adata, n_latent=5)
    model.train(max_epochs=3, logger=False, **QUIET)
    found = rank(adata, model)
    px = model.module.eval().generative(
        torch.from_numpy(model.get_latent_representation()), torch.zeros(adata.n_obs, 1), torch.zeros(adata.n_obs, 1)
    )["px"]
    decoded, codes = px.scale.log().detach().numpy(), adata.obs["group"].cat.codes.to_numpy()
    means = np.stack([decoded[codes == k].mean(axis=0) for k in range(3)])
    effect = shrink_effects(means, log_means(adata.X, codes)[1]).effect
    np.testing.assert_allclose(found.scores, effect / np.log(2), atol=1e-3)


def test_a_gene_without_counts_has_hardly_any_effect(adata, trained):
    adata.X[:, :5] = 0
    adata.X.eliminate_zeros()
    assert np.abs(rank(adata, trained).scores[:, :5]).max() < 0.05


def test_bad_input_leaves_nothing_behind(adata, trained):
    with pytest.raises(ValueError, match="reads the decoder of a trained model: give it as `model=`"):
        rank(adata, None)
    with pytest.raises(TypeError, match="'decoder_contrast' has no option 'n_steps'"):
        rank(adata, trained, n_steps=5)
    scpi.model.ContrastiveSC.setup_anndata(adata)
    encoder = scpi.model.ContrastiveSC(adata, n_clusters=3)
    encoder.train(max_epochs=1, **QUIET)
    with pytest.raises(TypeError, match="ContrastiveSC has no decoder"):
        rank(adata, encoder)
    assert KEY not in adata.uns
