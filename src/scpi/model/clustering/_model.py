"""Setup, training, embedding and clusters of the clustering networks."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, get_args

import numpy as np
import pandas as pd
import torch
from scvi.utils import setup_anndata_dsp

from scpi._docs import fill
from scpi._slots import listed
from scpi.attribution import AttributionTarget
from scpi.model.base._constants import KEYS
from scpi.model.base._model_base import COUNTS_ADVICE, ModelBase
from scpi.model.base.loading._input_transform import check_cells_differ
from scpi.model.base.loading._sampling import single_cells
from scpi.model.base.setup._declaration import Field
from scpi.model.base.setup._fields import ContextField, SizeFactorField
from scpi.model.base.targets._latent import LatentMixin
from scpi.model.base.training._presets import at_least, choose_preset
from scpi.model.base.training._seed import seeded
from scpi.model.base.training._training import NetworkTrainingMixin
from scpi.model.clustering._batch_factors import batch_factors
from scpi.model.clustering._centroids import FindClusters
from scpi.model.clustering._fields import TrainingLabelField, TrainingWeightField
from scpi.model.clustering._plan import ClusteringPlan
from scpi.model.clustering._presets import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.loading._splitter import CellSplitter
    from scpi.model.clustering._module import ClusteringModule
    from scpi.model.clustering._presets import Preset
    from scpi.model.clustering._settings import Settings

_START_CELLS = 5000


class ClusteringModel(NetworkTrainingMixin, LatentMixin, ModelBase):
    """Base class of networks that learn an embedding of cells together with clusters."""

    _presets: ClassVar[Mapping[str, Preset]]
    _module_cls: type[ClusteringModule]
    _training_plan_cls = ClusteringPlan
    _reads_counts = True
    _advice = COUNTS_ADVICE
    _fields = (
        Field(argument="labels_key", registry_key=KEYS.LABELS, make=TrainingLabelField),
        Field(argument="weight_key", registry_key=KEYS.WEIGHT, make=TrainingWeightField),
        Field(argument="batch_key", registry_key=KEYS.BATCH, make=ContextField),
        Field(argument="size_factor_key", registry_key=KEYS.SIZE_FACTOR, make=SizeFactorField),
    )

    module: ClusteringModule

    def __init__(
        self,
        adata: AnnData | MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: Literal["scpi", "published"] = "scpi",
        n_clusters: int | None = None,
        find_clusters: FindClusters = "valleys",
        resolution: float = 1.0,
        n_latent: int | None = None,
        seed: int | None = None,
        **preset_kwargs: Unpack[Settings],
    ) -> None:
        super().__init__(adata, registry)
        changes = preset_kwargs | ({} if n_latent is None else {"n_latent": n_latent})
        self.preset_ = choose_preset(type(self), self._presets, preset, changes, RULES)
        _check_clusters(n_clusters, None if adata is None else self._statistic(KEYS.X, "n_cells"), find_clusters)
        self.find_clusters_, self.resolution_, self._n_clusters = find_clusters, resolution, n_clusters
        self.n_clusters_: int | None = n_clusters
        self.clusters_: list[str] = []
        self._build(
            lambda: self._module_cls(
                self._n_genes,
                preset=self.preset_,
                n_clusters=n_clusters or 0,
                n_batches=self._statistic(KEYS.BATCH, f"n_{KEYS.BATCH}"),
            ),
            seed=seed,
            preset=preset,
            n_clusters="to be found" if n_clusters is None else n_clusters,
            of_preset=("n_latent",),
        )
        self.init_params_ = self._get_init_params(locals())

    @classmethod
    @setup_anndata_dsp.dedent
    def setup_anndata(
        cls,
        adata: AnnData,
        *,
        layer: str | None = None,
        labels_key: str | None = None,
        weight_key: str | None = None,
        size_factor_key: str | None = None,
        batch_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        """%(summary)s.

        Parameters
        ----------
        %(param_adata)s
        layer
            Entry of ``adata.layers`` with the counts. If ``None``, ``adata.X``, or ``adata.layers["counts"]`` if ``X``
            does not hold counts.
        labels_key
            Column of ``adata.obs`` with known labels, for the supervised loss of :class:`scpi.model.ContrastiveSC`.
            New cells need none.
        weight_key
            Column of ``adata.obs`` with the weight of each cell as a positive in that loss. New cells need none.
        size_factor_key
            Column of ``adata.obs`` with the depth of each cell; its total count if ``None``.
        batch_key
            Column of ``adata.obs`` with the batch of each cell. Every gene has a factor in each batch. The input is
            corrected by it, and the decoder multiplies by it, so that clusters do not follow batches. New cells of
            other batches are not corrected.
        **kwargs
            Used by scvi-tools when a setup is transferred from a saved model.

        Raises
        ------
        TypeError
            If ``adata`` is not an AnnData. For a MuData, use :meth:`setup_mudata`.
        KeyError
            If a layer or a column does not exist.
        ValueError
            If values are not counts, names are repeated, or a cell has no label or batch.
        """
        cls._register(adata, cls._get_setup_method_args(**locals()), **kwargs)

    @fill
    def train(
        self,
        max_epochs: int | None = None,
        *,
        max_cluster_epochs: int | None = None,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        train_size: float = 1.0,
        validation_size: float | None = None,
        batch_size: int | None = None,
        plan_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **trainer_kwargs: Any,
    ) -> None:
        """Train the model: learn the embedding, initialise the centroids, and refine both jointly.

        Parameters
        ----------
        max_epochs
            Number of epochs of the first phase, which learns the embedding; that of the preset if ``None``.
        max_cluster_epochs
            Maximum number of epochs of the second phase, which refines the clusters; that of the preset if ``None``.
            With 0, the clusters are those of k-means on the embedding.
        %(devices)s
        %(validation_size)s
            Clusters are found on the training cells.
        %(train_batch_size)s
        %(plan_kwargs)s
        %(train_seed)s
        %(trainer_kwargs)s

        Raises
        ------
        ValueError
            If there are fewer cells than clusters, or fewer than two.
        """
        preset, module = self.preset_, self.module
        batch_size = preset.batch_size if batch_size is None else at_least(batch_size, 2, "batch_size")
        n_more = preset.max_cluster_epochs if max_cluster_epochs is None else max_cluster_epochs
        splitter = self._split(
            partial(single_cells, batch_size=batch_size, shuffle=preset.shuffle),
            transform=module.transform.cpu(),
            counts=module.reads_counts,
            train_size=train_size,
            validation_size=validation_size,
            seed=seed,
        )
        _check_clusters(self._n_clusters, splitter.n_train, self.find_clusters_)
        self._start(splitter)
        n_epochs = self._n_epochs(max_epochs, splitter.n_batches)
        plan = {
            "data": splitter,
            "n_epochs": n_epochs,
            "n_cluster_epochs": at_least(n_more, 0, "max_cluster_epochs"),
            "n_clusters": self._n_clusters,
            "find_clusters": self.find_clusters_,
            "resolution": self.resolution_,
            "seed": splitter.seed,
        }
        self._fit(
            n_epochs + n_more,
            splitter,
            plan_kwargs=plan | (plan_kwargs or {}),
            accelerator=accelerator,
            devices=devices,
            **trainer_kwargs,
        )
        self.n_clusters_ = len(module.centroids)
        self.clusters_ = [str(index) for index in range(self.n_clusters_)]

    def _n_epochs(self, max_epochs: int | None, n_batches: int) -> int:
        """Epochs of the first phase."""
        preset = self.preset_
        if max_epochs is None:
            max_epochs = preset.max_epochs or math.ceil(preset.n_steps / n_batches)
        return at_least(max_epochs, 1, "max_epochs")

    def _start(self, splitter: CellSplitter) -> None:
        """Initialise the network from moments of the training cells, once."""
        if self.is_trained_:
            return
        transform = self.module.transform
        with seeded(splitter.seed):
            cells = splitter.dataset.cells(splitter.sample(_START_CELLS))
            counts, size, batch = cells
            check_cells_differ(counts, size)
            if batch is not None:
                transform.set_factors(batch_factors(counts, size, batch, transform.n_batches))
            transform.fit(splitter.training_cells)
            self.module.start(transform(*cells), *transform.moments(splitter.training_cells))

    @fill
    @torch.inference_mode()
    def predict(
        self,
        adata: AnnData | MuData | None = None,
        *,
        soft: bool = False,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
    ) -> NDArray[np.object_] | pd.DataFrame:
        """Assign cells to clusters.

        Parameters
        ----------
        %(cells_adata)s
        soft
            Whether to return the probability of every cluster instead of the most probable one.
        %(indices)s
        %(batch_size)s

        Returns
        -------
        Name of the cluster of each cell, or a table of cells x clusters whose rows sum to 1.
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        cells = self._chosen(adata, indices)
        soft_assignments = [
            torch.softmax(self.module.logits(self._encode(x)).double(), 1).cpu().numpy()
            for x in self._inputs(adata, cells, batch_size=batch_size)
        ]
        probability = np.concatenate(soft_assignments)
        if not soft:
            return np.asarray(self.clusters_, dtype=object)[probability.argmax(1)]
        return pd.DataFrame(probability, index=self._modality(adata).obs_names[cells], columns=self.clusters_)

    def attribution_target(self, kind: Literal["margin", "logit", "latent"] = "margin") -> AttributionTarget:
        """Return a differentiable function of the expression, for attributions.

        Parameters
        ----------
        kind
            ``"logit"`` is the logit of each cluster, ``"margin"`` the logit minus the log-sum-exp of the logits of the
            other clusters, and ``"latent"`` the embedding.

        Returns
        -------
        The function, the transform from counts to its input, and the names of its outputs.

        Raises
        ------
        ValueError
            If the kind does not exist.
        """
        if kind not in ("margin", "logit", "latent"):
            msg = f"`kind` must be 'margin', 'logit' or 'latent', got {kind!r}."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        module = self.module.eval()
        encoder = module.encoder

        def head(hidden: Tensor) -> Tensor:
            z = encoder.rest(hidden)
            if kind == "latent":
                return z
            logits = module.logits(z)
            return logits if kind == "logit" else margins(logits)

        projection = encoder.first.weight.detach().T
        names = self._units() if kind == "latent" else self.clusters_
        return AttributionTarget(
            lambda x: head(x @ projection), module.transform, names, kind=kind, projection=projection, head=head
        )

    def _read_cells(self, tensors: dict[str, Tensor]) -> Tensor:
        return self.module.transform(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR), tensors.get(KEYS.BATCH))


def margins(logits: Tensor) -> Tensor:
    """Each logit, (n_cells, n_clusters), minus the log-sum-exp of the others."""
    n_clusters = logits.shape[1]
    itself = torch.eye(n_clusters, dtype=torch.bool, device=logits.device)
    others = logits[:, None, :].expand(-1, n_clusters, -1).masked_fill(itself, float("-inf"))
    return logits - others.logsumexp(2)


def _check_clusters(n_clusters: int | None, n_cells: int | None, find_clusters: str) -> None:
    """Refuse impossible numbers of clusters."""
    if find_clusters not in get_args(FindClusters):
        msg = f"`find_clusters` must be one of {listed(get_args(FindClusters))}, got {find_clusters!r}."
        raise ValueError(msg)
    if n_clusters is not None and n_clusters < 2:
        msg = f"`n_clusters` must be at least 2, or None to find it, got {n_clusters}."
        raise ValueError(msg)
    least = max(2, n_clusters or 0)
    if n_cells is not None and n_cells < least:
        msg = f"{n_cells} cells are too few for {least} clusters."
        raise ValueError(msg)
