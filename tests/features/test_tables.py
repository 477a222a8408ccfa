from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._features._tables import features_of_table, read_table

TABLE = pd.DataFrame([[1.0, 5.0], [3.0, 5.0], [1.0, 9.0]], index=["A", "B", "C"], columns=["x", "y"])


def write(folder, kind):
    path = folder / f"table.{kind}"
    if kind == "npz":
        np.savez(path, genes=TABLE.index.to_numpy().astype(str), vectors=TABLE.to_numpy())
    elif kind == "parquet":
        TABLE.to_parquet(path)
    else:
        TABLE.to_csv(path, sep="," if "csv" in kind else "\t")
    return path


@pytest.mark.parametrize("kind", ["npz", "parquet", "csv", "tsv.gz"])
def test_files_hold_what_a_frame_does(tmp_path, kind):
    found = read_table(write(tmp_path, kind), what="the table", index=True)
    np.testing.assert_array_equal(found.to_numpy(), TABLE.to_numpy())
    assert found.index.tolist() == ["A", "B", "C"]


def test_a_parquet_file_without_an_index_has_its_names_in_the_first_column(tmp_path):
    TABLE.rename_axis("gene").reset_index().to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", what="it", index=True).index.tolist() == ["A", "B", "C"]
    assert read_table(tmp_path / "t.parquet", what="it", index=False).columns.tolist() == ["gene", "x", "y"]


def test_the_mean_over_the_perturbations_is_subtracted():
    values, names = features_of_table(["B", "X", "A"], TABLE, what="it", case="auto")
    assert names == ["x", "y"]
    np.testing.assert_allclose(values, [[1, 0], [0, 0], [-1, 0]])


def test_bad_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file .*missing.npz' of the table"):
        read_table(tmp_path / "missing.npz", what="the table", index=True)
    (tmp_path / "a.xyz").write_text("?")
    with pytest.raises(ValueError, match=r"must be \.parquet, \.npz"):
        read_table(tmp_path / "a.xyz", what="the table", index=True)
    (tmp_path / "a.npz").write_text("?")
    with pytest.raises(ValueError, match="cannot be read"):
        read_table(tmp_path / "a.npz", what="the table", index=True)
    np.savez(tmp_path / "b.npz", x=np.ones((2, 2)))
    with pytest.raises(ValueError, match="one matrix and the text names of its rows"):
        read_table(tmp_path / "b.npz", what="the table", index=True)
    with pytest.raises(TypeError, match="DataFrame or the path of a file, not list"):
        read_table([1], what="the table", index=True)
    with pytest.raises(ValueError, match="it has no column of numbers"):
        features_of_table(["A"], pd.DataFrame({"x": ["a"]}, index=["A"]), what="it", case="auto")
    with pytest.raises(ValueError, match="it has values that are NaN"):
        features_of_table(["A"], TABLE * np.nan, what="it", case="auto")
