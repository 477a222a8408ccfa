"""The control of a screen that holds changes against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._screen._checks import scale_of
from scpi._screen._labels import Labelling
from scpi._slots import find_column, layer_name, read_layer

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._screen._labels import Control


def with_zero_control(
    changes: AnnData,
    *,
    perturbation_key: str = Key.obs.PERTURBATION,
    control: Control = "control",
    layer: str | None = None,
) -> AnnData:
    """Add the row that changes are against: a control whose expression is zero, in all layers.

    Some pseudobulk screens are published as changes against the control, which has no row of its own. With it they enter
    :func:`scpi.screen.run_pseudobulk` and :func:`scpi.benchmark.evaluate` as profiles do; what is predicted are changes.

    Parameters
    ----------
    changes
        Annotated data whose rows are changes of conditions.
    perturbation_key
        Column of ``obs`` with the label of each row.
    control
        Label of the new row.
    layer
        Layer with the changes; ``X`` if ``None``.

    Returns
    -------
    Copy with one more row, the last. Columns of ``obs`` other than that of the labels are missing there, and ``obsm`` and
    ``obsp`` are left out.

    Raises
    ------
    KeyError
        If there is no such column.
    ValueError
        If there is a control row, or no value is negative, so that the rows seem to be no changes.
    """
    labels = find_column(changes, perturbation_key, argument="perturbation_key")
    name = Labelling.of(control, None).control
    if (labels.astype(str) == name).any():
        msg = f"There are rows of the control {name!r} in `obs[{perturbation_key!r}]`: none is to be added."
        raise ValueError(msg)
    if scale_of(read_layer(changes, layer)) != "scaled":
        msg = f"`{layer_name(layer)}` has no negative value, and seems to hold expression, not changes. The control needs its own profile."
        raise ValueError(msg)
    zero = np.zeros((1, changes.n_vars), dtype=np.float32)
    row = ad.AnnData(
        zero,
        obs=pd.DataFrame({perturbation_key: [name]}, index=[_new_name(name, changes.obs_names)]),
        var=pd.DataFrame(index=changes.var_names),
        layers={layer: zero for layer in changes.layers if layer is not None},
    )
    return ad.concat([changes, row], join="outer", merge="first", uns_merge="first")


def _new_name(name: str, names: pd.Index) -> str:
    """A name of the new row that no other has."""
    while name in names:
        name = f"{name}_"
    return name
