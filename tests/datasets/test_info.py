from __future__ import annotations

import scpi
from scpi.datasets._examples import EXAMPLES
from scpi.datasets._public_screens import FILES


def test_every_public_data_set_has_a_row():
    table = scpi.datasets.info()
    assert set(table.index) == EXAMPLES.keys() | FILES.keys()
    assert table.notna().all(axis=None)
    assert (table[["n_cells", "n_genes", "megabytes"]] > 0).all(axis=None)
    assert table["source"].str.startswith("https://").all()
    assert list(table.index[: len(EXAMPLES)]) == list(EXAMPLES)
    assert (table.loc[list(EXAMPLES), "megabytes"] < 5).all()


def test_a_row():
    row = scpi.datasets.info().loc["paul_2015"]
    assert row["n_cells"] == 2730
    assert row["licence"] == "Artistic-2.0"
    assert row["source"].endswith("85ccd7bfa642c6d91a1ba4d5fdcad6b9c995d274/inst/extdata/paul15.h5ad.gz")
