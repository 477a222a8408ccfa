"""Recognition of data without counts, the minified data of scvi-tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scvi.data._constants import _ADATA_MINIFY_TYPE_UNS_KEY, ADATA_MINIFY_TYPE

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def kind_of(data: AnnData | MuData) -> str | None:
    """Kind of minified data; ``None`` for other data."""
    kind: str | None = data.uns.get(_ADATA_MINIFY_TYPE_UNS_KEY)
    return kind


def check_has_counts(data: AnnData | MuData) -> None:
    """Raise an error if the counts of data were removed by ``minify_adata`` of a model."""
    if kind_of(data) == ADATA_MINIFY_TYPE.LATENT_POSTERIOR:
        msg = "This needs the counts of the cells, which `minify_adata` removed: use the data with counts."
        raise ValueError(msg)
