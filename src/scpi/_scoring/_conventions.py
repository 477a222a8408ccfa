"""The defaults of what a score takes besides the cells, each written once."""

from __future__ import annotations

N_CELLS = 1000
"""Maximum number of cells of a kind, measured, predicted or control, in metrics that compare cells."""
N_COMPONENTS = 30
"""Number of principal components in which distances between cells are taken."""
N_SPLITS = 5
"""Number of random halves that the noise ceiling is averaged over."""

EXCLUDE_TARGETS = True
"""Whether genes that are named as members of a condition are left out of its score."""

LEAK_RISK, LEAKS = "leak_risk", "leaks"
"""Columns of a table of scores that say how far the division of the cells is to be trusted, and what was found."""

NULL_OF = "null_of"
"""Column of a table of scores that names the model whose matched null a row is of; empty text in all other rows."""


def check_conventions(n_cells: int, n_components: int | None) -> None:
    """Refuse fewer than two cells of a kind and less than one component, with which no score can be computed."""
    if n_cells < 2:
        msg = f"`n_cells` must be at least 2, as one cell has no spread, but is {n_cells}."
        raise ValueError(msg)
    if n_components is not None and n_components < 1:
        msg = f"`n_components` must be at least 1, or `None` for distances in genes, but is {n_components}."
        raise ValueError(msg)
