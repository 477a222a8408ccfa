from __future__ import annotations

import pytest

from scpi.benchmark.splits._scaffolds import scaffold

pytest.importorskip("rdkit")


@pytest.mark.smoke("rdkit")
def test_scaffolds_are_ring_systems_with_what_links_them():
    assert scaffold("Cc1ccccc1CCc1ccncc1") == "c1ccc(CCc2ccncc2)cc1"
    assert scaffold("CCO") == "CCO"


def test_what_is_no_structure_is_named():
    with pytest.raises(ValueError, match="'xx' cannot be read as SMILES"):
        scaffold("xx")
