"""One way from the declared fields of a model to registered data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anndata import AnnData
from scvi.data import AnnDataManager
from scvi.data._constants import _SETUP_ARGS_KEY, _SETUP_METHOD_NAME

from scpi._layer_of_counts import layer_of_counts, layer_of_new_counts
from scpi._screen._checks import check_annotations, check_expression, check_paired, check_varies
from scpi._slots import find_column, find_layer, layer_name
from scpi._unknown import refuse_unknown
from scpi.model.base.setup._manager import CountsManager, expression_field
from scpi.model.base.setup._rollback import unchanged_on_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mudata import MuData

    from scpi.model.base.setup._declaration import Field


def register(
    data: AnnData | MuData, method: dict[str, Any], declared: Sequence[Field], *, checks: dict[str, Any], **kwargs: Any
) -> AnnDataManager:
    """Check data and register the expression and the ``declared`` fields; on failure the data is unchanged.

    ``method`` holds the name and the arguments of the setup, as scvi-tools stores them. Arguments of further fields
    come from ``kwargs``; the rest goes to :meth:`scvi.data.AnnDataManager.register_fields`. ``checks`` are arguments of
    :func:`scpi._screen._checks.check_expression`.
    """
    arguments = method[_SETUP_ARGS_KEY]
    arguments |= {
        field.argument: kwargs.pop(field.argument, field.default)
        for field in declared
        if field.argument not in arguments
    }
    modalities = None
    _check_kind(data, method[_SETUP_METHOD_NAME])
    if isinstance(data, AnnData):
        check_annotations(data)
        expression = data
    else:
        modalities = _check_modalities(data, arguments["modalities"], declared)
        expression, what = data.mod[modalities["layer"]], f"mdata.mod[{modalities['layer']!r}]"
        check_annotations(expression, what=what)
        check_paired(data, modalities["layer"])
    is_new = "source_registry" not in kwargs
    if is_new:
        refuse_unknown(kwargs, arguments, owner=method[_SETUP_METHOD_NAME], kind="argument")
    if checks["counts"]:
        # The setup records which layer is read, whether or not it was named
        arguments["layer"] = (layer_of_counts if is_new else layer_of_new_counts)(expression, arguments["layer"])
    layer = arguments["layer"]
    if modalities is None:
        what = layer_name(layer)
    values = find_layer(expression, layer)
    # Counts in a layer that is named are meant
    unlike_counts = is_new and layer is None and checks["unlike_counts"]
    check_expression(values, what=what, **checks | {"unlike_counts": unlike_counts})
    if is_new:
        check_varies(values, what=what)
    if (counts_layer := arguments.get("counts_layer")) is not None:
        known = find_layer(expression, counts_layer)
        check_expression(known, what=layer_name(counts_layer), counts=True)
    used = [field for field in declared if field.required or arguments[field.argument] is not None]
    fields = [expression_field(layer, None if modalities is None else modalities["layer"])]
    for field in used:
        built = field.build(arguments, modalities)
        if modalities is not None and built.attr_name in ("obs", "obsm") and built.mod_key is None:
            _check_columns(data, field.named(arguments))
        if modalities is None and is_new and built.attr_name in ("obs", "obsm"):
            for argument, column in field.named(arguments):
                find_column(data, column, argument=argument)
        fields.append(built)
    manager = (CountsManager if checks["counts"] else AnnDataManager)(fields=fields, setup_method_args=method)
    with unchanged_on_failure(data):
        manager.register_fields(data, **kwargs)
    return manager


def _check_kind(data: AnnData | MuData, method: str) -> None:
    """Check that the setup matches the type of the data."""
    given, wanted = ("AnnData", "setup_anndata") if isinstance(data, AnnData) else ("MuData", "setup_mudata")
    if method != wanted:
        call = f"{wanted}(mdata, modalities={{'layer': ...}})" if given == "MuData" else f"{wanted}(adata)"
        msg = f"`{method}` was given {type(data).__name__}: call `{call}`."
        raise TypeError(msg)


def _check_columns(mdata: MuData, columns: Iterable[tuple[str, str]]) -> None:
    """Refuse columns that exist only in a modality, not in ``mdata.obs``."""
    for argument, column in columns:
        there = [name for name, adata in mdata.mod.items() if column in adata.obs]
        if column not in mdata.obs and there:
            msg = (
                f"{column!r} is not a column of `mdata.obs`, but of `mdata.mod[{there[0]!r}].obs`: "
                f"say so by `modalities={{'layer': ..., {argument!r}: {there[0]!r}}}`."
            )
            raise KeyError(msg)


def _check_modalities(mdata: MuData, modalities: dict[str, str] | None, declared: Sequence[Field]) -> dict[str, str]:
    """Check the modality that the user gave for each argument of a setup."""
    known = ["layer", *(argument for field in declared for argument in field.places)]
    there = list(mdata.mod)
    if not modalities or "layer" not in modalities:
        msg = f"`modalities` must say where the expression is, such as {{'layer': {there[0]!r}}}. There are {there}."
        raise ValueError(msg)
    unknown = sorted(set(modalities) - set(known))
    if unknown:
        msg = f"`modalities` has no place for {unknown}; it takes {known}."
        raise ValueError(msg)
    for argument, modality in modalities.items():
        if modality is not None and modality not in mdata.mod:
            msg = f"`modalities[{argument!r}]` is {modality!r}, but the modalities are {there}."
            raise ValueError(msg)
    return modalities
