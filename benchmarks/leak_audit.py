"""Leaks found in 12 grids that have none, and 10 planted into Kang's cells: `leak_audit.py results/leak_audit.json`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import scanpy as sc
from _results import store
from _screens import FILES, SIMULATED, logged, read
from sklearn.neighbors import kneighbors_graph

from scpi import __version__
from scpi.benchmark import audit_leaks


def planted() -> dict[str, list[str]]:
    """Leaks in the division that leaves CD4 T cells out, and what is found of each."""
    adata, divisions, setup = read("Kang, types")
    (split,) = (one for one in divisions if one.name == "CD4 T cells")
    test, both = split.test[:20], np.union1d(split.train, split.test[:20])
    moved, rng = replace(split, train=both, test=np.setdiff1d(split.test, test)), np.random.default_rng(0)
    copied, near, spelled, selected, scaled, embedded, joined = (adata.copy() for _ in range(7))
    for cells, keep in ((copied, 1.0), (near, 0.95)):
        counts = cells.layers["counts"].toarray()
        counts[split.train[:20]] = rng.binomial(counts[test].astype(int), keep)
        cells.X = type(cells.X)(counts)
        logged(cells)
    spelled.obs["condition"] = np.where(np.isin(np.arange(adata.n_obs), test), "Stim", adata.obs["condition"])
    sc.pp.highly_variable_genes(selected, n_top_genes=500)
    sc.pp.scale(scaled)
    sc.pp.pca(embedded, n_comps=20)
    joined.obsp["connectivities"] = kneighbors_graph(adata.X, 10)
    cases = {
        "test cells in training": (adata, replace(split, train=both)),
        "duplicated cells": (copied, split),
        "near-duplicated cells": (near, split),
        "condition on both sides": (adata, moved),
        "other spelling in training": (spelled, moved),
        "shared controls": (adata, replace(split, reference=split.start)),
        "genes selected with test cells": (selected, split),
        "scaled with test cells": (scaled, split),
        "representation of test cells": (embedded, split),
        "neighbours across the division": (joined, split),
    }
    return {kind: audit_leaks(*case, **setup)["kind"].unique().tolist() for kind, case in cases.items()}


if __name__ == "__main__":
    clean = []
    for name in (*FILES, *SIMULATED):
        adata, divisions, setup = read(name)
        sizes = {"cells": adata.n_obs, "genes": adata.n_vars, "divisions": len(divisions)}
        clean.append({"grid": name} | sizes | {"findings": len(audit_leaks(adata, divisions, **setup))})
    result = {"scpi": __version__, "clean": clean, "planted": planted()}
    store(Path(sys.argv[1]), result)
