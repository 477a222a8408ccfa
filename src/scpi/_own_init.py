"""An error where another package of the same name takes the name of this one.

The library for instruments that is called scpi on the package index installs a file over our ``__init__``. If it is
removed again, that file is missing. Modules below are still found then, so that functions fail in odd ways.
"""

import sys

_package = sys.modules["scpi"]
if not hasattr(_package, "settings"):
    _where = list(_package.__path__)[0]
    _msg = (
        f"The folder {_where} belongs to scpi-tools, but its '__init__.py' is not that of scpi-tools: the package 'scpi', a "
        "library for instruments, was installed over it or removed from it. Both cannot be in one environment. Run: "
        "pip uninstall --yes scpi, and then: pip install --force-reinstall --no-deps scpi-tools"
    )
    raise ImportError(_msg, name="scpi", path=_where)
