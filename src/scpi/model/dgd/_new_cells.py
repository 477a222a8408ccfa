"""Cells that a decoder was not trained on: their genes, their categories, and the steps to their representations."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scvi.data._constants import _SETUP_ARGS_KEY

from scpi._layer_of_counts import layer_of_new_counts
from scpi._slots import listed
from scpi.model.base._constants import KEYS
from scpi.model.base.training._presets import at_least
from scpi.model.dgd._representations import fit_representations
from scpi.model.gene_program._query import align_genes, missing_genes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.dgd._module import DGDModule

logger = logging.getLogger(__name__)

Unseen = Literal["average", "fit", "error"]
"""Treatment of categories that were not trained on."""

_N_STEPS = 100
# Cells by which unseen categories are fitted
_N_FITTED = 1000
_UNKNOWN = "unknown"


class NewCells:
    """Cells whose representations are to be found, everything else fixed.

    Parameters
    ----------
    module
        Trained network.
    batches
        Gives registered values of some cells, a few at a time.
    cells
        Positions of the cells.
    found
        Positions of the genes that were measured; all if ``None``.
    categories
        Categories of each covariate that were not trained on.
    unseen
        What becomes of these.
    n_steps
        Number of gradient steps; as many as suit most data if ``None``.

    Raises
    ------
    ValueError
        If a category was not trained on, with ``unseen="error"``, or a value is out of its range.
    """

    def __init__(
        self,
        module: DGDModule,
        batches: Callable[[NDArray[np.int64]], Iterator[dict[str, Tensor]]],
        cells: NDArray[np.int64],
        *,
        found: Tensor | None,
        categories: Mapping[str, Sequence[str]],
        unseen: Unseen,
        n_steps: int | None,
    ) -> None:
        self._module, self._batches, self._cells = module, batches, cells
        self._found = None if found is None else found.to(module.device)
        self._n_steps = _N_STEPS if n_steps is None else at_least(n_steps, 0, "n_steps")
        self.unseen: list[Tensor] | None = None
        if unseen not in get_args(Unseen):
            msg = f"`unseen` must be one of {listed(get_args(Unseen))}, got {unseen!r}."
            raise ValueError(msg)
        new = {name: list(values) for name, values in categories.items() if len(values)}
        if new and unseen == "error":
            named = "; ".join(f"{name!r}: {listed(values)}" for name, values in new.items())
            msg = (
                f"The model was not trained on these categories: {named}. With `unseen='average'` they are read as the mean "
                "of those that it was trained on, with `unseen='fit'` as the mixture of these that fits best."
            )
            raise ValueError(msg)
        if new:
            self._choose(categories, is_fitted=unseen == "fit")

    def _choose(self, categories: Mapping[str, Sequence[str]], *, is_fitted: bool) -> None:
        """Find what unseen categories are read as."""
        sizes = self._module.covariates.sizes.tolist()
        rows = [
            torch.full((len(new), size), 1.0 / size, device=self._module.device)
            for new, size in zip(categories.values(), sizes, strict=True)
        ]
        if is_fitted:
            order = np.random.default_rng(0).permutation(len(self._cells))[:_N_FITTED]
            parts = list(self._batches(self._cells[np.sort(order)]))
            some = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
            rows = self._fit(some, rows, fit_unseen=True).unseen or rows
        self.unseen = rows
        how = "as the mixtures of known ones that fit best" if is_fitted else "as the mean of the known ones"
        for name, new in categories.items():
            if len(new):
                logger.info("Categories of %r that were not trained on are read %s: %s", name, how, listed(new))

    def _fit(self, tensors: dict[str, Tensor], unseen: list[Tensor] | None, *, fit_unseen: bool = False) -> Any:
        # Also where the caller is in inference mode, whose tensors have no gradients
        with torch.inference_mode(False), torch.enable_grad():
            return fit_representations(
                self._module,
                {key: value.clone() for key, value in tensors.items()},
                found=None if self._found is None else self._found.clone(),
                unseen=None if unseen is None else [rows.clone() for rows in unseen],
                fit_unseen=fit_unseen,
                n_steps=self._n_steps,
            )

    def fit(self) -> Tensor:
        """Representations of the cells, on the CPU; a message says whether they have converged."""
        parts = [torch.zeros(0, self._module.preset.n_latent)]
        n_converged = 0
        for tensors in self._batches(self._cells) if len(self._cells) else ():
            found = self._fit(tensors, self.unseen)
            parts.append(found.z.cpu())
            n_converged += int(found.converged.sum())
        logger.info(
            "Representations of %d new cells after %d steps: %d have converged%s.",
            len(self._cells),
            self._n_steps,
            n_converged,
            "" if n_converged >= 0.95 * len(self._cells) else "; more steps (`n_steps`) may help the others",
        )
        return torch.cat(parts)


def align_new(adata: AnnData | MuData, names: Sequence[str], registry: Mapping[str, Any]) -> AnnData | MuData:
    """The cells with the genes of the model; as they are, if they have these, in their order.

    Where they lack a batch that the model reads, it is unknown.
    """
    if not isinstance(adata, AnnData) or registry["field_registries"][KEYS.X]["data_registry"].get("mod_key"):
        return adata
    arguments = registry[_SETUP_ARGS_KEY]
    batch_key = arguments.get("batch_key")
    lacks_batch = batch_key is not None and batch_key not in adata.obs
    if adata.var_names.tolist() != list(names):
        adata = align_genes(adata, names, layer=layer_of_new_counts(adata, arguments.get("layer")))
        n_missing = len(missing_genes(adata))
        logger.info("%d of the %d genes of the model are missing; they do not count.", n_missing, len(names))
    elif lacks_batch:
        adata = adata.copy()
    if lacks_batch:
        adata.obs[batch_key] = pd.Categorical([_UNKNOWN] * adata.n_obs)
    return adata


def found_genes(adata: AnnData) -> Tensor | None:
    """Positions of the genes that were measured, of aligned cells; ``None`` for all."""
    missing = missing_genes(adata)
    if not len(missing):
        return None
    return torch.from_numpy(np.setdiff1d(np.arange(adata.n_vars), missing))


def unseen_categories(categories: Mapping[str, Sequence[str]], known: Sequence[int]) -> dict[str, list[str]]:
    """Categories of each covariate beyond the number of known ones."""
    return {name: list(values[n:]) for (name, values), n in zip(categories.items(), known, strict=True)}
