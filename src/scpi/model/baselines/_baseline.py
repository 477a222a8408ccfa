"""What the baselines share: means of the training cells, and a module that keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from scvi.module.base import BaseModuleClass, LossOutput

from scpi.model.base._constants import KEYS
from scpi.model.base._data_splitter import PerturbationDataSplitter
from scpi.model.base._perturbation_model import PerturbationModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor


class MeansModule(BaseModuleClass):
    """Holds change profiles as buffers, so that a baseline saves and loads like a network.

    Parameters
    ----------
    n_perturbations
        Number of single perturbations.
    n_genes
        Number of genes.
    """

    def __init__(self, n_perturbations: int, n_genes: int) -> None:
        super().__init__()
        self.register_buffer("changes", torch.full((n_perturbations, n_genes), torch.nan))
        self.register_buffer("linear_effects", torch.full((n_perturbations, n_genes), torch.nan))
        self.register_buffer("mean_change", torch.full((n_genes,), torch.nan))
        self.register_buffer("control_mean", torch.full((n_genes,), torch.nan))

    @property
    def device(self) -> torch.device:
        """Where the profiles are; scvi-tools asks the parameters, of which there are none."""
        return self.control_mean.device

    def _get_inference_input(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": tensors[KEYS.X]}

    def inference(self, x: Tensor) -> dict[str, Tensor]:
        """The cells themselves."""
        return {"z": x}

    def _get_generative_input(
        self, tensors: dict[str, Tensor], inference_outputs: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        return inference_outputs

    def generative(self, z: Tensor) -> dict[str, Tensor]:
        """The cells themselves."""
        return {"mean": z}

    def loss(self, *args: Any, **kwargs: Any) -> LossOutput:
        """A baseline has no objective."""
        msg = "A baseline is not trained by gradients."
        raise NotImplementedError(msg)


class Baseline(PerturbationModel):
    """Base class of baselines: ``train`` takes means, ``predict`` moves control cells by them.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    _module_cls = MeansModule

    def __init__(self, adata: AnnData | MuData | None = None, registry: dict[str, Any] | None = None) -> None:
        super().__init__(adata, registry)
        n_genes = self.registry["field_registries"][KEYS.X]["summary_stats"]["n_vars"]
        self.module = self._module_cls(len(self.perturbations_), n_genes)
        self._model_summary_string = f"{type(self).__name__} baseline"
        self.init_params_ = self._get_init_params(locals())

    def train(
        self,
        max_epochs: int | None = None,
        *,
        train_size: float = 0.9,
        validation_size: float | None = None,
        held_out: str | Sequence[str] = (),
        datasplitter_kwargs: dict[str, Any] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the means of the training cells.

        The arguments are those of the networks, so that both see the same cells. ``max_epochs`` and others that only
        concern gradients are accepted and have no effect.

        Parameters
        ----------
        max_epochs
            No effect.
        train_size, validation_size
            Shares of the cells of every condition, the control included. What is left is the test set.
        held_out
            Conditions whose cells all go to the test set.
        datasplitter_kwargs
            More arguments of the data splitter, such as ``external_indexing``.
        seed
            Seed of the split; ``scvi.settings.seed``, or 0, if ``None``.
        **kwargs
            No effect.
        """
        splitter = PerturbationDataSplitter(
            self.adata_manager,
            train_size=train_size,
            validation_size=validation_size,
            held_out=held_out,
            seed=seed,
            **(datasplitter_kwargs or {}),
        )
        x = self._field(self.adata, KEYS.X)
        labels = self._labels(self.adata)[splitter.train_idx]
        conditions = sorted(set(labels))
        means = {label: _mean(x, splitter.train_idx[labels == label]) for label in conditions}
        control = means.pop(self.control_)
        self.module.changes.fill_(torch.nan)
        for index, name in enumerate(self.perturbations_):
            cells = splitter.training_cells_of(name)
            doses = splitter.doses_of(cells)
            if (doses != 0).any():
                self.module.changes[index] = torch.from_numpy(_slope(x, cells, doses, control))
        self.module.linear_effects.copy_(torch.from_numpy(self._linear_effects(splitter, x, control)))
        mean_change = np.mean([mean - control for mean in means.values()], axis=0)
        self.module.mean_change.copy_(torch.from_numpy(mean_change))
        self.module.control_mean.copy_(torch.from_numpy(control))
        self.trained_conditions_ = list(means)
        self.train_indices, self.validation_indices, self.test_indices = splitter.split
        self.history_: dict[str, Any] = {}
        self.is_trained_ = True

    def _linear_effects(
        self, splitter: PerturbationDataSplitter, x: Any, control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Effects of all perturbations at once, by least squares over the perturbed training cells."""
        sums, counts, designs = [], [], []
        for design, cells in splitter.training_conditions():
            designs.append(design)
            counts.append(len(cells))
            sums.append(_mean(x, cells) - control)
        root = np.sqrt(np.asarray(counts, dtype=np.float64))[:, None]
        effects = np.linalg.lstsq(np.asarray(designs, dtype=np.float64) * root, np.asarray(sums) * root, rcond=None)[0]
        return np.asarray(effects, dtype=np.float64)

    def _change(self, design: NDArray[np.float32]) -> NDArray[np.float32]:
        """Change of the mean under the doses ``design`` (n_perturbations,)."""
        raise NotImplementedError

    def _predict_cells(
        self,
        adata: AnnData | MuData,
        indices: NDArray[np.int64],
        design: NDArray[np.float32],
        *,
        sample: bool,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        return self._expression(adata, indices) + self._change(design)


def _slope(
    x: Any, rows: NDArray[np.int64], doses: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Change at dose 1, by least squares over cells on a line through the control: a plain mean if all doses are 1."""
    block = x[rows]
    weighted = np.asarray(block.astype(np.float64).T @ doses).ravel()
    return np.asarray((weighted - doses.sum() * control) / np.square(doses).sum(), dtype=np.float64)


def _mean(x: Any, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of some rows, in double precision."""
    block = x[rows]
    mean = block.mean(axis=0, dtype=np.float64) if not sparse.issparse(block) else block.astype(np.float64).mean(axis=0)
    return np.asarray(mean).ravel()
