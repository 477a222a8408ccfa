"""Kinds of input: the same numbers held in another way, and numbers, names and labels that are odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _matrices(convert: Callable[[Any], Any]) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    """Convert X and the layers."""

    def change(adata: ad.AnnData, folder: Path) -> ad.AnnData:
        adata.X = convert(adata.X)
        for name in [name for name in adata.layers if name is not None]:  # anndata 0.13 lists X among them
            adata.layers[name] = convert(adata.layers[name])
        return adata

    return change


def _of_data(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Convert the stored values of a matrix."""

    def change(matrix: Any) -> Any:
        matrix = matrix.copy()
        matrix.data = convert(matrix.data)
        return matrix

    return change


def _wide_indices(matrix: Any) -> Any:
    matrix = matrix.copy()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def _unsorted(matrix: Any) -> Any:
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(matrix.indptr, matrix.indptr[1:], strict=False)])
    return sparse.csr_matrix((matrix.data[order], matrix.indices[order], matrix.indptr), shape=matrix.shape)


def _duplicated(matrix: Any) -> Any:
    """Every entry stands twice, at half of its value: a legal form of the same matrix."""
    indptr = matrix.indptr * 2
    return sparse.csr_matrix((np.repeat(matrix.data / 2, 2), np.repeat(matrix.indices, 2), indptr), shape=matrix.shape)


def _with_zeros(matrix: Any) -> Any:
    full = matrix.toarray()
    rows, columns = np.indices(full.shape)
    return sparse.csr_matrix((full.ravel(), columns.ravel(), np.arange(0, full.size + 1, full.shape[1])), full.shape)


def _read_only(matrix: Any) -> Any:
    matrix = matrix.copy()
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


