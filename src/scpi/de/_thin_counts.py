from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from anndata import AnnData

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._blocks import blocks
from scpi._slots import result_params
from scpi._view import View
from scpi.de._overdispersion import estimate_overdispersion
from scpi.de._thin import Thinning, check_fraction, check_overdispersion, thin
from scpi.de._write_layers import new_file, write_layers

if TYPE_CHECKING:
    from pathlib import Path

    from mudata import MuData
    from numpy.typing import ArrayLike


@fill
def thin_counts(
    data: AnnData | MuData,
    *,
    fraction: float = 0.5,
    overdispersion: ArrayLike | Literal["estimate"] = "estimate",
    layer: str | None = None,
    key_added: str | None = None,
    rng: int | np.random.Generator | None = None,
    mod: str | None = None,
    out: str | Path | None = None,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Split the counts into independent train and test parts, for valid tests of groups that were found on the data.

    Groups that were found on the counts (clusters, the output of a model) differ in these counts even if there is no
    structure, so that tests between them reject far too often. Find the groups on the train part, and test them on the
    test part: p-values are then valid as far as the counts follow the model. :func:`scpi.de.thin` describes the model
    and the split. The depths of both parts follow that of the cell. :func:`scpi.de.rank_genes` recognises the test
    part, and uses a test that is valid if groups differ in depth.

    The split is exact for Poisson counts of any depth, and for negative binomial counts at the correct overdispersion.
    The overdispersion is estimated within small groups of similar cells (:func:`scpi.de.estimate_overdispersion`),
    because that of a mixture of cell types is larger than that of its parts (Hivert et al., arXiv 2405.13591). If the
    overdispersion is too small, the parts are positively correlated, and p-values too small. If it is too large, the
    parts are negatively correlated.

    Parameters
    ----------
    %(data)s
    fraction
        Expected fraction of the counts in the train part. A larger fraction finds groups better, but leaves fewer
        counts for the test.
    overdispersion
        Overdispersion of each gene, or one number for all genes: the variance of a count with mean mu is
        mu + overdispersion mu^2; 0 for Poisson counts.
    %(counts_layer)s
    %(key_added)s
    %(rng)s
    %(mod)s
    out
        New h5ad file or zarr store. The annotations of cells and genes and the fields below are written to it in blocks
        of cells, so that the counts need not fit into memory. The given object is unchanged. Layers of such a file stay
        on disk if it is opened with :func:`anndata.experimental.read_lazy`.
    %(copy)s

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields, of the file if `out` is given:

    `adata.layers['thinned_train' | key_added + '_train']`
        Counts for finding groups or training models.
    `adata.layers['thinned_test' | key_added + '_test']`
        Counts for tests. Train and test part add up to the counts.
    `adata.var['thinned_overdispersion' | key_added + '_overdispersion']` : :class:`pandas.Series` (dtype `float64`)
        The overdispersion that was used.
    `adata.uns['thinned' | key_added]` : :class:`dict`
        `params`: the parameters of the split.

    Raises
    ------
    KeyError
        If the layer does not exist.
    ValueError
        If the data has negative, fractional or missing values, `fraction` or `overdispersion` is out of range or of the
        wrong length, `out` is not the name of an h5ad file or zarr store, or `out` and `copy` are both given.
    FileExistsError
        If the file exists.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> adata = AnnData(np.random.default_rng(0).poisson(3.0, size=(100, 20)))
    >>> scpi.de.thin_counts(adata, overdispersion=0, rng=0)
    >>> bool((adata.layers["thinned_train"] + adata.layers["thinned_test"] == adata.X).all())
    True
    """
    key_added = Key.uns.THINNED if key_added is None else key_added
    view = View.to_write(data, mod, layer, key_added=key_added).of_counts()
    path = None if out is None else new_file(out)
    if path is not None and copy:
        msg = "`out` names a file for the result, and `copy=True` asks for another: omit one of them."
        raise ValueError(msg)
    counts = view.counts if path is None else view.stored_counts
    check_fraction(fraction)
    generator = as_generator(rng)
    estimated = isinstance(overdispersion, str)
    if isinstance(overdispersion, str):
        if overdispersion != "estimate":
            msg = f"`overdispersion` must be 'estimate', a number or an array, but is {overdispersion!r}."
            raise ValueError(msg)
        used = estimate_overdispersion(counts, rng=generator)
    else:
        used = check_overdispersion(overdispersion, view.adata.n_vars)
    names = f"{key_added}_{Key.layers.TRAIN}", f"{key_added}_{Key.layers.TEST}"
    if path is None:
        parts = dict(zip(names, thin(counts, fraction=fraction, overdispersion=used, rng=generator), strict=True))
        result, target = view.output(copy)
        target.layers.update(parts)
    else:
        result, target = None, AnnData(obs=view.adata.obs, var=view.adata.var.copy())
    target.var[f"{key_added}_{Key.var.OVERDISPERSION}"] = np.array(used)
    target.uns[key_added] = {
        "params": result_params(
            fraction=float(fraction),
            layer=view.layer,
            overdispersion="estimated" if estimated else "given",
            train_layer=names[0],
            test_layer=names[1],
        )
    }
    if path is not None:
        split = Thinning(used, fraction, generator)
        write_layers(
            path, target, (dict(zip(names, split.split(block.values), strict=True)) for block in blocks(counts, 0))
        )
    return result
