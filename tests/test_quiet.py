from __future__ import annotations

import logging
import warnings

import lightning.pytorch  # noqa: F401 - sets its level and filters when it is imported
import pytest

from scpi._quiet import quiet_lightning


def test_levels_and_filters_come_back_after_an_error():
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level, list(warnings.filters)
    with pytest.raises(RuntimeError), quiet_lightning():
        assert logger.level == logging.ERROR
        assert logging.getLogger("scpi").level == logging.WARNING
        raise RuntimeError
    assert (logger.level, list(warnings.filters)) == before


def test_warnings_of_others_are_shown():
    with pytest.warns(UserWarning, match="of mine"), quiet_lightning():
        warnings.warn("of mine", stacklevel=1)
        warnings.warn_explicit("of Lightning", UserWarning, "x.py", 1, module="lightning.pytorch.trainer")