def _view(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    return ad.concat([adata, adata], merge="same", uns_merge="same", index_unique="-")[: adata.n_obs]


def _stored(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.write_h5ad(folder / "a.h5ad")
    return ad.read_h5ad(folder / "a.h5ad", backed="r")


def _lazy(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.write_zarr(folder / "a.zarr")
    return ad.experimental.read_lazy(folder / "a.zarr")


def _dask(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def convert(matrix: Any) -> Any:
        array = pytest.importorskip("dask.array").from_array(matrix.toarray(), chunks=(17, matrix.shape[1]))
        return array.map_blocks(make) if make is not np.asarray else array

    return convert


SAME: dict[str, Callable[[ad.AnnData, Path], ad.AnnData]] = {
    "dense": _matrices(lambda x: x.toarray()),
    "Fortran order": _matrices(lambda x: np.asfortranarray(x.toarray())),
    "CSC": _matrices(sparse.csc_matrix),
    "csr_array": _matrices(sparse.csr_array),
    "csc_array": _matrices(sparse.csc_array),
    "int64 indices": _matrices(_wide_indices),
    "unsorted indices": _matrices(_unsorted),
    "entries twice": _matrices(_duplicated),
    "stored zeros": _matrices(_with_zeros),
    "float64": _matrices(lambda x: x.astype(np.float64)),
    "read-only": _matrices(_read_only),
    "big-endian": _matrices(_of_data(lambda values: values.astype(">f4"))),
    "view": _view,
    "backed": _stored,
    "lazy": _lazy,
    "dask": _matrices(_dask(np.asarray)),
    "dask of CSR": _matrices(_dask(sparse.csr_matrix)),
}
"""The same numbers, held in another way."""


def _set(index: Any, value: Any) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    """Set entries of X and the layers."""

    def set_in(matrix: Any) -> Any:
        matrix = matrix.toarray()
        matrix[index] = value
        return sparse.csr_matrix(matrix)

    return _matrices(set_in)


def _cells(select: Any) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    return lambda adata, folder: adata[select].copy()


def _genes(select: Any) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    return lambda adata, folder: adata[:, select].copy()


def _column(name: str, make: Callable[[pd.Series], Any]) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    def change(adata: ad.AnnData, folder: Path) -> ad.AnnData:
        adata.obs[name] = make(adata.obs[name])
        return adata

    return change


def _names(axis: str, make: Callable[[pd.Index], Any]) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    def change(adata: ad.AnnData, folder: Path) -> ad.AnnData:
        setattr(adata, f"{axis}_names", make(getattr(adata, f"{axis}_names")))
        return adata

    return change


def _labels(make: Callable[[pd.Series], Any]) -> Callable[[ad.AnnData, Path], ad.AnnData]:
    """Change the labels of groups and of perturbations."""

    def change(adata: ad.AnnData, folder: Path) -> ad.AnnData:
        for name in ("group", "perturbation"):
            adata.obs[name] = make(adata.obs[name].astype(object))
        return adata

    return change


def _missing(labels: pd.Series) -> pd.Series:
    labels = labels.copy()
    labels.iloc[::7] = np.nan
    return labels


def _twice(names: pd.Index) -> list[str]:
    return [names[0], *names[:-1]]


def _no_expression(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.X = None
    adata.layers.clear()
    return adata


def _only_layers(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.X = None
    return adata


def _scaled(matrix: Any) -> Any:
    values = matrix.toarray()
    return (values - values.mean(0)) / (values.std(0) + 1)


def _scaled_with_raw(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.raw = adata
    return _matrices(_scaled)(adata, folder)


def _logs_as_counts(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    adata.layers["counts"] = adata.X.copy()
    return adata


def _many_groups(adata: ad.AnnData, folder: Path) -> ad.AnnData:
    """5,000 groups of two cells, beside those that arguments name."""
    n = adata.n_obs
    many = ad.concat([adata] * 105, merge="same", uns_merge="same", index_unique="-")
    many.obs["group"] = [*adata.obs["group"].astype(str), *(f"group {i // 2}" for i in range(many.n_obs - n))]
    return many


ODD: dict[str, Callable[[ad.AnnData, Path], ad.AnnData]] = {
    "X=None": _no_expression,
    "X=None with layers": _only_layers,
    "scaled with raw": _scaled_with_raw,
    "logs as counts": _logs_as_counts,
    "5,000 groups": _many_groups,
    "float16": _matrices(lambda x: x.toarray().astype(np.float16)),
    "bool": _matrices(lambda x: x.toarray() > 1),
    "integers": _matrices(lambda x: np.rint(x.toarray()).astype(np.int32)),
    "text": _matrices(lambda x: x.toarray().astype(str).astype(object)),
    "0 cells": _cells(slice(0, 0)),
    "0 genes": _genes(slice(0, 0)),
    "1 cell": _cells(slice(0, 1)),
    "1 gene": _genes(slice(0, 1)),
    "2 genes": _genes(slice(0, 2)),
    "cells of zeros": _set((slice(0, 10), slice(None)), 0),
    "genes of zeros": _set((slice(None), slice(0, 5)), 0),
    "all zeros": _set((slice(None), slice(None)), 0),
    "constant genes": _set((slice(None), slice(0, 5)), 2),
    "negative": _set((3, 2), -1),
    "scaled": _matrices(_scaled),
    "NaN": _set((3, 2), np.nan),
    "infinite": _set((3, 2), np.inf),
    "1e30": _set((3, 2), 1e30),
    "all 1e30": _matrices(lambda x: x.multiply(1e30).tocsr()),
    "gene names twice": _names("var", _twice),
    "cell names twice": _names("obs", _twice),
    "numbers as gene names": _names("var", lambda names: pd.Index(range(len(names)))),
    "strange gene names": _names("var", lambda names: [f"=a/{i};<b>:é\n" for i in range(len(names))]),
    "strange cell names": _names("obs", lambda names: [f"../{i}|<i>&" for i in range(len(names))]),
    "numbers as labels": _labels(
        lambda labels: labels.map({"control": 0, "a": 0, "A": 1, "b": 1}).fillna(2).astype(int)
    ),
    "true and false as labels": _labels(lambda labels: labels.isin(["control", "a", "b"])),
    "missing labels": _labels(_missing),
    "labels of several types": _labels(lambda labels: labels.replace({"c": 3, "B": 3.5})),
    "labels with blanks": _labels(lambda labels: " " + labels.astype(str) + " "),
    "strange labels": _labels(lambda labels: labels.replace({"c": "=c/<b>:\n", "B": "../B"})),
    "empty label": _labels(lambda labels: labels.replace({"c": "", "B": ""})),
    "sentences as labels": _labels(lambda labels: labels.replace({"c": "-é" * 40, "B": ".."})),
    "all labels missing": _labels(lambda labels: np.nan),
    "one group": _labels(lambda labels: labels.iloc[0]),
    "one cell per group": _labels(lambda labels: [f"{i}" for i in range(len(labels))]),
    "empty categories": _labels(lambda labels: pd.Categorical(labels, [*labels.unique(), "nowhere"])),
    "one missing sample": _column("sample", _missing),
    "numbers as samples": _column("sample", lambda labels: labels.str[1:].astype(int)),
}
"""Numbers, names and labels that are odd: a right result, or an error that names the remedy."""
LARGE = {"5,000 groups"}
"""Kinds that take long."""
