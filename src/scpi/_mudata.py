from __future__ import annotations

from typing import TYPE_CHECKING

from anndata import AnnData

from scpi._screen._checks import load_annotations

if TYPE_CHECKING:
    from mudata import MuData


def resolve_modality(data: AnnData | MuData, mod: str | None) -> AnnData:
    """Select the AnnData on which a function operates: the one that was given, or a modality of a MuData.

    It is not a copy: changes to it are changes to ``data``. A `TypeError` says if that is neither, a `ValueError` if
    ``mod`` is given for an AnnData, is missing for a MuData, or is not one of its modalities. Annotations that are lazy are
    read into memory.
    """
    if isinstance(data, AnnData):
        if mod is not None:
            msg = f"mod={mod!r} names a modality of a MuData, but an AnnData was given: omit mod."
            raise ValueError(msg)
        load_annotations(data)
        return data

    from mudata import MuData

    if not isinstance(data, MuData):
        msg = f"Expected an AnnData or a MuData, not {type(data).__name__}."
        raise TypeError(msg)
    if mod is None or mod not in data.mod:
        given = "mod= is missing" if mod is None else f"mod={mod!r} is not one of its modalities"
        msg = f"A MuData was given and {given}. Choose one of: {', '.join(map(repr, data.mod))}."
        raise ValueError(msg)
    return data.mod[mod]
