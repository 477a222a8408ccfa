from __future__ import annotations

import platform

import numpy as np
import torch

import scpi
from scpi._versions import versions


def test_versions_are_those_that_are_imported():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["scpi"] == scpi.__version__
    assert found["numpy"] == np.__version__
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"scvi-tools", "anndata", "scanpy"} <= set(found)
