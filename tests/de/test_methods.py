from __future__ import annotations

import pytest

from scpi.de import methods
from scpi.de._registry import find, registered


def test_the_table_lists_every_test():
    table = methods().set_index("method")
    assert {"deseq2", "edger", "logistic", "poisson", "t-test", "t-test_overestim_var", "wilcoxon", "zinb"} == set(
        table.index
    )
    assert table.loc["wilcoxon", "options"] == "continuity"
    assert table.loc["deseq2", ["takes", "unit", "adjusts", "package"]].tolist() == [
        "counts",
        "sample",
        True,
        "pydeseq2",
    ]
    assert (table["null"] != "").all()
    assert (table["source"] != "").all()


def test_a_test_is_found_by_its_name():
    assert find("t-test") is registered()["t-test"]
    with pytest.raises(ValueError, match="must be one of .*'wilcoxon'"):
        find("ttest")
