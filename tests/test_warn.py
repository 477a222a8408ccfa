from __future__ import annotations

import warnings

import pandas as pd

from scpi._screen._labels import Labelling, text_labels
from scpi._warn import warn_user


def test_a_warning_points_at_the_line_that_called_scpi():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("here")
        # Three frames of the package below this one
        Labelling.of("ctrl").warn_of_lone_members(["A", "(+)-JQ1"])
        Labelling.of("ctrl").read(text_labels(pd.Series(["A"])))
    assert [warning.filename for warning in caught] == [__file__, __file__]
    assert caught[0].message.args == ("here",)
