"""Every public function and model with every kind of input: a right result, or an error that names the remedy.

The functions are those of the namespaces, and their arguments come from the tables of `functions.py`: a new function
is in the table by itself.
"""

from __future__ import annotations

import traceback
import warnings
import zlib
from functools import cache

import anndata as ad
import numpy as np
import pytest
import torch

import scpi
from scpi._scoring._metrics import METRICS

from .compare import differs, leaves
from .functions import CLUSTERING, TABLES, Call, data, generators, layer_of, models, tools, trained
from .kinds import LARGE, ODD, SAME

NAMES = [*tools(), *models(), *generators()]
# The whole table takes half an hour; by default, every function has one kind in sixteen, and every kind some functions
ONE_IN = 16
CLEAR = (ValueError, KeyError, TypeError, NotImplementedError, FloatingPointError)
# Errors of the libraries that name the remedy themselves
REMEDIES = ("Please run `adata = adata.copy()`",)


def table(kinds):
    """Functions by kinds."""
    rows = []
    for name in NAMES:
        for kind in kinds:
            chosen = kind not in LARGE and zlib.crc32(f"{name} {kind}".encode()) % ONE_IN == 0
            marks = [] if chosen else [pytest.mark.slow]
            rows.append(pytest.param(name, kind, id=f"{name}-{kind}", marks=marks))
    return rows


@pytest.fixture(autouse=True)
def quiet():
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def expected(name):
    adata = data()
    return result_of(Call(name, adata))


def result_of(call):
    result = call()
    return leaves({"adata": call.adata, "result": result})


def is_clear(error):
    """Whether an error was raised on purpose, and says enough."""
    origin = traceback.extract_tb(error.__traceback__)[-1].filename.replace("\\", "/")
    ours = "/scpi/" in origin and isinstance(error, CLEAR)
    return (ours and len(str(error)) > 25) or any(remedy in str(error) for remedy in REMEDIES)


def made(kinds, kind, folder, adata=None):
    if kind == "lazy":
        pytest.importorskip("dask")
        pytest.importorskip("xarray")
    return kinds[kind](data() if adata is None else adata, folder)


def run(name, adata):
    """The numbers of a call, or the clear error that it raises; nothing is half-written."""
    call = None
    try:
        call = Call(name, adata)
        before = leaves(adata)
        return result_of(call)
    except Exception as error:  # what is raised is the subject
        if not is_clear(error):
            raise
        if call is not None:
            after = leaves(adata)
            assert {key for key in after if "_scvi" not in key and "_scpi" not in key} <= set(before)
        return None


@pytest.mark.parametrize(("name", "kind"), table(SAME))
def test_the_same_numbers_held_in_another_way(name, kind, tmp_path):
    found = run(name, made(SAME, kind, tmp_path))
    if found is None:  # files, lazy data and views that models do not take
        assert kind in ("backed", "lazy", "dask", "dask of CSR", "view")
        return
    for path, value in expected(name).items():
        # Rounding decides on single draws; X is a layer in the newest anndata
        if not path.endswith(("/X", "/layers/None", "/layers/counts", "/source_cell")) and "seconds" not in path:
            assert path in found, path
            assert not differs(found[path], value, 2e-3), path


@pytest.mark.parametrize(("name", "kind"), table(ODD))
def test_odd_input_gives_a_result_or_a_clear_error(name, kind, tmp_path):
    adata = made(ODD, kind, tmp_path)
    given = leaves(adata)
    found = run(name, adata)
    if found is None:
        return
    # The expression and the annotations are there as they were, and what is finite for common input is finite
    for path, value in given.items():
        key = f"/adata{path}"
        if key in found and path.startswith(("/X", "/obs", "/layers")) and not path.startswith("/obs/_sc"):
            assert not differs(found[key], value, 0.0), path
    for path, value in found.items():
        usual = expected(name).get(path)
        # The score, its ceiling and those of other predictions
        if kind in ("1 gene", "all zeros") and path.rpartition("/")[2].startswith(tuple(METRICS)):
            continue  # what does not vary has no correlation
        is_new = path.removeprefix("/adata") not in given and value.dtype.kind == "f"
        if kind in ("negative", "scaled", "scaled with raw") and ("logfoldchanges" in path or "ave_expr" in path):
            continue  # a warning says that such values have no means of counts
        if kind == "genes of zeros" and name == "benchmark.op3_conditions" and "/limma/" in path:
            continue  # genes without counts are not tested
        if name == "screen.run_screen" and "pearson" in path:
            continue  # a model of one epoch may change nothing
        if kind == "2 genes" and any(name in path for name in ("r2_weighted", "correlation_error", "margin")):
            continue  # one of them has all the weight; one pair has no correlations; one set has no next one
        if is_new and usual is not None and usual.dtype.kind == "f" and np.isfinite(usual).all():
            assert np.isfinite(value).all(), path


UNFIT = {
    "a gene less": lambda adata: adata[:, 1:].copy(),
    "NaN": lambda adata: made(ODD, "NaN", None, adata),
    "no labels": lambda adata: ad.AnnData(adata.X, var=adata.var),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("MeanDelta", "SENAVAE") else pytest.mark.slow)
        for name in models()
        if name not in TABLES
    ],
)
def test_cells_that_a_model_refuses_are_left_as_they_were(name):
    model = trained(name, data(), layer_of(name))
    read = "predict" if hasattr(model, "predict") and name not in CLUSTERING else "get_latent_representation"
    calls = [lambda new: getattr(model, read)(new, **({"perturbation": "A"} if read == "predict" else {}))]
    if hasattr(model, "get_latent_representation"):
        calls.append(lambda new: scpi.tl.saliency(new, model))
    for make in UNFIT.values():
        for call in calls:
            new = make(data())
            given = {slot: list(getattr(new, slot)) for slot in ("obs", "var", "obsm", "varm", "uns", "layers")}
            try:
                call(new)
            except CLEAR:
                assert {slot: list(getattr(new, slot)) for slot in given} == given
