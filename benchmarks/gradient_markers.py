"""Ranks of canonical markers among the genes of their cell type: gradients, the rank-sum test and the t-test.

Blood cells (10x PBMC 3k with published labels) and haematopoietic progenitors of the mouse (Paul et al., 2015), whose
labels come from clusterings: the p-values of these rankings are not valid, only their order is used. The markers were
taken from the literature before the rankings were inspected. Data are those of `SCPI_TEST_DATA`::

    python benchmarks/gradient_markers.py --out benchmarks/results/gradient_markers.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import anndata as ad
import numpy as np
from _results import store

import scpi
from scpi._ranking import read_ranking

MARKERS = {
    "pbmc3k_labelled": {
        "B": ["CD79A", "MS4A1"],
        "NK": ["NKG7", "GNLY"],
        "CD14+ Mono": ["LYZ", "S100A8"],
        "FCGR3A+ Mono": ["FCGR3A", "MS4A7"],
        "Platelet": ["PPBP", "PF4"],
        "DC": ["FCER1A", "CST3"],
        "CD8 T": ["CD8A", "GZMK"],
        "Naive CD4 T": ["CCR7", "LEF1"],
        "Memory CD4 T": ["IL7R", "LTB"],
    },
    "paul15": {
        "Ery": ["Hba-a2", "Car1"],
        "Neu": ["Elane", "Mpo"],
        "Mk": ["Pf4", "Itga2b"],
        "Baso": ["Prss34", "Mcpt8"],
        "Eos": ["Prg2", "Epx"],
        "DC": ["Cd74", "Irf8"],
        "Mo": ["Ly86", "Ctsg"],
    },
}
METHODS = ("sparse decoder", "gradient, classifier", "wilcoxon", "t-test")


def rank(adata, method: str):
    if method in ("wilcoxon", "t-test"):
        scpi.de.rank_genes(adata, "cell_type", method=method, key_added=method)
    else:
        name = "sparse_decoder" if method == "sparse decoder" else "gradient"
        scpi.tl.rank_genes_gradients(adata, "cell_type", method=name, test=None, key_added=method)
    return read_ranking(adata, method)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows, seconds = [], []
    for file, markers in MARKERS.items():
        adata = ad.read_h5ad(Path(os.environ["SCPI_TEST_DATA"]) / f"{file}.h5ad")
        for method in METHODS:
            start = time.perf_counter()
            found = rank(adata, method)
            seconds.append({"data": file, "method": method, "seconds": round(time.perf_counter() - start, 2)})
            order = found.order()
            for group, genes in markers.items():
                place = np.empty(len(found.genes), dtype=int)
                place[order[list(found.groups).index(group)]] = np.arange(1, len(found.genes) + 1)
                for gene in genes:
                    rank_of = int(place[list(found.genes).index(gene)])
                    rows.append({"data": file, "group": group, "gene": gene, "method": method, "rank": rank_of})
    result = {"ranks": rows, "seconds": seconds, "first_20": {}}
    for method in METHODS:
        ranks = [row["rank"] for row in rows if row["method"] == method]
        result["first_20"][method] = {"markers": len(ranks), "within": sum(r <= 20 for r in ranks)}
    store(args.out, result)
    print(json.dumps(result["first_20"], indent=1))


if __name__ == "__main__":
    main()
