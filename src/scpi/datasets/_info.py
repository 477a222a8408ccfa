"""What is known of public data sets before they are downloaded."""

from __future__ import annotations

import pandas as pd

from scpi.datasets._examples import EXAMPLES
from scpi.datasets._public_screens import FILES

_COLUMNS = ["n_cells", "n_genes", "megabytes", "licence", "article", "source"]
_CC_BY = "CC BY 4.0"
SCREENS = {
    "hagai_2018": (112_900, 5_000, 360, _CC_BY, "Hagai et al., Nature 563 (2018)"),
    "kang_2018": (24_700, 15_706, 38, "not stated", "Kang et al., Nat. Biotechnol. 36 (2018)"),
    "nault_2021": (103_700, 5_000, 200, _CC_BY, "Nault et al., Toxicol. Sci. 191 (2023)"),
    "norman_2019": (111_000, 33_694, 700, _CC_BY, "Norman et al., Science 365 (2019)"),
    "papalexi_2021": (20_700, 18_649, 150, _CC_BY, "Papalexi et al., Nat. Genet. 53 (2021)"),
    "srivatsan_2020": (762_800, 110_983, 2_500, _CC_BY, "Srivatsan et al., Science 367 (2020)"),
    "wessels_2023": (30_700, 21_052, 200, _CC_BY, "Wessels et al., Nat. Methods 20 (2023)"),
}
"""Numbers of cells and genes, size, licence and article of each screen; the numbers are rounded."""


def info() -> pd.DataFrame:
    """List the public data sets that one call downloads.

    Returns
    -------
    One row per data set, under the name of its function: `n_cells` and `n_genes`, rounded for large data; `megabytes`,
    the size of the download; `licence` of the repository or the deposit that holds the file; `article`, to be cited;
    and `source`, the address of the first file. Small examples come first.

    Examples
    --------
    >>> import scpi
    >>> int(scpi.datasets.info().loc["kang_2018_small", "n_cells"])
    1556
    """
    rows = {
        name: (e.n_cells, e.n_genes, e.megabytes, e.licence, e.article, e.originals[0].url)
        for name, e in EXAMPLES.items()
    }
    rows |= {name: (*SCREENS[name], file.url) for name, file in FILES.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS).rename_axis("name")
