from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi._view import View
from scpi.de._limma_fit import Options, fit_model
from scpi.de._sample_models import Question, comparison_table, fit_samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class FittedComparison:
    """Data and settings behind a comparison of :func:`limma`."""

    samples: pd.DataFrame
    """Annotations of the samples."""
    expression: NDArray[np.float64]
    """Log2 counts per million, samples x tested genes."""
    genes: NDArray[np.intp]
    """Positions of these genes among all."""
    weights: NDArray[np.float64] | None
    """Precision weights, samples x genes or one for each sample; `None` without weights."""
    block: NDArray[np.object_] | None
    """Block of each sample; `None` without blocks."""
    block_correlation: float | None
    """Correlation within blocks."""
    design: pd.DataFrame
    """Model matrix, samples x coefficients."""
    contrast: NDArray[np.float64]
    """A weight of each coefficient."""
    trend: bool
    """Whether the prior variance follows mean expression."""
    robust: bool
    """Whether the prior variance is robust to genes with outlying variance."""


@fill
def fitted_comparisons(
    data: AnnData | MuData, *, key: str = Key.uns.LIMMA, mod: str | None = None
) -> dict[str, FittedComparison]:
    """Get the expression of the samples, the design and the contrast behind each comparison of :func:`limma`.

    The cells are aggregated and the models fitted again. The result serves as input for further steps of limma, such as
    :func:`fry`, or for a figure of the samples.

    Parameters
    ----------
    %(data)s
        :func:`limma` has been run on it.
    key
        Entry of `adata.uns` with the result.
    %(mod)s

    Returns
    -------
    The comparisons, by the names of the fields of the result.

    Raises
    ------
    KeyError
        If the result does not exist.
    ValueError
        If the samples have changed since the result was computed.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scpi
    >>> counts = np.random.default_rng(0).poisson(50, size=(8, 300))
    >>> adata = AnnData(counts.astype(float), obs={"condition": ["ctrl"] * 4 + ["stim"] * 4})
    >>> scpi.de.limma(adata, "condition", reference="ctrl")
    >>> found = scpi.de.fitted_comparisons(adata)["stim"]
    >>> found.design.columns.tolist(), found.contrast.tolist()
    (['ctrl', 'stim'], [-1.0, 1.0])
    """
    uns = resolve_modality(data, mod).uns
    stored = uns.get(key)
    params = stored.get("params", {}) if hasattr(stored, "get") else {}
    if "asked" not in params or str(params.get("method")) != "limma":
        msg = f"`adata.uns` has no result of `scpi.de.limma` under {key!r}, only {listed(uns)}. Call it first."
        raise KeyError(msg)
    layer = params.get("layer")
    view = View.of(data, mod, None if layer is None else str(layer))
    options = _options(params)
    question = Question.from_text(str(params["asked"]))
    with warnings.catch_warnings():
        # Warnings were given when the result was computed
        warnings.simplefilter("ignore", UserWarning)
        fit = partial(fit_model, options=options)
        _, fitted = fit_samples(view, question, fit, block=options.block, again=True)
    same = ["group", "n_samples", "n_reference"]
    if not stored["groups"][same].astype(str).equals(comparison_table(fitted)[same].astype(str)):
        msg = f"The samples are not those of {key!r} any more: call `scpi.de.limma` again."
        raise ValueError(msg)
    found = {}
    for model in fitted:
        design = pd.DataFrame(model.design.matrix, index=model.obs.index, columns=list(model.design.names))
        for name, contrast in model.contrasts.items():
            found[name] = FittedComparison(
                samples=model.obs,
                expression=model.fit.expression,
                genes=model.fit.genes,
                weights=model.fit.weights,
                block=model.fit.block,
                block_correlation=model.fit.correlation,
                design=design,
                contrast=contrast,
                trend=options.trend or options.method == "trend",
                robust=options.robust,
            )
    return found


def _options(params: Mapping[str, Any]) -> Options:
    names = {field.name: "fit" if field.name == "method" else field.name for field in fields(Options)}
    given = {field: params[name] for field, name in names.items() if name in params}
    # Values read from files are NumPy scalars
    return Options(**{name: getattr(value, "item", lambda value=value: value)() for name, value in given.items()})
