"""What a family of models reads beside the expression, declared once for AnnData and MuData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scvi.data.fields import MuDataWrapper

from scpi._sequence import as_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scvi.data.fields import BaseAnnDataField


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column of the cells, or an entry of the genes, that a model registers.

    A family lists its fields in ``_fields``. A subclass adds one by listing it after those of the family:
    ``_fields = (*ScreenModel._fields, Field(argument="guide_key", registry_key="guide", make=LabelField))``. Both
    `setup_anndata` and `setup_mudata` then take the argument.
    """

    argument: str
    """Keyword argument of the setup that names the column or entry."""
    registry_key: str
    """Name of the field in the registry."""
    make: type[BaseAnnDataField]
    """Class of the field, called with ``registry_key``, the column or entry, and the ``options`` as keywords."""
    options: tuple[str, ...] = ()
    """Further arguments of the setup that the field takes, under the same name."""
    columns: tuple[str, ...] = ()
    """Those of the options that name columns beside that of ``argument``."""
    required: bool = False
    """Whether it is registered in any case; otherwise only where the argument is not ``None``."""
    modality: str | None = None
    """Argument whose modality of a MuData is the default; the MuData itself if ``None``."""
    default: str | None = None
    """Default of the argument, where the setup of the family does not have it."""
    description: str = "Column of ``adata.obs``."
    """What the argument is, for the docstring of a setup that does not have it."""

    @property
    def places(self) -> tuple[str, ...]:
        """Arguments that name something in the data."""
        return (self.argument, *self.columns)

    def build(self, arguments: Mapping[str, Any], modalities: Mapping[str, str] | None) -> BaseAnnDataField:
        """The field for the arguments of a setup, with the modality of each argument for a MuData.

        A ValueError says so if another modality is named for one of ``columns``: they are read where ``argument`` is.
        """
        options = {name: arguments[name] for name in self.options}
        if modalities is None:
            return self.make(self.registry_key, arguments[self.argument], **options)
        where = modalities.get(self.argument, None if self.modality is None else modalities[self.modality])
        for column in self.columns:
            if modalities.get(column, where) != where:
                msg = f"`{column}` is read where `{self.argument}` is: `modalities` must name one modality for both."
                raise ValueError(msg)
        return _in_mudata(self.make)(self.registry_key, arguments[self.argument], mod_key=where, **options)

    def named(self, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Each argument that names something, with the name, or with each of several."""
        for argument in self.places:
            for name in as_list(arguments[argument] or ()):
                yield argument, name


def _in_mudata(make: Any) -> Any:
    """Class of a field of a MuData."""

    class InMuData(MuDataWrapper(make)):  # type: ignore[misc]
        """A field in a MuData, or in one of its modalities."""

        def get_data_registry(self) -> dict[str, Any]:
            """What is loaded with a batch of cells: nothing for a field that describes genes."""
            return dict(super().get_data_registry()) if self.adata_field.get_data_registry() else {}

    return InMuData
