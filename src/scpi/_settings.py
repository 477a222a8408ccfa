from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
_DATASETDIR_VARIABLE = "SCPI_DATASETDIR"


class _ShowMessages(logging.StreamHandler[Any]):
    """Writes to standard error, unless the program has configured logging itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write to what is standard error now: notebooks and tests replace it."""
        if not logging.getLogger().handlers:
            self.stream = sys.stderr
            super().emit(record)


class Settings:
    """Settings of a session, in the object ``scpi.settings``.

    Examples
    --------
    >>> import scpi
    >>> scpi.settings.n_jobs
    1
    """

    def __init__(self) -> None:
        self._datasetdir: Path | None = None
        self.verbosity = "info"
        self._n_jobs = 1

    @property
    def datasetdir(self) -> Path:
        """Folder in which downloaded data sets are cached.

        Defaults to the environment variable ``SCPI_DATASETDIR``, or else to the cache folder of the platform. The
        folder is created by the first download.
        """
        if self._datasetdir is not None:
            return self._datasetdir
        if variable := os.environ.get(_DATASETDIR_VARIABLE):
            return Path(variable).expanduser()
        import pooch

        try:
            folder = Path(pooch.os_cache("scpi"))
        except RuntimeError:
            folder = Path("~")
        # A user without a home, as in some containers: with an old platformdirs, that would be a folder called "~"
        if folder.parts[0] == "~":
            msg = (
                "There is no home folder in which data sets can be cached: set `scpi.settings.datasetdir` or the "
                f"environment variable {_DATASETDIR_VARIABLE} to a folder."
            )
            raise FileNotFoundError(msg)
        return folder

    @datasetdir.setter
    def datasetdir(self, value: str | os.PathLike[str]) -> None:
        if not isinstance(value, str | os.PathLike) or not os.fspath(value):
            msg = f"datasetdir must be the path of a folder, not {value!r}."
            raise TypeError(msg)
        path = Path(value).expanduser()
        if path.exists() and not path.is_dir():
            msg = f"datasetdir must be a folder, but {str(path)!r} is a file."
            raise NotADirectoryError(msg)
        self._datasetdir = path

    @property
    def verbosity(self) -> str:
        """Minimum level of the messages that scpi shows.

        One of ``"error"``, ``"warning"``, ``"info"`` (default) and ``"debug"``. Messages go to standard error, or where
        the program has configured logging itself, as that says.
        """
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: str) -> None:
        if value not in _LEVELS:
            msg = f"verbosity must be one of {', '.join(map(repr, _LEVELS))}, not {value!r}."
            raise ValueError(msg)
        self._verbosity = value
        logger = logging.getLogger("scpi")
        logger.setLevel(_LEVELS[value])
        if not any(isinstance(handler, _ShowMessages) for handler in logger.handlers):
            handler = _ShowMessages()
            handler.setFormatter(logging.Formatter("scpi: %(message)s"))
            logger.addHandler(handler)

    @property
    def n_jobs(self) -> int:
        """Maximum number of processes or threads per function; ``-1`` uses all cores."""
        return self._n_jobs

    @n_jobs.setter
    def n_jobs(self, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or (value < 1 and value != -1):
            msg = f"n_jobs must be a positive integer, or -1 for all cores, not {value!r}."
            raise ValueError(msg)
        self._n_jobs = value if value != -1 else _n_cores()

    def __repr__(self) -> str:
        names = ("datasetdir", "verbosity", "n_jobs")
        return "\n".join(["scpi.settings", *(f"    {name} = {getattr(self, name)!r}" for name in names)])


def _n_cores() -> int:
    """Number of cores available to this process, which a scheduler may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


settings = Settings()
