from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg, sparse

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# A column is taken for a sum of others if less than this fraction of its length is its own
_TOLERANCE = 1e-7


class DesignError(ValueError):
    """A design that cannot be fitted."""


@dataclass(frozen=True)
class Design:
    """Model matrix in a form in which any number of groups is cheap.

    The columns span the indicators of `n_groups` groups and the columns of `basis`, which are orthonormal and sum to
    zero within each group. Coefficients of the model matrix are those of the indicators and of the basis, mapped by
    `to_groups` and `to_basis`. Without groups, `basis` is an orthonormal basis of the whole matrix.
    """

    names: tuple[str, ...]
    codes: NDArray[np.intp]
    n_groups: int
    basis: NDArray[np.float64]
    to_groups: Any
    to_basis: NDArray[np.float64]

    @property
    def n_samples(self) -> int:
        """Rows of the model matrix."""
        return len(self.basis)

    @property
    def df_residual(self) -> int:
        """Rows less columns."""
        return self.n_samples - len(self.names)

    @property
    def member(self) -> Any:
        """Indicators of the groups, groups x samples."""
        return _indicators(self.codes, self.n_groups)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The model matrix itself, samples x coefficients."""
        spanned = np.hstack([self.member.T.toarray(), self.basis])
        matrix = spanned @ np.linalg.inv(np.hstack([self.to_groups.toarray(), self.to_basis]))
        # Zeros and ones stay what they are
        length = np.abs(matrix).max(axis=0)
        return np.asarray(np.round(matrix / length, 12) * length)

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Samples of each group."""
        return np.bincount(self.codes, minlength=self.n_groups)[: self.n_groups].astype(np.float64)

    @property
    def leverage(self) -> NDArray[np.float64]:
        """Diagonal of the hat matrix."""
        own = np.einsum("ij,ij->i", self.basis, self.basis)
        return own + 1.0 / self.sizes[self.codes] if self.n_groups else own

    @property
    def root(self) -> tuple[Any, NDArray[np.float64]]:
        """A sparse and a dense matrix R, coefficients x ..., of which R R' together is the inverse of X'X."""
        return self.to_groups @ sparse.diags_array(1.0 / np.sqrt(self.sizes)), self.to_basis

    def project(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least-squares coefficients of the indicators and of the basis, without weights."""
        return (self.member @ values) / self.sizes[:, None], self.basis.T @ values

    def fitted(self, groups: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fitted values of the samples from coefficients of the indicators and of the basis."""
        fitted = self.basis @ basis
        if self.n_groups:
            fitted += groups[self.codes]
        return fitted

    def coefficients(self, groups: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coefficients of the model matrix from those of the indicators and of the basis."""
        return np.asarray(self.to_groups @ groups + self.to_basis @ basis)


def group_design(
    codes: NDArray[np.intp], group_names: Sequence[str], *, columns: ArrayLike = (), names: Sequence[str] = ()
) -> Design:
    """Design of one indicator a group and further columns, never held as a matrix.

    Parameters
    ----------
    codes
        Group of each sample, 0, 1, ...; every group has one at least.
    group_names
        Names of the groups.
    columns
        Further columns, samples x columns.
    names
        Names of the further columns.

    Returns
    -------
    The design; its coefficients are first those of the groups.

    Raises
    ------
    DesignError
        If a column is a sum of those before it and of the groups.
    """
    n_groups = len(group_names)
    extra = np.asarray(columns, dtype=np.float64).reshape(len(codes), len(names))
    member = _indicators(codes, n_groups)
    mean = (member @ extra) / np.bincount(codes, minlength=n_groups)[:, None]
    basis, triangle, aliased = _orthonormalise(extra - mean[codes], np.linalg.norm(extra, axis=0))
    if aliased:
        raise DesignError(_aliased_message([names[column] for column in aliased]))
    inverse = linalg.solve_triangular(triangle, np.eye(len(names))) if len(names) else triangle
    return Design(
        names=(*group_names, *names),
        codes=codes,
        n_groups=n_groups,
        basis=basis,
        to_groups=sparse.csr_array(sparse.eye_array(n_groups + len(names), n_groups)),
        to_basis=np.concatenate([-mean @ inverse, inverse]),
    )


def as_design(
    design: ArrayLike | pd.DataFrame | Design, *, n_samples: int, groups: NDArray[np.intp] | None = None
) -> Design:
    """Bring a model matrix into the form in which groups are cheap.

    Parameters
    ----------
    design
        Model matrix, samples x coefficients; column names are kept.
    n_samples
        Rows that it has to have.
    groups
        Groups of samples whose indicators the columns span, if known. They are looked for otherwise.

    Returns
    -------
    The design; one without groups where the columns span no indicators.

    Raises
    ------
    ValueError
        If the shape does not fit or a value is not finite.
    DesignError
        If columns are sums of others, which the message names.
    """
    if isinstance(design, Design):
        if design.n_samples != n_samples:
            msg = f"`design` has {design.n_samples} rows, but there are {n_samples} samples."
            raise ValueError(msg)
        return design
    matrix = np.asarray(design, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != n_samples or not matrix.shape[1]:
        msg = f"`design` must be {n_samples} samples x coefficients, but has shape {matrix.shape}."
        raise ValueError(msg)
    if not np.isfinite(matrix).all():
        msg = "`design` has missing or infinite values: remove those samples."
        raise ValueError(msg)
    names = [str(name) for name in design.columns] if isinstance(design, pd.DataFrame) else None
    labels = tuple(names or (f"x{column}" for column in range(matrix.shape[1])))
    known = None if groups is None else np.unique(groups, return_inverse=True)[1]
    for codes in (known, _disjoint_groups(matrix)):
        if codes is not None and (found := _with_groups(matrix, labels, codes)) is not None:
            return found
    basis, triangle, aliased = _orthonormalise(matrix, np.linalg.norm(matrix, axis=0))
    if aliased:
        raise DesignError(_aliased_message([labels[column] for column in aliased]))
    return Design(
        names=labels,
        codes=np.zeros(n_samples, dtype=np.intp),
        n_groups=0,
        basis=basis,
        to_groups=sparse.csr_array((len(labels), 0)),
        to_basis=linalg.solve_triangular(triangle, np.eye(len(labels))),
    )


def require_residuals(design: Design) -> None:
    """Refuse a design after which nothing is left to estimate a variance from."""
    if design.df_residual < 1:
        msg = (
            f"There are no residual degrees of freedom: {design.n_samples} sample(s) for {len(design.names)} "
            "coefficient(s). Variances need replicates: add samples, or leave out covariates."
        )
        raise DesignError(msg)


def _indicators(codes: NDArray[np.intp], n_groups: int) -> Any:
    n = len(codes) if n_groups else 0
    return sparse.csr_array((np.ones(n), (codes[:n], np.arange(n))), shape=(n_groups, len(codes)))


def _disjoint_groups(matrix: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """Groups from columns of zeros and ones that exclude each other; the rows that no column has are one more."""
    codes = np.full(len(matrix), -1)
    n_groups = 0
    for column in matrix.T:
        rows = column != 0
        if (column[rows] == 1.0).all() and not rows.all() and (codes[rows] < 0).all():
            codes[rows] = n_groups
            n_groups += 1
    codes[codes < 0] = n_groups
    codes = np.unique(codes, return_inverse=True)[1]
    return codes if codes.max(initial=0) > 0 else None


def _with_groups(matrix: NDArray[np.float64], names: tuple[str, ...], codes: NDArray[np.intp]) -> Design | None:
    """The design with these groups, or nothing if the columns do not span their indicators."""
    n_groups, n_columns = int(codes.max()) + 1, matrix.shape[1]
    member = _indicators(codes, n_groups)
    mean = (member @ matrix) / np.bincount(codes, minlength=n_groups)[:, None]
    within = matrix - mean[codes]
    length = np.linalg.norm(matrix, axis=0)
    moving = np.flatnonzero(np.linalg.norm(within, axis=0) > _TOLERANCE * length)
    if n_groups + len(moving) < n_columns:
        return None
    basis, _, _ = _orthonormalise(within[:, moving], length[moving])
    if n_groups + basis.shape[1] != n_columns:
        return None
    # X = [indicators, basis] M, and M is square
    square = np.concatenate([mean, basis.T @ matrix])
    scaled = square / np.linalg.norm(square, axis=0)
    (triangle,) = linalg.qr(scaled, mode="r", pivoting=True)[:1]
    diagonal = np.abs(np.diag(triangle))
    if diagonal.min() < _TOLERANCE * diagonal.max():
        return None
    inverse = np.linalg.inv(square)
    to_groups = inverse[:, :n_groups]
    # Rounding would fill what is sparse: the indicators are sums and differences of few columns
    to_groups[np.abs(to_groups) < 1e-12 * np.abs(to_groups).max()] = 0.0
    return Design(names, codes, n_groups, basis, sparse.csr_array(to_groups), inverse[:, n_groups:])


def _orthonormalise(
    columns: NDArray[np.float64], length: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Gram-Schmidt from left to right: orthonormal Q and triangular R, and the columns that add nothing.

    Each column is projected twice, after which Q is orthonormal to rounding. A column adds nothing where what is left
    of it is negligible beside its `length`.
    """
    n, n_columns = columns.shape
    basis = np.empty((n, min(n, n_columns)), order="F")
    triangle = np.zeros((n_columns, n_columns))
    kept: list[int] = []
    aliased: list[int] = []
    for j in range(n_columns):
        rest = columns[:, j].copy()
        known = basis[:, : len(kept)]
        for _ in range(2):
            part = known.T @ rest
            rest -= known @ part
            triangle[: len(kept), j] += part
        norm = np.linalg.norm(rest)
        if norm <= _TOLERANCE * length[j] or len(kept) == n:
            aliased.append(j)
            continue
        triangle[len(kept), j] = norm
        basis[:, len(kept)] = rest / norm
        kept.append(j)
    return np.ascontiguousarray(basis[:, : len(kept)]), triangle[: len(kept)][:, kept], aliased


def _aliased_message(names: Sequence[str]) -> str:
    return (
        f"The design is not of full rank: {listed(names)} can be written as sums of the other coefficients, so their "
        "effects cannot be told apart. Leave out a covariate, or merge levels that always occur together."
    )
