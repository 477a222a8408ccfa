"""Clustering of cells with known groups, and the genes that drive clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi import attribution, de, metrics, tl
from scpi._keys import Key
from scpi._quiet import quiet_lightning
from scpi._ranking import read_ranking
from scpi._slots import find_column
from scpi.benchmark._run import Computed
from scpi.benchmark.grid._compute import cells_of, spec_of
from scpi.benchmark.grid._kinds._fit import fit
from scpi.benchmark.grid._kinds._names import Accuracy, accuracy_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anndata import AnnData

    from scpi._ranking import Ranking
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan

_LABEL, _RANKING = "cluster", "ranking"


def compute(plan: Plan, task: GridTask, folder: Folder) -> Computed:
    """Agreement of clusters of training cells with known groups, and accuracies of gene rankings for each group.

    Rows without a group contain the metrics of all clusters. Genes are ranked for each cluster, and compared with the
    genes with the largest absolute factors of the matched group.
    """
    data, wanted, spec = plan.grid.data[task.data], list(plan.grid.metrics or ()), spec_of(plan, task)
    assert spec is not None
    adata, split = cells_of(plan, task, folder)
    adata = adata[split.train].copy()
    groups = find_column(adata, data.group_key).astype(str).to_numpy()
    with quiet_lightning():
        found = fit(spec, adata, layer=data.layer, seed=task.seed, n_clusters=len(np.unique(groups)))
        clusters = np.asarray(found.model.predict(**spec.predict), dtype=str)
        adata.obs[_LABEL] = pd.Categorical(clusters)
        rows = [
            {"group": ""}
            | {name: getattr(metrics, name)(clusters, groups) for name in wanted if accuracy_of(name) is None}
        ]
        accuracies = {name: one for name in wanted if (one := accuracy_of(name)) is not None}
        if accuracies and len(np.unique(clusters)) > 1:
            rows += _accuracies(adata, found.model, groups, accuracies, layer=data.layer, seed=task.seed)
    shared = {"model": task.model, "split": task.split, "seed": task.seed}
    table = pd.DataFrame([shared | {Key.obs.N_CELLS: adata.n_obs, "seconds": found.seconds} | row for row in rows])
    return Computed(table.reindex(columns=list(dict.fromkeys([*table, *wanted]))), None, found.n_parameters)


def _accuracies(
    adata: AnnData,
    model: Any,
    groups: np.ndarray[Any, Any],
    wanted: Mapping[str, Accuracy],
    *,
    layer: str | None,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """Accuracies of each group that a cluster matches."""
    if Key.varm.DE_FACTOR not in adata.varm:
        msg = (
            f"{list(wanted)} need the true factors of the genes in adata.varm[{Key.varm.DE_FACTOR!r}], as "
            "`scpi.datasets.splat` writes them, and the data has none: leave out these metrics."
        )
        raise KeyError(msg)
    factors = adata.varm[Key.varm.DE_FACTOR]
    network = model if hasattr(model, "attribution_target") else None
    rankings = {
        name: _ranking(adata, network, name, layer=layer, seed=seed)
        for name in {one.ranking for one in wanted.values()}
    }
    matched = dict(metrics.match_labels(adata.obs[_LABEL].to_numpy().astype(str), groups).mapping)
    for cluster, group in sorted(matched.items(), key=lambda pair: str(pair[1])):
        effect = np.log(factors[group].to_numpy(dtype=np.float64))
        row: dict[str, Any] = {"group": str(group)}
        for name, one in wanted.items():
            found = rankings[one.ranking]
            score = np.abs(found.scores[list(found.groups).index(cluster)])
            genes = pd.Index(found.genes).get_indexer(adata.var_names)
            row[name] = float(metrics.top_k_overlap(effect, score[genes], k=one.depth))
        yield row


def _ranking(adata: AnnData, network: Any, name: str, *, layer: str | None, seed: int) -> Ranking:
    """Scores of the genes of each cluster. Attributions explain the network, or a small classifier if there is none."""
    shared: dict[str, Any] = {"layer": layer, "key_added": _RANKING}
    if name in set(de.methods()["method"]):
        de.rank_genes(adata, _LABEL, method=name, **shared)
    else:
        explains = network is not None and name in set(attribution.methods()["method"])
        of: dict[str, Any] = {"groupby": None, "model": network} if explains else {"groupby": _LABEL}
        # The true factor of a group is relative to the mean of all, and accuracies use the whole order
        tl.rank_genes_gradients(
            adata, **of, reference="median", score="mean", test=None, method=name, rng=seed, **shared
        )
    return read_ranking(adata, _RANKING)
