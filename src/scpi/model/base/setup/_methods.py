"""Setup methods derived from others: `setup_mudata` from `setup_anndata`, and both with further arguments."""

from __future__ import annotations

import inspect
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from scvi.utils import setup_anndata_dsp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scpi.model.base.setup._declaration import Field

_MUDATA_DOC = """%(summary_mdata)s.

Parameters
----------
%(param_mdata)s
layer
    Layer of the expression modality; its ``X`` if ``None``.
{arguments}
    As in :meth:`setup_anndata`.
modalities
    Modality of each argument that names a column or entry, and of the expression as ``"layer"``.
    {example}
**kwargs
    Used by scvi-tools when a setup is transferred from a saved model.

Raises
------
TypeError
    If ``mdata`` is not a MuData.
KeyError
    If a key does not exist. If it is in a modality, name the modality in ``modalities``.
ValueError
    As in :meth:`setup_anndata`, or if ``modalities`` lacks the modality of the expression.
"""


def complete_setup(cls: Any) -> None:
    """Add the setup methods to a model, from its ``_fields`` and its own or inherited `setup_anndata`."""
    own = vars(cls)
    if "setup_anndata" not in own and "_fields" in own:
        inherited = cls.setup_anndata.__func__
        added = [field for field in cls._fields if field.argument not in inspect.signature(inherited).parameters]
        if added:
            cls.setup_anndata = classmethod(_with_arguments(inherited, added, cls))
    if "setup_anndata" in vars(cls) and "setup_mudata" not in own:
        cls.setup_mudata = classmethod(_of_mudata(cls.setup_anndata.__func__, cls))


def _with_arguments(setup: Callable[..., None], added: Sequence[Field], cls: type) -> Callable[..., None]:
    """A setup with further arguments, which it passes to the registration by name."""

    def setup_anndata(cls: Any, adata: Any, **arguments: Any) -> None:
        setup(cls, adata, **arguments)

    new = [
        Parameter(field.argument, Parameter.KEYWORD_ONLY, default=field.default, annotation="str | None")
        for field in added
    ]
    entries = "".join(f"{field.argument}\n    {field.description}\n" for field in added)
    documented = inspect.cleandoc(setup.__doc__ or "").replace("\n**kwargs\n", f"\n{entries}**kwargs\n")
    return _finished(setup_anndata, cls, inspect.signature(setup), new, documented)


def _of_mudata(setup: Callable[..., None], cls: Any) -> Callable[..., None]:
    """The setup of a MuData, with the arguments of that of an AnnData."""
    signature = inspect.signature(setup)
    defaults = {name: p.default for name, p in signature.parameters.items() if p.kind is Parameter.KEYWORD_ONLY}

    # No defaults in the source: Sphinx would expect as many as the signature has
    def setup_mudata(cls: Any, mdata: Any, **kwargs: Any) -> None:
        modalities = kwargs.pop("modalities", None)
        arguments = {name: kwargs.pop(name, default) for name, default in defaults.items()}
        method = cls._get_setup_method_args(cls=cls, mdata=mdata, **arguments, modalities=modalities)
        cls._register(mdata, method, **kwargs)

    new = Parameter("modalities", Parameter.KEYWORD_ONLY, default=None, annotation="dict[str, str] | None")
    first, _, *others = signature.parameters.values()
    mdata = Parameter("mdata", Parameter.POSITIONAL_OR_KEYWORD, annotation="MuData")
    documented = _MUDATA_DOC.format(
        arguments=", ".join(name for name in defaults if name != "layer"), example=_example(cls._fields)
    )
    documented = setup_anndata_dsp.dedent(documented)
    return _finished(setup_mudata, cls, signature.replace(parameters=[first, mdata, *others]), [new], documented)


def _example(fields: Sequence[Field]) -> str:
    """Example of `modalities`, for the docstring."""
    of_genes = [f"``{field.argument}``" for field in fields if field.modality == "layer"]
    of_cells = [field.argument for field in fields if field.modality is None]
    genes = f" and what {' and '.join(of_genes)} names" if of_genes else ""
    lines = [
        f"``{{'layer': 'rna'}}`` takes the expression{genes} from the modality 'rna', and columns from ``mdata.obs``."
    ]
    if of_cells:
        lines.append(f"With ``{of_cells[0]!r}: 'rna'`` beside it, that column is taken from the modality.")
    return "\n    ".join(lines)


def _finished(
    method: Any, cls: type, signature: inspect.Signature, new: Sequence[Parameter], documented: str
) -> Callable[..., None]:
    """A method with the signature of another, further parameters before its last, and a docstring."""
    *before, last = signature.parameters.values()
    method.__signature__ = signature.replace(parameters=[*before, *new, last])
    method.__doc__, method.__module__ = documented, cls.__module__
    method.__qualname__ = f"{cls.__qualname__}.{method.__name__}"
    finished: Callable[..., None] = method
    return finished
