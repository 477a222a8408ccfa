"""Processor seconds and memory of `scpi.attribution.attribute_units` beside captum in a loop over the units, and beside
back-propagation with hooks of all cells at once, a unit at a time, as Kinalis et al. (2019) have it.

Random sparse counts of 10,000 cells and 5,000 genes, an encoder of 5000-128-64 units with a softplus after both layers,
and the mean over cells of the attributions of all 64 units. captum receives batches that are dense and already
transformed, reads each once for all units, and its attributions are averaged as they are computed. The loop with hooks
runs forward and backward once per unit; its lean variant neither computes gradients of parameters nor registers its
hooks again. Methods that take more passes are run on fewer cells, the same ones on both sides. All run on one thread,
in turns; times are CPU times, and the medians over the rounds are compared. Results that the file contains already are
not measured again::

    OMP_NUM_THREADS=1 python benchmarks/saliency_speed.py --out benchmarks/results/saliency_speed.json
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _results import store
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from scipy import sparse
from torch import Tensor, nn

from scpi.attribution import AttributionTarget, attribute_units

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS, N_GENES, N_HIDDEN, N_UNITS, DENSITY, N_THREADS = 10_000, 5_000, 128, 64, 0.1, 1
N_STEPS, BATCH = 32, 512
# Methods, and the number of cells on which they run
TASKS = (("gradient", N_CELLS), ("input_x_gradient", 2_000), ("integrated_gradients", 128))
# Number of cells for which the memory is measured
SIZES = (2_500, 10_000, 40_000)


def encoder() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(N_GENES, N_HIDDEN), nn.Softplus(), nn.Linear(N_HIDDEN, N_UNITS), nn.Softplus())
    for layer in (network[0], network[2]):
        nn.init.xavier_normal_(layer.weight)
    return network.eval()


def as_target(network: nn.Sequential) -> AttributionTarget:
    return AttributionTarget(
        network,
        torch.log1p,
        [f"unit_{k}" for k in range(N_UNITS)],
        kind="latent",
        projection=network[0].weight.T,
        head=lambda u: network[1:](u + network[0].bias),
    )


def random_counts(n_cells: int, seed: int = 0) -> sparse.csr_matrix:
    """Counts in one of ten genes of each cell, created in place, so that the peak memory is that of the counts."""
    rng, step = np.random.default_rng(seed), round(1 / DENSITY)
    size = N_GENES // step
    data, indices = np.empty((n_cells, size), dtype=np.float32), np.empty((n_cells, size), dtype=np.int32)
    for row in range(n_cells):
        data[row] = 1 + rng.poisson(1.0, size)
        indices[row] = np.arange(0, N_GENES, step) + rng.integers(step, size=size)
    indptr = np.arange(n_cells + 1, dtype=np.int32) * size
    return sparse.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=(n_cells, N_GENES))


def by_captum(network: nn.Sequential, cells: Tensor, method: str) -> np.ndarray:
    """Means over cells, units x genes."""
    mean = cells.mean(0, keepdim=True)
    calls: dict[str, Callable[[Tensor, int], Tensor]] = {
        "gradient": lambda x, k: Saliency(network).attribute(x, k, abs=False),
        "input_x_gradient": lambda x, k: InputXGradient(network).attribute(x, k),
        "integrated_gradients": lambda x, k: IntegratedGradients(network).attribute(
            x, mean, k, n_steps=N_STEPS, method="gausslegendre", internal_batch_size=BATCH
        ),
    }
    sums = torch.zeros((N_UNITS, N_GENES))
    for part in cells.split(BATCH):
        for unit in range(N_UNITS):
            sums[unit] += calls[method](part, unit).detach().sum(0)
    return (sums / len(cells)).numpy()


def rectify(_: Any, grad_in: tuple[Tensor, ...], __: Any) -> tuple[Tensor, ...]:
    return (grad_in[0].clamp(min=0),)


def by_hooks(network: nn.Sequential, cells: Tensor, *, lean: bool) -> np.ndarray:
    """Means over cells of the absolute guided gradients, units x genes."""
    curves = [module for module in network if isinstance(module, nn.Softplus)]
    found = torch.zeros((N_UNITS, N_GENES))
    network.requires_grad_(not lean)
    hooks = [module.register_full_backward_hook(rectify) for module in curves] if lean else []
    for unit in range(N_UNITS):
        if not lean:
            hooks = [module.register_full_backward_hook(rectify) for module in curves]
        x = cells.detach().requires_grad_(True)
        network.zero_grad()
        network(x)[:, unit].sum().backward()
        found[unit] = x.grad.abs().mean(0)
        if not lean:
            for hook in hooks:
                hook.remove()
    if lean:
        for hook in hooks:
            hook.remove()
    network.requires_grad_(True)
    return found.numpy()


def measure(contenders: dict[str, Callable[[], np.ndarray]], n_rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Median CPU seconds of each method, and its result."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    found = {}
    for _ in range(n_rounds):
        for name, call in contenders.items():
            start = time.process_time()
            found[name] = call()
            taken[name].append(time.process_time() - start)
    return {name: median(times) for name, times in taken.items()}, found


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def against_captum(network: nn.Sequential, counts: Any, method: str, n_rounds: int) -> dict[str, Any]:
    cells = torch.log1p(torch.from_numpy(counts.toarray()))
    options = {"n_steps": N_STEPS} if method == "integrated_gradients" else {}
    target = as_target(network)
    seconds, found = measure(
        {
            "scpi": lambda: attribute_units(target, counts, method=method, **options).mean[0],
            "captum": lambda: by_captum(network, cells, method),
        },
        n_rounds,
    )
    return {
        "method": method,
        "aggregate": "mean over cells",
        "n_cells": len(cells),
        "scpi_s": seconds["scpi"],
        "captum_s": seconds["captum"],
        "faster": seconds["captum"] / seconds["scpi"],
        "largest_difference": difference(found["scpi"], found["captum"]),
    }


def against_hooks(network: nn.Sequential, counts: Any, n_rounds: int) -> dict[str, Any]:
    cells = torch.log1p(torch.from_numpy(counts.toarray()))
    target = as_target(network)
    some = np.full(counts.shape[0], -1)
    some[np.random.default_rng(0).choice(counts.shape[0], counts.shape[0] // 10, replace=False)] = 0
    ours: dict[str, dict[str, Any]] = {
        "gradient, mean": {"method": "gradient"},
        "guided, mean": {"method": "guided"},
        "guided, mean of absolute values": {"method": "guided", "absolute": True},
        "guided, mean of absolute values in a tenth of the cells": {
            "method": "guided",
            "absolute": True,
            "codes": some,
        },
    }

    def call(absolute: bool = False, **settings: Any) -> np.ndarray:
        result = attribute_units(target, counts, absolute=absolute, **settings)
        values = result.mean_abs if absolute else result.mean
        assert values is not None
        return values[0]

    contenders: dict[str, Callable[[], np.ndarray]] = {
        name: lambda settings=settings: call(**settings) for name, settings in ours.items()
    }
    contenders["loop"] = lambda: by_hooks(network, cells, lean=False)
    contenders["lean_loop"] = lambda: by_hooks(network, cells, lean=True)
    seconds, found = measure(contenders, n_rounds)
    expected = found["loop"]
    return {
        "n_cells": len(cells),
        "loop_s": seconds["loop"],
        "lean_loop_s": seconds["lean_loop"],
        "scpi": [
            {
                "what": name,
                "s": seconds[name],
                "faster": seconds["loop"] / seconds[name],
                "faster_than_lean": seconds["lean_loop"] / seconds[name],
                **(
                    {"largest_difference": difference(found[name], expected)}
                    if "absolute" in name
                    else {
                        "correlation_of_sizes": float(np.corrcoef(np.abs(found[name]).ravel(), expected.ravel())[0, 1])
                    }
                ),
            }
            for name in ours
        ],
    }


def peak() -> float:
    """Peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_of(contender: str, n_cells: int) -> float:
    """Memory of a method in addition to the counts and the libraries, in MiB."""
    network, counts = encoder(), random_counts(n_cells)
    attribute_units(as_target(network), counts[:64])  # what is loaded at first use is no working memory
    before = peak()
    if contender == "loop":
        by_hooks(network, torch.log1p(torch.from_numpy(counts.toarray())), lean=False)
    else:
        attribute_units(as_target(network), counts, method=contender)
    return peak() - before


