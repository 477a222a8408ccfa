from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from scipy import sparse

from scpi.screen._write import Scores, read_scores, write_cells, write_scores


def test_scores_keep_all_their_digits(tmp_path):
    table = pd.DataFrame({"model": ["a", "b"], "pearson": [1 / 3, np.nan], "n": [1, 2]})
    scores = Scores(table, ["MeanDelta"], ["no doses"])
    write_scores(scores, tmp_path / "scores.json")
    found = read_scores(tmp_path / "scores.json")
    pd.testing.assert_frame_equal(found.table, table)
    assert found[1:] == scores[1:]


def test_cells_are_compressed_and_the_same(tmp_path):
    adata = AnnData(sparse.csr_matrix(np.tile(np.arange(50.0, dtype=np.float32), (200, 1))))
    write_cells(adata, tmp_path / "cells.h5ad")
    adata.write_h5ad(tmp_path / "plain.h5ad")
    assert (tmp_path / "cells.h5ad").stat().st_size < (tmp_path / "plain.h5ad").stat().st_size / 2
    assert (read_h5ad(tmp_path / "cells.h5ad").X != adata.X).nnz == 0
