from __future__ import annotations

import pytest

from scpi.model.base.counts._output import choose_output


@pytest.mark.parametrize(
    ("scale", "knows_counts", "default", "possible"),
    [
        ("counts", False, "counts", {"counts", "log", "mean"}),
        ("logs", True, "log", {"counts", "log", "mean"}),
        ("logs", False, "log", {"log", "mean"}),
        ("scaled", False, "mean", {"mean"}),
        ("normalised", False, "mean", {"mean"}),
    ],
)
def test_what_can_be_drawn(scale, knows_counts, default, possible):
    assert choose_output(None, scale, knows_counts=knows_counts) == default
    for output in ("counts", "log", "mean"):
        if output in possible:
            assert choose_output(output, scale, knows_counts=knows_counts) == output
        else:
            with pytest.raises(ValueError, match="counts cannot be drawn|are not known"):
                choose_output(output, scale, knows_counts=knows_counts)


def test_other_outputs_are_refused():
    with pytest.raises(ValueError, match="'counts', 'log', 'mean', or None, but is 'sample'"):
        choose_output("sample", "logs", knows_counts=True)
