from __future__ import annotations

import pandas as pd
import pytest

from scpi._gene_sets import read_id_map


def test_a_mapping_a_table_and_a_file_are_one(tmp_path):
    table = pd.DataFrame({"id": ["E1", "E2"], "symbol": ["A", None]})
    table.to_csv(tmp_path / "map.tsv", sep="\t", index=False)
    for given in ({"E1": "A"}, table, tmp_path / "map.tsv"):
        assert read_id_map(given) == {"E1": "A"}


def test_what_is_no_map_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="to map ids with"):
        read_id_map(tmp_path / "none.tsv")
    with pytest.raises(TypeError, match="not list"):
        read_id_map(["A"])
    with pytest.raises(ValueError, match="two columns"):
        read_id_map(pd.DataFrame({"a": [1]}))
