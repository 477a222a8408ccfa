"""Largest difference between scpi and the published formulas, in float64, part by part.

The formulas of ``_published.py`` and plain loops are compared with the module that users train, with the same
parameters, cells and noise::

    python benchmarks/fidelity.py --out benchmarks/results/fidelity.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from _published import PublishedNetwork, explicit_mmd
from _results import store
from torch.nn import functional as F

from scpi.model.base._constants import KEYS
from scpi.model.base.losses._mmd import batched_mmd
from scpi.model.base.losses._schedules import ramp
from scpi.model.senavae._module import SENAVAEModule, normal_kl
from scpi.model.senavae._presets import PRESETS
from scpi.model.senavae._scm import solve_linear, solve_relu

N_GENES, N_SETS, N_TARGETS, N_FACTORS, BATCH = 60, 12, 7, 6, 16


def networks(preset_name: str) -> tuple[PublishedNetwork, SENAVAEModule]:
    """Both networks with the same parameters."""
    torch.manual_seed(0)
    mask = torch.rand(N_GENES, N_SETS) < 0.3
    preset = PRESETS[preset_name]
    is_sena = preset.encoder == "gene_sets"
    module = SENAVAEModule(
        N_GENES, N_TARGETS, N_FACTORS, preset=preset, membership=mask.to_sparse() if is_sena else None
    ).double()
    width = N_SETS if is_sena else preset.n_hidden
    published = PublishedNetwork(
        mask if is_sena else torch.ones(N_GENES, width, dtype=torch.bool), N_TARGETS, N_FACTORS
    )
    first, heads, net = module.encoder.first, module.encoder.heads, module.intervention.logits_net
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        published.pathway.weight.copy_(first.dense_weight() if is_sena else first.weight)
        published.pathway.bias.copy_(first.bias)
        for layer, rows in ((published.mean, slice(0, N_FACTORS)), (published.variance, slice(N_FACTORS, None))):
            layer.weight.copy_(heads.weight[rows])
            layer.bias.copy_(heads.bias[rows])
        for theirs, ours in (
            (published.c1, net[0]),
            (published.c2, net[2]),
            (published.d1, module.decoder.first),
            (published.d2, module.decoder.last),
        ):
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias)
        published.shift.copy_(module.intervention.strength)
        published.graph.copy_(module.causal.adjacency())
    return published, module


def compare_preset(name: str) -> dict[str, float]:
    """Terms of the objective, and its gradient with respect to the graph and the decoder."""
    published, module = networks(name)
    preset = module.preset
    x, y = torch.rand(2, BATCH, N_GENES, dtype=torch.float64)
    noise = torch.randn(BATCH, N_FACTORS, dtype=torch.float64)
    c = F.one_hot(torch.full((BATCH,), 2), N_TARGETS).double()
    temperature, alpha, beta = 3.0, 0.7, 0.4
    y_hat, x_hat, mean, variance = published(x, c, temperature, noise)
    mmd = explicit_mmd(y_hat, y, sigma=preset.bandwidth)
    mse = F.mse_loss(x_hat, x)
    per_cell = -0.5 * (1 + variance.log() - mean.square() - variance)
    kl = per_cell.mean() / BATCH if name == "sena" else per_cell.sum() / BATCH
    edges = torch.triu(published.graph, diagonal=1).abs().sum()
    l1 = edges / (N_FACTORS * (N_FACTORS - 1) / 2) if name == "sena" else edges
    loss = alpha * mmd + mse + beta * kl + (0.1 if name == "sena" else 1e-3) * l1

    for buffer, value in (
        (module.mmd_weight, alpha),
        (module.kl_weight, beta),
        (module.bandwidth, preset.bandwidth),
        (module.intervention.temperature, temperature),
    ):
        buffer.fill_(value)
    tensors = {KEYS.X: x, KEYS.PERTURBED: y, KEYS.DESIGN: c[:1], KEYS.WEIGHT: torch.ones(1, BATCH, dtype=torch.float64)}
    our_mean, our_variance = module.encode(x)
    inference = {"z": our_mean + our_variance.sqrt() * noise, "mean": our_mean, "variance": our_variance}
    generated = module.generative(**module._get_generative_input(tensors, inference))
    output = module.loss(tensors, inference, generated)
    loss.backward()
    output.loss.backward()
    upper = torch.triu_indices(N_FACTORS, N_FACTORS, offset=1)
    pairs = {
        "activity": (
            F.linear(x, published.pathway.weight * published.mask, published.pathway.bias),
            module.encoder.activity(x),
        ),
        "posterior mean": (mean, our_mean),
        "posterior variance": (variance, our_variance),
        "reconstruction": (x_hat, generated["mean"]),
        "counterfactual": (y_hat, generated["perturbed"]),
        "mmd": (mmd, output.extra_metrics["mmd"]),
        "mse": (mse, output.extra_metrics["reconstruction"]),
        "kl": (kl, output.extra_metrics["kl"]),
        "l1": (l1, output.extra_metrics["graph_l1"]),
        "loss": (loss, output.loss),
        "gradient by the graph": (published.graph.grad[upper[0], upper[1]], module.causal.graph.weight.grad),
        "gradient by the decoder": (published.d1.weight.grad, module.decoder.first.weight.grad),
        "gradient by the strengths": (published.shift.grad, module.intervention.strength.grad),
    }
    return {part: float((a - b).abs().max()) for part, (a, b) in pairs.items()}


def compare_parts() -> dict[str, float]:
    """Compare causal layers, discrepancy and divergence with loops."""
    rng = np.random.default_rng(0)
    graph = np.triu(rng.normal(size=(N_FACTORS, N_FACTORS)), 1)
    z = rng.normal(size=(BATCH, N_FACTORS))
    relu = np.zeros_like(z)
    for j in range(N_FACTORS):
        relu[:, j] = z[:, j] + sum(np.maximum(relu[:, i], 0) * graph[i, j] for i in range(j))
    inverse = z @ np.linalg.inv(np.eye(N_FACTORS) - graph)
    x, y = rng.normal(size=(2, BATCH, N_GENES))
    naive = 0.0
    for (a, b), sign in (((x, x), 1), ((y, y), 1), ((x, y), -2)):
        kernel = [[sum(np.exp(-((p - q) ** 2).sum() / (50.0 / 32 * 2**i)) for i in range(10)) for q in b] for p in a]
        naive += sign * (np.mean(kernel) if sign < 0 else (np.sum(kernel) - np.trace(kernel)) / (BATCH * (BATCH - 1)))
    torch_graph, torch_z = torch.from_numpy(graph), torch.from_numpy(z)
    mean, variance = rng.normal(size=(BATCH, 3)), rng.random((BATCH, 3)) + 0.1
    kl = sum(np.log(1 / np.sqrt(variance[:, k])) + (variance[:, k] + mean[:, k] ** 2) / 2 - 0.5 for k in range(3))
    return {
        "linear causal layer": float(np.abs(inverse - solve_linear(torch_z, torch_graph).numpy()).max()),
        "rectified causal layer": float(np.abs(relu - solve_relu(torch_z, torch_graph).numpy()).max()),
        "unbiased mmd": abs(
            naive - float(batched_mmd(torch.from_numpy(x)[None], torch.from_numpy(y)[None], base=50.0))
        ),
        "kl": float(np.abs(kl - normal_kl(torch.from_numpy(mean), torch.from_numpy(variance)).numpy()).max()),
    }


def compare_schedules() -> dict[str, float]:
    """Compare the weights of all epochs with the published tables."""
    worst = {}
    for name in ("sena", "zhang"):
        preset, n = PRESETS[name], 100
        error = 0.0
        for start, low, high, published_start in (
            (preset.mmd_start, 0.0, preset.max_mmd, 5),
            (preset.kl_start, 0.0, preset.max_kl, 10),
            (preset.temperature_start, 1.0, preset.max_temperature, 5),
        ):
            table = np.full(n, high)
            table[:published_start] = low
            table[published_start : n // 2] = np.linspace(low, high, n // 2 - published_start)
            ours = [ramp(epoch, n_epochs=n, start_epoch=start, low=low, high=high) for epoch in range(n)]
            error = max(error, float(np.abs(table - ours).max()))
        worst[f"schedules of {name}"] = error
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result: dict = {"parts": compare_parts() | compare_schedules()}
    result |= {name: compare_preset(name) for name in ("sena", "zhang")}
    result["largest"] = max(value for part in result.values() if isinstance(part, dict) for value in part.values())
    if args.out:
        store(args.out, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
