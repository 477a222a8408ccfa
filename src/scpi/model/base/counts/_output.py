"""Content of predicted cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from scpi._slots import listed

if TYPE_CHECKING:
    from scpi._screen._checks import Scale

Output = Literal["counts", "log", "mean"]
"""Drawn counts, the logarithms of drawn counts, or the means that a model expects."""


def choose_output(asked: Output | None, scale: Scale, *, knows_counts: bool) -> Output:
    """Check what is asked for, or choose: drawn cells on the scale of the registered expression where it has one.

    ``knows_counts`` says whether there are counts that log-normalised expression was made from.
    """
    if asked is not None and asked not in get_args(Output):
        msg = f"`output` must be one of {listed(get_args(Output))}, or None, but is {asked!r}."
        raise ValueError(msg)
    if asked is None:
        return "counts" if scale == "counts" else "log" if scale == "logs" else "mean"
    if asked != "mean" and scale not in ("counts", "logs"):
        msg = (
            f"The registered expression is {scale}: counts cannot be drawn from it, and `output` can only be 'mean'. "
            "Register counts or log-normalised values to predict cells."
        )
        raise ValueError(msg)
    if asked == "counts" and scale == "logs" and not knows_counts:
        msg = (
            "The counts of the control cells are not known: name their layer in the setup of the model "
            "(`counts_layer=`), or take `output='log'`."
        )
        raise ValueError(msg)
    return asked
