from __future__ import annotations

import pandas as pd

from scpi._scoring._targets import find_targets


def test_targets_are_genes_with_the_name_of_a_member():
    genes = pd.Index(["CEBPA", "KLF1", "GATA1", "cebpa"])
    assert find_targets(genes, ("KLF1", "CEBPA", "aspirin"), exclude_targets=True).tolist() == [0, 1]
    assert find_targets(genes, ("aspirin",), exclude_targets=True).tolist() == []
    assert find_targets(genes, ("KLF1",), exclude_targets=False).tolist() == []
