from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scpi.de._design import Design

_BLOCK_BYTES = 1 << 26


class WeightedEquations:
    """Normal equations of weighted least squares with weights of their own in every column, solved for a block.

    With the indicators of groups and a basis Z, the equations of the groups are diagonal and are eliminated: what is
    left for each gene is the Schur complement S = Z'WZ - sum_k D_k m_k m_k', of the size of the basis, where D_k is
    the sum of the weights in group k and m_k the weighted mean of Z there.
    """

    def __init__(self, design: Design, weights: NDArray[np.float64]) -> None:
        self.design = design
        self.weights = weights
        basis = design.basis
        n_basis, n_genes = basis.shape[1], weights.shape[1]
        self.member = design.member
        self.total = self.member @ weights
        self.mean = np.empty((design.n_groups, n_basis, n_genes))
        cross = np.empty((n_basis, n_basis, n_genes))
        for j in range(n_basis):
            if design.n_groups:
                self.mean[:, j] = (self.member @ (weights * basis[:, [j]])) / self.total
            cross[j, j:] = (basis[:, j:] * basis[:, [j]]).T @ weights
            cross[j:, j] = cross[j, j:]
        for j in range(n_basis):
            cross[j] -= np.einsum("kg,kjg->jg", self.total * self.mean[:, j], self.mean)
        self.inverse = np.linalg.inv(cross.transpose(2, 0, 1))

    def solve(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients of the indicators and of the basis."""
        weighted = self.weights * values
        sums = self.member @ weighted
        right = self.design.basis.T @ weighted - np.einsum("kjg,kg->jg", self.mean, sums)
        basis = np.einsum("gij,jg->ig", self.inverse, right)
        groups = sums / self.total - np.einsum("kjg,jg->kg", self.mean, basis)
        return groups, basis

    def rss(self, residual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weighted sum of squares of each gene."""
        return np.asarray((self.weights * residual**2).sum(axis=0))

    def variance(self, of_groups: Any, of_basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of combinations of the coefficients, for residual variance one.

        Parameters
        ----------
        of_groups
            What each combination has of the indicators, sparse, combinations x groups.
        of_basis
            What it has of the basis, combinations x columns.

        Returns
        -------
        Combinations x genes.
        """
        n, n_basis = of_basis.shape
        n_genes = self.weights.shape[1]
        variance = of_groups.power(2) @ (1.0 / self.total) if self.design.n_groups else np.zeros((n, n_genes))
        if not n_basis:
            return np.asarray(variance)
        mean = of_groups @ self.mean.reshape(self.design.n_groups, n_basis * n_genes)
        own = np.moveaxis(of_basis[:, :, None] - mean.reshape(n, n_basis, n_genes), 2, 0)
        return np.asarray(variance + np.einsum("gmj,gmj->mg", own @ self.inverse, own))


class BlockedEquations:
    """Normal equations of generalised least squares, where samples of one block are correlated.

    The covariance of the samples in a gene is D C D, where D has the inverse roots of its weights and C the correlations.
    Weighted by D^-1 and by the inverse of the Cholesky factor of C, the samples are independent.
    """

    def __init__(self, design: Design, weights: NDArray[np.float64], whitening: NDArray[np.float64]) -> None:
        self.design = design
        self.scale = np.sqrt(weights)
        self.whitening = whitening
        spanned = np.hstack([design.member.T.toarray(), design.basis])
        self.columns = whitening @ (self.scale.T[:, :, None] * spanned)
        self.inverse = np.linalg.inv(self.columns.transpose(0, 2, 1) @ self.columns)

    def solve(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients of the indicators and of the basis."""
        right = np.einsum("gnq,ng->gq", self.columns, self.whitening @ (self.scale * values))
        found = np.einsum("gij,gj->ig", self.inverse, right)
        return found[: self.design.n_groups], found[self.design.n_groups :]

    def rss(self, residual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of squares of each gene, by the inverse covariance."""
        return np.asarray(np.square(self.whitening @ (self.scale * residual)).sum(axis=0))

    def variance(self, of_groups: Any, of_basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of combinations of the coefficients, as :meth:`WeightedEquations.variance`."""
        combined = np.hstack([of_groups.toarray(), of_basis])
        return np.asarray(np.einsum("ci,gij,cj->cg", combined, self.inverse, combined, optimize=True))


def normal_equations(
    design: Design, weights: NDArray[np.float64], whitening: NDArray[np.float64] | None
) -> WeightedEquations | BlockedEquations:
    """Equations of genes with these weights, whose samples are independent or correlated.

    Parameters
    ----------
    design
        Model matrix.
    weights
        Samples x genes.
    whitening
        Matrix after which correlated samples are independent; `None` if they are.

    Returns
    -------
    The equations.
    """
    return WeightedEquations(design, weights) if whitening is None else BlockedEquations(design, weights, whitening)


def gene_blocks(design: Design, n_genes: int, n_combinations: int) -> Iterator[slice]:
    """Blocks of genes whose equations fit into a small part of the memory."""
    n_basis = design.basis.shape[1]
    per_gene = 8 * max(design.n_samples, (design.n_groups + n_combinations) * max(1, n_basis), n_basis**2)
    size = max(1, _BLOCK_BYTES // per_gene)
    return (slice(start, start + size) for start in range(0, n_genes, size))
