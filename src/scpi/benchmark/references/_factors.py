from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from scpi.benchmark.references._reference import Reference

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

Kind = Literal["pca", "ica", "nmf"]


class Factors(Reference):
    """A factorisation of log-normalised counts, with factors as gene programs.

    Parameters
    ----------
    adata
        Cells x genes, after ``setup_anndata``.
    kind
        Principal components, independent components or non-negative factors.
    n_units
        Number of factors.
    seed
        Seed of the factorisation.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """

    def __init__(self, adata: AnnData, *, kind: Kind = "nmf", n_units: int = 10, seed: int | None = 0) -> None:
        super().__init__(adata)
        if kind not in get_args(Kind):
            msg = f"`kind` must be one of {get_args(Kind)}, got {kind!r}."
            raise ValueError(msg)
        self.kind, self.n_units, self.seed = kind, n_units, seed
        self._model: Any = None
        self._units = np.zeros((0, n_units))

    def train(self, **trainer_kwargs: Any) -> None:
        """Factorise the cells.

        Parameters
        ----------
        **trainer_kwargs
            Arguments of networks; ignored.
        """
        from sklearn.decomposition import NMF, PCA, FastICA

        counts = self._counts()
        self._depth = float(np.median(np.asarray(counts.sum(1))))
        if self.kind == "nmf":
            n_units = min(self.n_units, *counts.shape)
            self._model = NMF(n_units, init="nndsvda", max_iter=400, random_state=self.seed)
        elif self.kind == "ica":
            self._model = FastICA(self.n_units, whiten="unit-variance", max_iter=500, random_state=self.seed)
        else:
            self._model = PCA(self.n_units, random_state=self.seed)
        self._units = self._model.fit_transform(self._logs(counts))

    def get_latent_representation(self) -> NDArray[np.float64]:
        """Return the factors.

        Returns
        -------
        Cells x factors.
        """
        return np.asarray(self._units, dtype=np.float64)

    def get_loadings(self) -> NDArray[np.float64]:
        """Return the weights of the genes.

        Returns
        -------
        Genes x factors.
        """
        found = self._model.mixing_ if self.kind == "ica" else self._model.components_.T
        return np.asarray(found, dtype=np.float64)

    def get_normalized_expression(self, adata: AnnData) -> NDArray[np.float64]:
        """Predict the expression of cells from their factors.

        Parameters
        ----------
        adata
            Cells x genes, with counts in the same place as in the setup.

        Returns
        -------
        Cells x genes, non-negative, and not scaled to a total.
        """
        found = self._model.inverse_transform(self._model.transform(self._logs(self._counts(adata))))
        return np.asarray(np.expm1(np.maximum(found, 0.0)), dtype=np.float64)

    def _logs(self, counts: Any) -> NDArray[np.float64]:
        """Dense log-normalised counts, as factorisations need them."""
        dense = counts.toarray() if hasattr(counts, "toarray") else np.asarray(counts)
        return np.asarray(np.log1p(dense / np.maximum(dense.sum(1, keepdims=True), 1.0) * self._depth))
