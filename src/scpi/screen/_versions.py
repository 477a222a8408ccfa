"""What a reader needs to repeat a run."""

from __future__ import annotations

import platform
from importlib.metadata import version

_PACKAGES = ("scpi", "scvi-tools", "torch", "anndata", "scanpy", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    from scpi import __version__

    found = {name: version(name) for name in _PACKAGES if name != "scpi"}
    return {"python": platform.python_version(), "scpi": __version__, **found}
