"""No call changes the process of the user, and equal seeds give equal results in every process, on any number of threads."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scvi import settings

from scpi.screen import run_screen

from .compare import differs, leaves
from .functions import Call, data, layer_of, models, tools, trained

NAMES = [*tools(), *models()]
# By default, one call in six
ONE_IN = 6
# Sums in another order: relative to the largest value, after one epoch
TOLERANCE = 1e-3


def state():
    """What a call leaves alone, as text that can be compared."""
    loggers = {"root": logging.root} | {
        name: logger for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)
    }
    return {
        "random": repr(random.getstate()),
        "numpy": repr([np.asarray(part).tolist() for part in np.random.get_state()]),  # noqa: NPY002
        "torch": repr(torch.get_rng_state().tolist()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "precision": (torch.get_default_dtype(), torch.get_float32_matmul_precision()),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "gradients": torch.is_grad_enabled(),
        "numpy errors": np.geterr(),
        "warnings": list(warnings.filters),
        "rcParams": dict(mpl.rcParams),
        "figures": plt.get_fignums(),
        "environment": dict(os.environ),
        "folder": (str(Path.cwd()), sorted(path.name for path in Path.cwd().iterdir())),
        "seed": settings.seed,
        "loggers": {
            name: (logger.level, list(logger.handlers), list(logger.filters), logger.propagate, logger.disabled)
            for name, logger in loggers.items()
        },
    }


def changed(before, after):
    """Names of what differs; loggers of modules that were imported meanwhile are new."""
    after = after | {"loggers": {name: after["loggers"].get(name) for name in before["loggers"]}}
    return [name for name in before if before[name] != after[name]]


def rows(names):
    for name in names:
        chosen = zlib.crc32(name.encode()) % ONE_IN == 0
        yield pytest.param(name, marks=[] if chosen else [pytest.mark.slow])


@pytest.mark.parametrize("name", list(rows(NAMES)))
def test_a_call_leaves_the_process_as_it_was(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = Call(name, data())
    call()  # what is imported on the first call may set itself up
    call = Call(name, data())
    before = state()
    call()
    assert not changed(before, state())


def test_a_run_leaves_the_process_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = data()

    def run():
        run_screen(adata, max_epochs=1, min_size=2, train_kwargs={"accelerator": "cpu"})

    run()
    before = state()
    run()
    assert not changed(before, state())


@pytest.mark.slow
def test_methods_of_models_leave_the_process_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in models():
        adata = data()
        model = trained(name, adata, layer_of(name))
        for method in ("get_latent_representation", "evaluate", "save"):
            function = getattr(model, method, None)
            if function is not None:
                before = state()
                function(
                    *(["../saved"] if method == "save" else []), **({"overwrite": True} if method == "save" else {})
                )
                assert not changed(before, state()), (name, method)


def write(names, n_threads, path):
    """Write the numbers of calls; the process is one of the test below."""
    torch.set_num_threads(n_threads)
    warnings.simplefilter("ignore")
    found = {}
    for name in names:
        call = Call(name, data())
        result = call()
        for place, value in leaves({"adata": call.adata, "result": result}).items():
            if value.dtype.kind in "fiub" and "seconds" not in place:
                found[f"{name}{place}"] = value
    np.savez(path, **{key.replace("/", "|"): value for key, value in found.items()})


@pytest.mark.slow
def test_equal_seeds_give_equal_results_in_every_process(tmp_path):
    names = [name for name in NAMES if name != "tl.causal_graph"]
    found = []
    for i, n_threads in enumerate((1, 1, 2)):
        path = tmp_path / f"{i}.npz"
        code = f"from tests.inputs.test_state import write; write({names!r}, {n_threads}, {str(path)!r})"
        env = {**os.environ, "PYTHONHASHSEED": str(i), "OMP_NUM_THREADS": str(n_threads)}
        subprocess.run([sys.executable, "-c", code], check=True, env=env, cwd=Path(__file__).parents[2])
        found.append(np.load(path))
    first, again, on_two_threads = found
    assert set(first) == set(again) == set(on_two_threads)
    for key, value in first.items():
        assert not differs(again[key], value, 0.0), key
        scale = (
            max(float(np.abs(value).max(initial=0.0, where=np.isfinite(value))), 1.0)
            if value.dtype.kind == "f"
            else 1.0
        )
        assert not differs(on_two_threads[key] / scale, value / scale, TOLERANCE), key
