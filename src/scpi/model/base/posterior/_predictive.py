"""Distribution of the counts of cells given their latent units, and counts drawn from it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scpi._docs import fill
from scpi._rng import as_generator
from scpi._sequence import as_list
from scpi.model.base.generation._rates import Rates
from scpi.model.base.training._presets import at_least

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from sparse import GCXS
    from torch import Tensor

    from scpi.model.base.generation._mixin import GenerationMixin
    from scpi.model.base.posterior._expression import ExpressionMixin, Latent

    class Host(ExpressionMixin, GenerationMixin):
        """Class that the mixin extends."""

        _batches: Any
else:
    Host = object


class PredictiveMixin(Host):
    """The likelihood of counts in the posterior, with the names of scvi-tools.

    Subclasses implement ``_count_means``.
    """

    @abstractmethod
    def _count_means(self, z: Tensor, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Expected counts of a batch of cells with these latent units, and the inverse overdispersion of each gene."""

    @fill
    def get_likelihood_parameters(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        n_samples: int | None = None,
        give_mean: bool = False,
        batch_size: int | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the parameters of the negative binomial distribution of the counts of cells.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        n_samples
            Number of draws from the posterior of each cell. If ``None``, the means of its latent units are decoded,
            without noise.
        give_mean
            Whether to return the mean over the draws instead of each.
        %(batch_size)s
        %(rng)s

        Returns
        -------
        ``"mean"``, the expected counts, and ``"dispersions"``, the inverse overdispersion, each of shape (n_cells,
        n_genes), or (n_samples, n_cells, n_genes) for several draws that are not averaged.
        """
        self._check_if_trained(warn=False)
        data = self._validated(adata)
        cells, generator = self._chosen_cells(data, indices), as_generator(rng)
        n = 1 if n_samples is None else at_least(n_samples, 1, "n_samples")
        means = np.empty((n, len(cells), self._n_genes), dtype=np.float32)
        dispersions = np.empty(means.shape[1:], dtype=np.float32)
        noise, latent = None if n_samples is None else generator, self._latent_of(data, cells)
        for draw in range(n):
            for block, mean, theta in self._likelihoods(data, cells, latent, noise, batch_size):
                means[draw, block], dispersions[block] = mean.cpu().numpy(), theta.cpu().numpy()
        if n == 1 or give_mean:
            return {"mean": means.mean(0), "dispersions": dispersions}
        return {"mean": means, "dispersions": np.broadcast_to(dispersions, means.shape)}

    @fill
    def posterior_predictive_sample(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        n_samples: int = 1,
        gene_list: str | Sequence[str] | None = None,
        batch_size: int | None = None,
        rng: int | np.random.Generator | None = 0,
    ) -> GCXS:
        """Draw counts for measured cells: latent units from the posterior of each, and counts from the likelihood.

        They show what the model can reproduce, for instance by :class:`scvi.criticism.PosteriorPredictiveCheck`.
        For cells of other groups, see :meth:`generate`.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        n_samples
            Number of draws.
        gene_list
            Genes to return; all if ``None``.
        %(batch_size)s
        %(rng)s

        Returns
        -------
        Sparse array of shape (n_cells, n_genes), or (n_cells, n_genes, n_samples) for several draws.

        Raises
        ------
        KeyError
            If a gene is not in the model.
        """
        import sparse

        self._check_if_trained(warn=False)
        places = torch.from_numpy(self._places(self.var_names_ if gene_list is None else as_list(gene_list)))
        data = self._validated(adata)
        cells, generator = self._chosen_cells(data, indices), as_generator(rng)
        latent = self._latent_of(data, cells)
        parts, coords = [], []
        for draw in range(at_least(n_samples, 1, "n_samples")):
            for block, mean, theta in self._likelihoods(data, cells, latent, generator, batch_size):
                counts = Rates(mean[:, places], theta[places]).draw(np.ones(len(mean)), generator).tocoo()
                parts.append(counts.data)
                coords.append([block.start + counts.row, counts.col, np.full(counts.nnz, draw)])
        axes = slice(2 if n_samples == 1 else 3)
        shape = (len(cells), len(places), n_samples)[axes]
        return sparse.GCXS.from_coo(sparse.COO(np.concatenate(coords, axis=1)[axes], np.concatenate(parts), shape))

    @torch.inference_mode()
    def _likelihoods(
        self,
        data: AnnData | MuData,
        cells: NDArray[np.int64],
        latent: Latent,
        rng: np.random.Generator | None,
        batch_size: int | None,
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Expected counts and inverse overdispersions of cells, in blocks, for a draw from the posterior or its means."""
        mean, sd, _ = latent
        z = mean if rng is None else mean + sd * rng.standard_normal(mean.shape, dtype=np.float32)
        start = 0
        for tensors in self._batches(data, cells, batch_size=batch_size):
            block = slice(start, start := start + next(iter(tensors.values())).shape[0])
            yield block, *self._count_means(torch.from_numpy(z[block]).to(self.module.device), tensors)
