from __future__ import annotations

from itertools import product

import pandas as pd

_DE_PROB = (0.05, 0.1, 0.3)
_DROPOUT_MID = (-1.0, 0.0, 1.0)
# By design and number of groups: cells, probabilities of the groups, and scale of the factors
_DESIGNS = {
    ("balanced", 2): (500, (1 / 2, 1 / 2), 0.25),
    ("balanced", 3): (750, (1 / 3, 1 / 3, 1 / 3), 0.25),
    ("imbalanced", 2): (3000, (0.3, 0.7), 0.20),
    ("imbalanced", 3): (3000, (0.2, 0.3, 0.5), 0.20),
}


def splat_configurations() -> pd.DataFrame:
    """List the 36 configurations of simulated cells on which gradients of clustering networks were studied.

    They combine two designs with two and three groups, three proportions of differentially expressed genes and three
    levels of dropout: balanced data sets with 250 cells per group, and imbalanced ones with 3000 cells and weaker
    effects. All have 2500 genes. :func:`scpi.datasets.splat_benchmark` simulates one of them.

    Returns
    -------
    Table with one row per configuration, indexed by its name: `design`, `n_groups`, `de_prob`, `dropout_mid`,
    `n_cells`, `group_prob` (a tuple) and `de_fac_scale`, which are arguments of :func:`scpi.datasets.splat`.

    Notes
    -----
    The configurations are those of M. Ciortan and M. Defrance, who use them with the R package Splatter in their
    repository `sc-interpretability`.

    Examples
    --------
    >>> from scpi.datasets import splat_configurations
    >>> table = splat_configurations()
    >>> len(table), table.index[0]
    (36, 'balanced_k2_de0.05_mid-1')
    """
    rows = []
    for (design, n_groups), de_prob, mid in product(_DESIGNS, _DE_PROB, _DROPOUT_MID):
        n_cells, group_prob, scale = _DESIGNS[design, n_groups]
        rows.append(
            {
                "name": f"{design}_k{n_groups}_de{de_prob:g}_mid{mid:g}",
                "design": design,
                "n_groups": n_groups,
                "de_prob": de_prob,
                "dropout_mid": mid,
                "n_cells": n_cells,
                "group_prob": group_prob,
                "de_fac_scale": scale,
            }
        )
    return pd.DataFrame(rows).set_index("name")
