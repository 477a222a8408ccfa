from __future__ import annotations

import platform
from importlib.metadata import version

_PACKAGES = ("scvi-tools", "torch", "anndata", "scanpy", "numpy")


def versions() -> dict[str, str]:
    """Versions, by name, of Python, of scpi and of the packages that its numbers depend on."""
    from scpi import __version__

    return {"python": platform.python_version(), "scpi": __version__} | {name: version(name) for name in _PACKAGES}
