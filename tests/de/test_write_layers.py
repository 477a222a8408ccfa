from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scpi.de._write_layers import new_file, write_layers

X = np.random.default_rng(0).poisson(0.7, (20, 6)).astype(np.float32)
ANNOTATIONS = ad.AnnData(
    obs=pd.DataFrame({"group": pd.Categorical(["a", "b"] * 10)}, index=[f"c{i}" for i in range(20)]),
    var=pd.DataFrame(index=[f"g{i}" for i in range(6)]),
    uns={"thinned": {"params": {"fraction": 0.5}}},
)


def parts():
    for start in (0, 3, 15):
        block = X[start : {0: 3, 3: 15, 15: 20}[start]]
        yield {"one": sparse.csr_matrix(block), "two": sparse.csr_matrix(block * 2)}


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_layers_are_those_of_the_blocks(kind, tmp_path):
    path = tmp_path / "new folder" / f"a.{kind}"
    write_layers(path, ANNOTATIONS, parts())
    found = getattr(ad, f"read_{kind}")(path)
    np.testing.assert_array_equal(found.layers["one"].toarray(), X)
    np.testing.assert_array_equal(found.layers["two"].toarray(), 2 * X)
    pd.testing.assert_frame_equal(found.obs, ANNOTATIONS.obs)
    assert found.uns["thinned"]["params"]["fraction"] == 0.5
    assert found.X is None
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_nothing_is_left_of_a_failure(kind, tmp_path):
    def broken():
        yield next(parts())
        raise ValueError

    with pytest.raises(ValueError):
        write_layers(tmp_path / f"a.{kind}", ANNOTATIONS, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_file_must_be_new_and_of_a_known_kind(tmp_path):
    assert new_file(str(tmp_path / "a.zarr")) == Path(tmp_path / "a.zarr")
    with pytest.raises(ValueError, match=r"`out` must end in '.h5ad' or '.zarr', but is 'cells.csv'"):
        new_file("cells.csv")
    (tmp_path / "a.h5ad").touch()
    with pytest.raises(FileExistsError, match="Name a new file with `out`"):
        new_file(tmp_path / "a.h5ad")
