from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._replace import replaced
from scpi._saliency import has_non_negative_units
from scpi.get._programs import programs

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData

_ENDINGS = {"positive": "_up", "negative": "_down"}


@fill
def write_programs(
    data: AnnData | MuData,
    path: str | os.PathLike[str],
    *,
    units: str | Sequence[str] | None = None,
    top_n: int = 50,
    split_signs: bool = False,
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    mod: str | None = None,
) -> Path:
    """Write the gene programs of latent units as gene sets to a GMT file.

    Genes have the order of :func:`scpi.get.programs`: those that a unit that cannot be negative raises stand before those
    that it lowers.

    Parameters
    ----------
    %(data)s
    path
        File to write.
    units
        Unit or units to write; all if `None`.
    top_n
        Maximum number of genes per program.
    split_signs
        Whether to write positive and negative genes as separate sets, whose names end in `_up` and `_down`.
    key
        Entry of `adata.varm` with a score of each gene in each unit.
    annotation_key
        Entry of `adata.uns` written by :func:`scpi.tl.annotate_units`. If it exists, the sets of the units become the
        descriptions in the file. With `split_signs`, a set describes only the genes with the sign of its z-score, and a
        set that a unit that cannot be negative lowers does not describe its program.
    %(mod)s

    Returns
    -------
    The path. Units with only zero scores are left out.

    Raises
    ------
    KeyError
        If the data has no such scores.
    ValueError
        If there is no such unit, or `top_n` is below 1.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 2, n_genes_per_program=20)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = scpi.get.write_programs(adata, Path(folder) / "programs.gmt", key="loadings", top_n=5)
    ...     [len(line.split(chr(9))) for line in path.read_text().splitlines()]
    [7, 7]
    """
    adata = resolve_modality(data, mod)
    stored = adata.uns.get(annotation_key)
    described: dict[str, str] = {}
    lowered: set[str] = set()
    if hasattr(stored, "get") and "sets" in stored:
        described = dict(zip(map(str, stored["units"]), map(str, stored["sets"]), strict=True))
        lowered = {unit for unit, z in zip(described, stored.get("zscore", ()), strict=False) if z < 0}
    non_negative = has_non_negative_units(adata, key)
    lines = []
    for sign in ("positive", "negative") if split_signs else ("both",):
        found = programs(adata, units=units, top_n=top_n, sign=sign, key=key)
        for unit, genes in found.groupby("unit", sort=False)["gene"]:
            fits = (sign == "both" and not non_negative) or (sign == "negative") == (str(unit) in lowered)
            description = (described.get(str(unit)) if fits else None) or "na"
            lines.append("\t".join([f"{unit}{_ENDINGS.get(sign, '')}", description, *genes]))
    file = Path(path).expanduser()
    with replaced(file) as scratch:
        scratch.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file
