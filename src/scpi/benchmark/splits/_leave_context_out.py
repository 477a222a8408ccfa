"""Hold out the perturbed cells of one context at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._screen._conditions import read_screen
from scpi._screen._split import leave_out
from scpi.benchmark.splits._choose import choose

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from anndata import AnnData
    from numpy.typing import ArrayLike

    from scpi._screen._labels import Control
    from scpi._screen._split import Split


@fill
def leave_context_out(
    adata: AnnData,
    *,
    context_key: str,
    contexts: Sequence[str] | str | None = None,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control | Sequence[Control] = "control",
    delimiter: str | None = "+",
    reference_fraction: float = 0.5,
    cells: ArrayLike | None = None,
    rng: int | np.random.Generator | None = 0,
) -> list[Split]:
    """Hold out all perturbed cells of one context at a time, and keep its controls.

    Parameters
    ----------
    %(adata)s
    context_key
        Column of ``adata.obs`` with the contexts, such as cell types or donors.
    contexts
        Contexts to hold out. If ``None``, all with perturbed cells and enough controls.
    %(perturbation_key)s
    %(control)s
    %(delimiter)s
    %(reference_fraction)s
    %(cells)s
    %(rng)s

    Returns
    -------
    One split per context, in alphabetic order.

    Raises
    ------
    KeyError
        If a column does not exist.
    ValueError
        If there are fewer than two contexts with perturbed cells, or a given context is unknown or has too few
        controls.
    """
    screen = read_screen(
        adata,
        perturbation_key=perturbation_key,
        control=control,
        delimiter=delimiter,
        context_key=context_key,
        cells=cells,
    )
    perturbed = sorted(set(screen.context[~screen.is_control]))
    if len(perturbed) < 2:
        msg = (
            f"`adata.obs[{context_key!r}]` has {len(perturbed)} context(s) with perturbed cells: at least two are needed "
            "to predict one from the others."
        )
        raise ValueError(msg)
    least = 2 if reference_fraction else 1
    enough = [name for name in perturbed if (screen.is_control & (screen.context == name)).sum() >= least]
    generator = as_generator(rng)
    return [
        leave_out(
            screen,
            name,
            ~screen.is_control & (screen.context == name),
            reference_fraction=reference_fraction,
            rng=generator,
        )
        for name in choose(contexts, enough if contexts is None else perturbed, "context")
    ]
