"""Fields that a family of models reads beside the expression, declared once for AnnData and MuData."""

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
    """A column of ``obs``, or an entry of ``varm``, that a model registers.

    A family lists its fields in ``_fields``. A subclass appends its own:
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
    """Options that name further columns."""
    required: bool = False
    """Whether the field is always registered; otherwise only if the argument is not ``None``."""
    modality: str | None = None
    """Argument whose modality is the default for a MuData; the MuData itself if ``None``."""
    default: str | None = None
    """Default of the argument, if the setup of the family does not have it."""
    description: str = "Column of ``adata.obs``."
    """Description of the argument, if the setup of the family does not have it."""

    @property
    def places(self) -> tuple[str, ...]:
        """Arguments that name a column or entry of the data."""
        return (self.argument, *self.columns)

    def build(self, arguments: Mapping[str, Any], modalities: Mapping[str, str] | None) -> BaseAnnDataField:
        """Build the field for the arguments of a setup, with the modality of each argument for a MuData.

        A ValueError is raised if one of ``columns`` is given another modality than ``argument``.
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
        """Yield each argument that names a column or entry, with each of its names."""
        for argument in self.places:
            for name in as_list(arguments[argument] or ()):
                yield argument, name


def _in_mudata(make: Any) -> Any:
    """Class of a field of a MuData."""

    class InMuData(MuDataWrapper(make)):  # type: ignore[misc]
        """A field in a MuData, or in one of its modalities."""

        def get_data_registry(self) -> dict[str, Any]:
            """Data to load with a batch of cells: none for a field that describes genes."""
            return dict(super().get_data_registry()) if self.adata_field.get_data_registry() else {}

    return InMuData
