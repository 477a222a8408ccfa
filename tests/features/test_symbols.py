from __future__ import annotations

import numpy as np

from scpi._features._symbols import beginnings, features_of_symbols


def test_beginnings():
    assert beginnings("Cebpa") == {"CEB...", "CEBP...", "CEBPA"}
    assert beginnings("HLA-DRA1") == {"HLA...", "HLA-...", "HLA-DRA"}
    assert beginnings("A1") == set()


def test_families_are_similar_by_the_fraction_of_what_they_share():
    values, words = features_of_symbols(["KLF1", "KLF2", "KLRD1", "ACTB", "KLF9"])
    # KLF1..., KLRD..., and all of ACTB are in no other symbol
    assert words == ["KLF", "KLF..."]
    similar = (values @ values.T).toarray()
    np.testing.assert_allclose(similar[0, [1, 4]], 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(similar[0, [2, 3]], 0)
    assert similar[3, 3] == 0
