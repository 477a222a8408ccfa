"""CPU seconds of `scpi.attribution.attribute_groups` and of captum in a loop over the same outputs and cells.

Random sparse counts, an encoder of 2000-256-64-32 units with batch normalisation, and the logits of 20 centroids.
captum receives batches that are dense and already transformed, reads each once for all its outputs, and its
attributions are averaged as they are computed. There are two questions: every output in every cell, averaged over all
cells; and the output of its own group in every cell, with the mean absolute value and the standard deviation. Methods
that take many passes are run on fewer cells, the same ones on both sides. Both run on one thread, in turns; times are
CPU times, and the medians over the rounds are compared::

    OMP_NUM_THREADS=1 python benchmarks/attribution_speed.py --out benchmarks/results/attribution_speed.json
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _results import store
from captum.attr import DeepLift, FeatureAblation, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from scipy import sparse
from torch import Tensor, nn

from scpi.attribution import AttributionTarget, attribute_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_CELLS, N_GENES, N_GROUPS, DENSITY, N_THREADS = 20_000, 2_000, 20, 0.1, 1
N_STEPS, BATCH = 32, 1024
# Question, method, and number of cells
TASKS = (
    ("all", "gradient", N_CELLS),
    ("all", "integrated_gradients", 512),
    ("own", "gradient", N_CELLS),
    ("own", "input_x_gradient", N_CELLS),
    ("own", "integrated_gradients", 4_000),
    ("own", "smoothgrad", 4_000),
    ("own", "deeplift", 4_000),
    ("own", "occlusion", 64),
)


class Network(nn.Module):
    """Encoder and the logits of centroids: minus half of the squared distances."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(N_GENES, 256)
        self.rest = nn.Sequential(
            nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 32)
        )
        self.register_buffer("centroids", torch.randn(N_GROUPS, 32))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.rest(self.first(x)))

    def head(self, u: Tensor) -> Tensor:
        return self.logits(self.rest(u + self.first.bias))

    def logits(self, z: Tensor) -> Tensor:
        return z @ self.centroids.T - 0.5 * (self.centroids**2).sum(1) - 0.5 * (z**2).sum(1, keepdim=True)


def transform(x: Tensor) -> Tensor:
    return torch.log1p(x * (1e3 / x.sum(1, keepdim=True).clamp(min=1.0)))


def random_counts(seed: int = 0) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    x = sparse.random(N_CELLS, N_GENES, density=DENSITY, format="csr", dtype=np.float32, random_state=rng)
    x.data[:] = 1 + rng.poisson(1.0, x.nnz)
    return x


def by_captum(network: Network, method: str, baseline: Tensor) -> Callable[[Tensor, int], Tensor]:
    """Attributions of an output for a batch of cells."""
    calls: dict[str, Callable[[Tensor, int], Tensor]] = {
        "gradient": lambda x, k: Saliency(network).attribute(x, k, abs=False),
        "input_x_gradient": lambda x, k: InputXGradient(network).attribute(x, k),
        "integrated_gradients": lambda x, k: IntegratedGradients(network).attribute(
            x, baseline, k, n_steps=N_STEPS, method="gausslegendre", internal_batch_size=BATCH
        ),
        "smoothgrad": lambda x, k: NoiseTunnel(Saliency(network)).attribute(
            x, nt_samples=16, nt_samples_batch_size=1, stdevs=0.1, target=k, abs=False
        ),
        "deeplift": lambda x, k: DeepLift(network).attribute(x, baseline, k),
        "occlusion": lambda x, k: FeatureAblation(network).attribute(x, 0.0, k, perturbations_per_eval=16),
    }
    return lambda x, k: calls[method](x, k).detach()


