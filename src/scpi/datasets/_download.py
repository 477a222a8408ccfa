"""Files from their public homes, checked and kept."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scpi._settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file and where it lives."""

    name: str
    home: str
    """Address of the folder."""
    known_hash: str
    """Algorithm and digest as its home publishes them, such as "md5:...", or "sha256:..."."""


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Leave it to scpi's own logger to say what is downloaded."""
    import pooch

    pooch_logger = pooch.get_logger()
    level = pooch_logger.level
    pooch_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        pooch_logger.setLevel(level)


def fetch(file: RemoteFile, *, base_url: str | None = None, progressbar: bool = False) -> Path:
    """Give the path of a file, downloading it where it is not kept already.

    A kept file whose hash is wrong is downloaded again.

    Raises
    ------
    ConnectionError
        If it cannot be downloaded.
    ValueError
        If what was downloaded is not the published file. It is not kept.
    """
    import pooch

    home = (base_url or file.home).rstrip("/") + "/"
    folder = settings.datasetdir
    path = folder / file.name
    damaged = path.exists() and not pooch.hashes.hash_matches(path, file.known_hash)
    if damaged:
        logger.warning("%s is not the published file, perhaps cut off: downloading it again", path)
    elif not path.exists():
        logger.info("Downloading %s%s to %s", home, file.name, folder)
    registry = pooch.create(path=folder, base_url=home, registry={file.name: file.known_hash})
    try:
        with _quiet_pooch():
            return Path(registry.fetch(file.name, progressbar=progressbar))
    except PermissionError:
        raise
    except OSError as error:
        kept = f" The file that is kept in {str(folder)!r} is damaged." if damaged else ""
        msg = (
            f"{file.name} could not be downloaded from {home} ({error}).{kept} Without a connection, put the file into "
            f"{str(folder)!r} by hand, or set `scpi.settings.datasetdir` to the folder that holds it."
        )
        raise ConnectionError(msg) from error
    except ValueError as error:
        msg = (
            f"What {home}{file.name} gave is not the published file, whose hash is {file.known_hash}. It was not kept. "
            "The download was cut off or changed on the way, or the file was replaced."
        )
        raise ValueError(msg) from error
