from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from anndata import AnnData

from scpi import model as models
from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import listed, result_params
from scpi._view import View

if TYPE_CHECKING:
    import numpy as np
    from mudata import MuData

NETWORKS = {"contrastive_sc": "ContrastiveSC", "scdeepcluster": "SCDeepCluster", "sczidesk": "SCZIDesk"}


@fill
def cluster(
    data: AnnData | MuData,
    model: Any = "sczidesk",
    *,
    n_clusters: int | None = None,
    layer: str | None = None,
    labels_key: str | None = None,
    size_factor_key: str | None = None,
    batch_key: str | None = None,
    train_kwargs: dict[str, Any] | None = None,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **model_kwargs: Any,
) -> AnnData | MuData | None:
    """Cluster cells with a network, and store the clusters and the embedding.

    The network is trained on the counts of all cells. Uninformative genes cost time: if there are many thousands,
    select highly variable genes first.

    Parameters
    ----------
    %(data)s
    model
        Network to train: `"contrastive_sc"` (:class:`scpi.model.ContrastiveSC`), `"scdeepcluster"`
        (:class:`scpi.model.SCDeepCluster`) or `"sczidesk"` (:class:`scpi.model.SCZIDesk`). Or a trained model of these
        classes: cells are assigned to its clusters, and it is not trained further.
    n_clusters
        Number of clusters; estimated from the embedding if `None`.
    %(counts_layer)s
    labels_key
        Column of `adata.obs` with known labels, for the supervised loss of `"contrastive_sc"`.
    size_factor_key
        Column of `adata.obs` with the depth of each cell; its total count if `None`.
    batch_key
        Column of `adata.obs` with the batch of each cell. The effect of the batch on each gene is removed.
    train_kwargs
        Arguments of `train`, such as `max_epochs`, `accelerator` or `enable_progress_bar` (off by default here).
    rng
        Seed of the network, or a generator from which to draw it. If `None`, fresh entropy is drawn.
    key_added
        Name of the column with the clusters, and of the entry of `adata.uns`.
    %(mod)s
    %(copy)s
    **model_kwargs
        Arguments of the model, such as `preset`, `n_latent`, `find_clusters` or `resolution`.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.obs['cluster' | key_added]` : :class:`pandas.Series` (dtype `category`)
        Cluster of each cell.
    `adata.obsm['X_cluster' | 'X_' + key_added]` : :class:`numpy.ndarray` (dtype `float32`)
        Embedding of the cells, cells x latent units.
    `adata.uns['cluster' | key_added]` : :class:`dict`
        `params`.

    Raises
    ------
    KeyError
        If a column or the layer does not exist.
    TypeError
        If the model is neither a name nor a clustering network, or does not accept the given covariates.
    ValueError
        If the name of the model is unknown, the values are not counts, or the number of clusters is impossible.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(100, n_genes=100, de_prob=0.5, rng=0)
    >>> scpi.tl.cluster(adata, n_clusters=2, train_kwargs={"max_epochs": 5})
    >>> adata.obs["cluster"].cat.categories.tolist(), adata.obsm["X_cluster"].shape
    (['0', '1'], (100, 16))
    """
    key_added = Key.obs.CLUSTER if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added)
    _refuse_covariates(model_kwargs)
    if isinstance(model, str):
        view = view.of_counts()
        columns = {"labels_key": labels_key, "size_factor_key": size_factor_key, "batch_key": batch_key}
        setup = {name: column for name, column in columns.items() if column is not None}
        seed = _seed(rng)
        trained = _train(
            _cells(view, setup),
            model,
            view.layer,
            setup,
            n_clusters=n_clusters,
            seed=seed,
            train=train_kwargs,
            **model_kwargs,
        )
        # The network was trained on these cells
        source = None
        params = setup | {"layer": view.layer, "seed": seed} | model_kwargs
    else:
        _check_given(model, n_clusters, layer, model_kwargs)
        trained, source, params = (
            model,
            data if model.registry["setup_method_name"] == "setup_mudata" else view.adata,
            {},
        )
    labels = trained.predict(source)
    embedding = trained.get_latent_representation(source)
    result, target = view.output(copy)
    occurring = set(labels)
    target.obs[key_added] = pd.Categorical(labels, categories=[name for name in trained.clusters_ if name in occurring])
    target.obsm[f"X_{key_added}"] = embedding
    target.uns[key_added] = {
        "params": result_params(clustering=type(trained).__name__, n_clusters=trained.n_clusters_, **params)
    }
    return result


def _seed(rng: int | np.random.Generator | None) -> int:
    """Return a given seed unchanged, so that it means the same as the seed of the model."""
    generator = as_generator(rng)
    return rng if isinstance(rng, int) else int(generator.integers(2**31))


def _cells(view: View, setup: dict[str, str]) -> AnnData:
    """Copy the counts and the columns of the setup, so that the setup does not modify the data."""
    obs = pd.concat(
        [pd.DataFrame(index=view.adata.obs_names), *(view.columns(column, key) for key, column in setup.items())],
        axis=1,
    )
    # Keep the name of the layer, which messages mention
    x, layers = (view.matrix, {}) if view.layer is None else (None, {view.layer: view.matrix})
    return AnnData(x, obs=obs, var=view.adata.var[[]], layers=layers)


def _train(
    cells: AnnData,
    name: str,
    layer: str | None,
    setup: dict[str, str],
    *,
    n_clusters: int | None,
    seed: int,
    train: dict[str, Any] | None,
    **model_kwargs: Any,
) -> Any:
    """Train a network on cells."""
    if name not in NETWORKS:
        msg = f"`model` must be one of {list(NETWORKS)} or a trained model, got {name!r}."
        raise ValueError(msg)
    cls = getattr(models, NETWORKS[name])
    cls.setup_anndata(cells, layer=layer, **setup)
    trained = cls(cells, n_clusters=n_clusters, seed=seed, **model_kwargs)
    trained.train(**({"enable_progress_bar": False} | (train or {})))
    return trained


def _refuse_covariates(options: dict[str, Any]) -> None:
    """Raise an error that names the covariates for which clusters can be corrected."""
    asked = [name for name in options if "covariate" in name or name in ("batch", "batches")]
    if asked:
        msg = (
            f"There is no option {listed(asked)}: clusters can only be corrected for the batch of the cells, `batch_key=`, "
            "and for their depth, `size_factor_key=`."
        )
        raise TypeError(msg)


def _check_given(model: Any, n_clusters: int | None, layer: str | None, model_kwargs: dict[str, Any]) -> None:
    """Check that a trained model is given without settings, as it has its own."""
    from scpi.model.clustering import ClusteringModel

    if not isinstance(model, ClusteringModel):
        msg = f"`model` must be one of {list(NETWORKS)} or a clustering network of scpi, not {type(model).__name__}."
        raise TypeError(msg)
    given = {"n_clusters": n_clusters, "layer": layer} | model_kwargs
    given = {name: value for name, value in given.items() if value is not None}
    if given:
        msg = f"A trained model has its own {', '.join(given)}: leave it out, or name a network to train."
        raise ValueError(msg)
