from __future__ import annotations

import logging
import warnings

import pytest

from scpi.benchmark._quiet import quiet_lightning

LOGGER = "lightning.pytorch"


def level():
    return logging.getLogger(LOGGER).level


def test_lightning_is_silent_within_and_as_before_after():
    import lightning.pytorch  # noqa: F401

    logging.getLogger(LOGGER).setLevel(logging.INFO)
    filters = list(warnings.filters)
    with quiet_lightning():
        assert level() == logging.ERROR
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn_explicit("noise", UserWarning, "x.py", 1, module="lightning.pytorch.trainer")
            warnings.warn_explicit("news", UserWarning, "x.py", 1, module="elsewhere")
        assert [str(warning.message) for warning in caught] == ["news"]
    assert level() == logging.INFO
    assert warnings.filters == filters


def test_levels_come_back_after_a_failure():
    before = level()
    with pytest.raises(RuntimeError, match="broken"), quiet_lightning():
        raise RuntimeError("broken")
    assert level() == before
