from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._saliency import has_non_negative_units, read_saliency
from scpi._slots import result_params
from scpi._view import View
from scpi.tl._impact._consensus import consensus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    _Run = tuple[NDArray[np.float64], NDArray[np.object_], bool]


@fill
def consensus_programs(
    data: AnnData | MuData,
    runs: Sequence[str] | Sequence[Any],
    *,
    min_similarity: float = 0.5,
    min_runs: int | None = None,
    method: str | None = None,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    r"""Find the gene programs that recur over training runs.

    A network that is trained again from another seed has its units in another order, with other signs and scales, and
    some units arise by chance. The similarity of the units :math:`a, b` of two runs is the absolute cosine of their
    saliencies, :math:`|\cos(a, b)|`. Units are grouped by it, with at most one unit per run in a program. The program
    is the mean of its units, each scaled to length one and with matched signs.

    Parameters
    ----------
    %(data)s
    runs
        Entries of `adata.varm` with the saliencies of each run, as written by :func:`scpi.tl.saliency`; or the trained
        models.
    min_similarity
        Minimum absolute cosine of a unit with its program.
    min_runs
        Minimum number of runs that contain a program. If `None`, half of the runs, but at least two.
    method
        Method of :func:`scpi.tl.saliency` if models are given; its default if `None`.
    %(stored_key_added)s
    **options
        Other options of :func:`scpi.tl.saliency` if models are given.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.varm['consensus_programs' | key_added]` : :class:`pandas.DataFrame` (dtype `float32`)
        Mean saliency of the units of each program, genes x programs, scaled to length one. Programs of most runs come
        first. The sign is that of the units if they agree in it, for example because units cannot be negative.
        Otherwise, the side with the heavier tail is positive.
    `adata.uns['consensus_programs' | key_added]` : :class:`dict`
        - For each of the `programs`: `n_found`, the number of runs that contain it; `similarity`, the mean absolute
          cosine of its units with it; and `members`, these units as `run:unit` with the number of the run, separated by
          semicolons, with a minus before units whose sign was flipped.
        - `share`: fraction of the units of each run that are in a program.
        - `params`.

    Raises
    ------
    KeyError
        If an entry does not exist.
    TypeError
        If options are given without models, or a model has no units that can be explained.
    ValueError
        If there are fewer than two runs, a number is out of range, or no program recurs.

    Examples
    --------
    >>> import numpy as np
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 3, n_genes_per_program=10)
    >>> truth = adata.varm["programs"].to_numpy()
    >>> for run in range(4):
    ...     rng = np.random.default_rng(run)
    ...     adata.varm[f"run{run}"] = truth[:, rng.permutation(3)] + 0.1 * rng.normal(size=truth.shape)
    >>> scpi.tl.consensus_programs(adata, ["run0", "run1", "run2", "run3"])
    >>> adata.uns["consensus_programs"]["n_found"].tolist()
    [4, 4, 4]
    """
    key_added = Key.varm.CONSENSUS_PROGRAMS if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    adata = view.adata
    runs = [runs] if isinstance(runs, str) else list(runs)
    min_runs = max(2, -(-len(runs) // 2)) if min_runs is None else min_runs
    _check_arguments(len(runs), min_similarity, min_runs)
    if any(isinstance(run, str) for run in runs):
        if options:
            msg = f"The options {sorted(options)} apply to saliencies that are computed from models, but `runs` has names."
            raise TypeError(msg)
        read = [_of_key(adata, str(run)) for run in runs]
    else:
        read = [_of_model(data, adata, model, method, mod, options) for model in runs]
    found = consensus([scores for scores, _, _ in read], min_similarity=min_similarity, min_runs=min_runs)
    n_programs = found.programs.shape[1]
    if n_programs == 0:
        msg = (
            f"No program is in {min_runs} of the {len(runs)} runs with an absolute cosine of {min_similarity}: lower "
            "`min_similarity` or `min_runs`, or the runs have nothing in common."
        )
        raise ValueError(msg)
    names = np.array([f"program_{i}" for i in range(n_programs)], dtype=object)
    result, target = view.output(copy)
    target.varm[key_added] = pd.DataFrame(found.programs.astype(np.float32), index=target.var_names, columns=names)
    target.uns[key_added] = {
        "params": result_params(
            runs=[run if isinstance(run, str) else type(run).__name__ for run in runs],
            min_similarity=min_similarity,
            min_runs=min_runs,
            non_negative=all(non_negative for _, _, non_negative in read),
        ),
        "programs": names,
        # All readers of `varm` look for the units under this name
        "units": names,
        "n_found": found.n_found,
        "similarity": found.similarity,
        "members": np.array(
            [
                ";".join(
                    f"{'-' if cosine < 0 else ''}{run}:{read[run][1][unit]}"
                    for run, (unit, cosine) in enumerate(zip(units, cosines, strict=True))
                    if unit >= 0
                )
                for units, cosines in zip(found.members, found.cosines, strict=True)
            ],
            dtype=object,
        ),
        "share": np.array([(found.members[:, run] >= 0).sum() / len(read[run][1]) for run in range(len(runs))]),
    }
    return result


def _check_arguments(n_runs: int, min_similarity: float, min_runs: int) -> None:
    if n_runs < 2:
        msg = f"A consensus needs at least two runs, but there is {n_runs}."
        raise ValueError(msg)
    if not 0.0 < min_similarity <= 1.0:
        msg = f"`min_similarity` must be above 0 and at most 1, but is {min_similarity}."
        raise ValueError(msg)
    if not 1 <= min_runs <= n_runs:
        msg = f"`min_runs` must be between 1 and the number of runs, {n_runs}, but is {min_runs}."
        raise ValueError(msg)


def _of_key(adata: AnnData, key: str) -> _Run:
    """Read saliencies and names of units, and whether units cannot be negative."""
    return (*read_saliency(adata, key), has_non_negative_units(adata, key))


def _of_model(
    data: AnnData | MuData, adata: AnnData, model: Any, method: str | None, mod: str | None, options: dict[str, Any]
) -> _Run:
    """Do the same for a model, without storing its saliencies in the data."""
    from scpi.tl._saliency import saliency

    key = "_scpi_run"
    try:
        saliency(data, model, method=method, key_added=key, mod=mod, **options)
        return _of_key(adata, key)
    finally:
        for slot in (adata.varm, adata.uns):
            for name in [name for name in slot if name.startswith(key)]:
                del slot[name]
