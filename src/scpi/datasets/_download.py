"""Download of public files, which are verified and cached."""

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

_RETRIES = 2
# Seconds without a byte
_TIMEOUT = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file and its public location."""

    name: str
    home: str
    """URL of the folder that contains the file."""
    known_hash: str | None
    """Algorithm and published digest, such as "md5:..." or "sha256:..."; ``None`` if none is known, and nothing is verified."""
    remote_name: str | None = None
    """Name of the file at its home, if it is cached under another."""

    @property
    def path(self) -> str:
        """Path of the file in the folder ``home``."""
        return self.remote_name or self.name

    @property
    def url(self) -> str:
        """Address of the file."""
        return f"{self.home}/{self.path}"


def github(path: str, repository: str, commit: str, sha256: str, *, name: str | None = None) -> RemoteFile:
    """Return a file of a commit of a repository on GitHub, cached under ``name``, or else under its own."""
    folder, _, remote_name = f"{repository}/{commit}/{path}".rpartition("/")
    return RemoteFile(
        name or remote_name, f"https://raw.githubusercontent.com/{folder}", f"sha256:{sha256}", remote_name
    )


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Silence pooch, because the logger of scpi already reports downloads."""
    import pooch

    pooch_logger = pooch.get_logger()
    level = pooch_logger.level
    pooch_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        pooch_logger.setLevel(level)


def fetch(file: RemoteFile, *, base_url: str | None = None, progress: bool = False) -> Path:
    """Return the path of a file, and download it if it is not cached, or cached with a wrong hash.

    A download that fails is tried again. A `ConnectionError` says if the file cannot be downloaded, a `ValueError` if
    what was downloaded is not the published file, and an `OSError` if it cannot be stored. Nothing is then cached.
    """
    import pooch

    home = (base_url or file.home).rstrip("/") + "/"
    folder = settings.datasetdir
    path = folder / file.name
    registry = pooch.create(
        path=folder,
        base_url=home,
        registry={file.name: file.known_hash},
        urls={file.name: home + file.path},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=progress, timeout=_TIMEOUT)
    kept = ""
    try:
        # Also to look for a file can be forbidden
        if not path.exists():
            logger.info("Downloading %s%s to %s", home, file.path, folder)
        elif not pooch.hashes.hash_matches(path, file.known_hash):
            logger.warning("%s is not the published file, perhaps incomplete: downloading it again", path)
            kept = f" The cached file in {str(folder)!r} is damaged."
        with _quiet_pooch():
            return Path(registry.fetch(file.name, downloader=downloader))
    except OSError as error:
        # Errors of a connection are of requests, and have no number
        if error.errno is None and not isinstance(error, PermissionError):
            msg = (
                f"{file.name} could not be downloaded from {home}{file.path} ({error}).{kept} Without a connection, place the file "
                f"in {str(folder)!r} by hand, or set `scpi.settings.datasetdir` to the folder that contains it."
            )
            raise ConnectionError(msg) from error
        msg = (
            f"{file.name} could not be stored in {str(folder)!r} ({error.strerror or 'no permission'}): set "
            f"`scpi.settings.datasetdir` to a folder with space that can be written.{kept}"
        )
        raise type(error)(error.errno, msg) from error
    except ValueError as error:
        msg = (
            f"The file downloaded from {home}{file.path} is not the published one, whose hash is {file.known_hash}. "
            "It was not kept. The download was interrupted or modified, or the file was replaced."
        )
        raise ValueError(msg) from error
