from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scpi.screen import with_zero_control


def changes(values=None):
    x = np.array([[1.0, -2.0], [0.5, 3.0]], dtype="f4") if values is None else values
    obs = pd.DataFrame({"gene": ["A", "A+B"], "n": [1, 2]}, index=["A", "control"])
    made = AnnData(x, obs=obs, var=pd.DataFrame({"mean": [1.0, 2.0]}, index=["g", "h"]), uns={"source": "x"})
    made.layers["half"] = np.array([[1.0, 2.0], [np.nan, 3.0]])
    return made


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_last_row_is_zero_in_all_layers(kind):
    given = changes(kind(changes().X))
    found = with_zero_control(given, perturbation_key="gene", control="NT")
    assert given.n_obs == 2 and found.obs["gene"].tolist() == ["A", "A+B", "NT"]
    x = found.X.toarray() if sparse.issparse(found.X) else found.X
    assert sparse.issparse(found.X) == (kind is sparse.csr_matrix)
    np.testing.assert_array_equal(x, [[1, -2], [0.5, 3], [0, 0]])
    np.testing.assert_array_equal(found.layers["half"], [[1, 2], [np.nan, 3], [0, 0]])
    assert found.var["mean"].tolist() == [1.0, 2.0] and found.uns["source"] == "x"
    assert found.obs_names.is_unique


def test_a_control_or_expression_is_refused():
    with pytest.raises(ValueError, match=r"There are rows of the control 'A' in `obs\['gene'\]`"):
        with_zero_control(changes(), perturbation_key="gene", control="A")
    with pytest.raises(ValueError, match="`adata.X` has no negative value, and seems to hold expression"):
        with_zero_control(changes(np.abs(changes().X)), perturbation_key="gene")
    with pytest.raises(ValueError, match=r"`adata.layers\['half'\]` has no negative value"):
        with_zero_control(changes(), perturbation_key="gene", layer="half")
    with pytest.raises(KeyError, match="`perturbation_key` names 'perturbation', but `obs` has no column"):
        with_zero_control(changes())
