from __future__ import annotations

from scpi.screen._report import settings_rows


def test_settings_that_say_nothing_or_stand_elsewhere_are_left_out():
    given = {"title": "t", "versions": {"scpi": "1"}, "seed": 0, "layer": None, "predict": [], "control": "c"}
    assert settings_rows(given) == [("seed", 0), ("control", "c")]