def batches(cells: Tensor, codes: np.ndarray, question: str) -> Iterator[tuple[list[int], Tensor, int]]:
    """Outputs, cells and group of each batch."""
    if question == "all":
        for part in cells.split(BATCH):
            yield list(range(N_GROUPS)), part, 0
        return
    for group in range(N_GROUPS):
        for part in cells[codes == group].split(BATCH):
            yield [group], part, group


def loop(network: Network, cells: Tensor, codes: np.ndarray, question: str, method: str) -> np.ndarray:
    """Means of groups by captum, groups or outputs x genes."""
    attribute = by_captum(network, method, cells.mean(0, keepdim=True))
    sums = torch.zeros((4, N_GROUPS, N_GENES))
    for outputs, part, group in batches(cells, codes, question):
        for output in outputs:
            found, row = attribute(part, output), output if question == "all" else group
            sums[0, row] += found.sum(0)
            if question == "own":
                sums[1, row] += found.abs().sum(0)
                sums[2, row] += (found**2).sum(0)
    size = len(cells) if question == "all" else np.bincount(codes, minlength=N_GROUPS)[:, None]
    with np.errstate(invalid="ignore"):  # a group without cells
        return sums[0].numpy() / size


def ours(target: AttributionTarget, x: Any, codes: np.ndarray, question: str, method: str) -> np.ndarray:
    options = {"integrated_gradients": {"n_steps": N_STEPS}, "smoothgrad": {"n_samples": 16, "noise": 0.1}}
    settings: dict[str, Any] = {"method": method, **options.get(method, {})}
    if question == "all":
        found = attribute_groups(target, x, np.zeros_like(codes), outputs="all", spread=False, **settings)
        return found.mean[0]
    return attribute_groups(target, x, codes, **settings).mean


def compare(network: Network, x: Any, codes: np.ndarray, task: tuple[str, str, int], n_rounds: int) -> dict[str, Any]:
    question, method, n_cells = task
    x, codes = x[:n_cells], codes[:n_cells]
    names = [f"group_{k}" for k in range(N_GROUPS)]
    with_projection = AttributionTarget(
        network, transform, names, kind="logit", projection=network.first.weight.T, head=network.head
    )
    without = AttributionTarget(network, transform, names, kind="logit")
    cells = transform(torch.from_numpy(x.toarray()))
    contenders: dict[str, Callable[[], np.ndarray]] = {
        "scpi": lambda: ours(with_projection, x, codes, question, method),
        "scpi_without_projection": lambda: ours(without, x, codes, question, method),
        "captum": lambda: loop(network, cells, codes, question, method),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    found = {}
    for _ in range(n_rounds):
        for name, call in contenders.items():
            start = time.process_time()
            found[name] = call()
            taken[name].append(time.process_time() - start)
    result: dict[str, Any] = {"question": question, "method": method, "n_cells": n_cells}
    result |= {f"{name}_s": median(times) for name, times in taken.items()}
    result["faster"] = result["captum_s"] / result["scpi_s"]
    result["faster_without_projection"] = result["captum_s"] / result["scpi_without_projection_s"]
    scale = np.nanmax(np.abs(found["captum"]))
    result["largest_difference"] = float(np.nanmax(np.abs(found["scpi"] - found["captum"])) / scale)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", module="captum")
    network, x = Network().eval(), random_counts()
    with torch.no_grad():  # running statistics as training leaves them, so that units are on and off
        network.train()(transform(torch.from_numpy(x[:4096].toarray())))
        network.eval()
    codes = np.random.default_rng(1).integers(0, N_GROUPS, N_CELLS)
    runs = []
    for task in TASKS:
        runs.append(compare(network, x, codes, task, arguments.rounds))
        print(json.dumps(runs[-1]), flush=True)
        found = {
            "n_genes": N_GENES,
            "n_groups": N_GROUPS,
            "threads": N_THREADS,
            "machine": platform.machine(),
            "torch": version("torch"),
            "captum": version("captum"),
            "runs": runs,
        }
        store(arguments.out, found)


if __name__ == "__main__":
    main()
