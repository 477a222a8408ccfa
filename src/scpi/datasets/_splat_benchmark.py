from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._keys import Key
from scpi._slots import listed
from scpi.datasets._splat import splat
from scpi.datasets._splat_configurations import splat_configurations

if TYPE_CHECKING:
    from anndata import AnnData

_SETTINGS = ("n_cells", "group_prob", "de_prob", "de_fac_scale", "dropout_mid")


def splat_benchmark(name: str, *, rng: int | np.random.Generator | None = 0) -> AnnData:
    """Simulate one of the 36 configurations of :func:`scpi.datasets.splat_configurations`.

    For the same seed, every configuration has independent random numbers: no two data sets share genes, factors or
    cells, so that results on them can be treated as independent.

    Parameters
    ----------
    name
        Name of the configuration.
    rng
        Seed or generator. A generator is used as it is: the random numbers then depend on its state, not on the name.

    Returns
    -------
    Cells x genes with the fields of :func:`scpi.datasets.splat`, and the name in
    `adata.uns['truth']['configuration']`.

    Raises
    ------
    KeyError
        If there is no such configuration.

    Examples
    --------
    >>> from scpi.datasets import splat_benchmark
    >>> adata = splat_benchmark("balanced_k2_de0.05_mid1", rng=3)
    >>> adata.shape
    (500, 2500)
    """
    configurations = splat_configurations()
    if name not in configurations.index:
        msg = f"There is no configuration {name!r}, only {listed(configurations.index, 40)}."
        raise KeyError(msg)
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        sequence = np.random.SeedSequence(int(rng), spawn_key=(configurations.index.get_loc(name),))
        rng = np.random.default_rng(sequence)
    adata = splat(**configurations.loc[name, list(_SETTINGS)], rng=rng)
    adata.uns[Key.uns.TRUTH]["configuration"] = name
    return adata