def memory() -> list[dict[str, Any]]:
    """Memory of each method in a separate process; the loop keeps all cells in memory, and runs on fewer."""
    runs = []
    for contender, sizes in (("gradient", SIZES), ("guided", SIZES), ("loop", SIZES[:1])):
        for n_cells in sizes:
            command = [sys.executable, __file__, "--memory-of", contender, str(n_cells)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append({"what": contender, "n_cells": n_cells, "mib": float(result.stdout.split()[-1])})
            print(json.dumps(runs[-1]), flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-of", nargs=2)
    arguments = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    warnings.filterwarnings("ignore", module="captum")
    if arguments.memory_of:
        print(memory_of(arguments.memory_of[0], int(arguments.memory_of[1])))
        return
    found: dict[str, Any] = {
        "n_genes": N_GENES,
        "n_units": N_UNITS,
        "threads": N_THREADS,
        "rounds": arguments.rounds,
        "machine": platform.machine(),
        "torch": version("torch"),
        "captum": version("captum"),
    }
    if arguments.out.exists():
        found |= json.loads(arguments.out.read_text())
    network, counts = encoder(), random_counts(N_CELLS)
    parts: dict[str, Callable[[], Any]] = {
        "memory": memory,
        **{
            f"captum_{method}": lambda method=method, n=n: against_captum(network, counts[:n], method, arguments.rounds)
            for method, n in TASKS
        },
        "hooks": lambda: against_hooks(network, counts, arguments.rounds),
    }
    for name, part in parts.items():
        if name not in found:
            found[name] = part()
            print(json.dumps(found[name], indent=1), flush=True)
            store(arguments.out, found)


if __name__ == "__main__":
    main()
