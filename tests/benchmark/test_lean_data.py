from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd

from scpi.benchmark._lean_data import lean_data


def test_matrices_are_shared_and_setups_are_left_out():
    adata = ad.AnnData(np.ones((2, 3), "f4"), obs=pd.DataFrame({"a": [1, 2]}, index=["x", "y"]))
    adata.layers["counts"] = np.zeros((2, 3))
    adata.uns |= {"_scvi_uuid": "u", "features": 1}
    adata.varm["loadings"] = np.ones((3, 2))
    found = lean_data(adata, pd.DataFrame({"b": [3, 4]}, index=["0", "1"]))
    assert found.X is adata.X and found.layers["counts"] is adata.layers["counts"]
    assert list(found.uns) == ["features"] and list(found.varm) == ["loadings"]
    assert list(found.obs) == ["b"] and list(found.obs_names) == ["0", "1"]
    found.var["new"] = 1
    assert "new" not in adata.var
