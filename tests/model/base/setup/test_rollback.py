from __future__ import annotations

import anndata as ad
import mudata as md
import numpy as np
import pytest

from scpi.model.base.setup._rollback import unchanged_on_failure


def cells():
    adata = ad.AnnData(np.ones((3, 2), dtype=np.float32))
    adata.obs["_scvi_batch"], adata.obs["batch"] = [0, 1, 0], ["x", "y", "x"]
    adata.uns["_scvi_uuid"] = "before"
    return adata


def write(adata):
    adata.obs["_scvi_batch"] = [2, 2, 2]
    adata.obs["_scpi_condition"] = [0, 1, 2]
    adata.uns["_scvi_uuid"], adata.uns["_scvi_manager_uuid"] = "after", "new"
    adata.obs["of the user"] = 1


@pytest.mark.parametrize("error", [ValueError, KeyError, KeyboardInterrupt])
@pytest.mark.parametrize("place", ["adata", "mdata", "modality"])
def test_what_a_registration_wrote_is_taken_back(error, place):
    data = part = cells()
    if place != "adata":
        data = md.MuData({"rna": part})
        part = data.mod["rna"]
    if place == "mdata":
        for table in (data.obs, data.uns):
            for key in [key for key in table if str(key).startswith("_sc")]:
                del table[key]
        data.obs["_scvi_batch"], data.uns["_scvi_uuid"] = [0, 1, 0], "before"
        part = data
    with pytest.raises(error), unchanged_on_failure(data):
        write(part)
        raise error
    assert part.obs["_scvi_batch"].tolist() == [0, 1, 0]
    assert part.uns["_scvi_uuid"] == "before"
    assert not {"_scpi_condition", "_scvi_manager_uuid"} & {*part.obs, *part.uns}
    assert (part.obs["of the user"] == 1).all()


def test_what_succeeds_stays():
    adata = cells()
    with unchanged_on_failure(adata):
        write(adata)
    assert adata.obs["_scpi_condition"].tolist() == [0, 1, 2]
    assert adata.uns["_scvi_uuid"] == "after"
