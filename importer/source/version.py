"""What a source was at one moment, to see that it has changed."""

from dataclasses import dataclass
from pathlib import Path

from importer.source.object_store import URL, object_version


@dataclass(frozen=True, slots=True)
class SourceVersion:
    """What a source was at one moment; a source whose version differs has changed.

    `size` in bytes; `version` an inode and its time of change, or what an object store calls this version;
    `modified` Unix time in seconds.
    """

    size: int
    version: str
    modified: float


def version_of(path: str) -> SourceVersion | None:
    """The version of a file or object as it is now; None where it is gone, or its store does not tell."""
    try:
        if not URL.match(path):
            state = Path(path).stat()
            version = f"{state.st_dev}:{state.st_ino}:{state.st_mtime_ns}"
            return SourceVersion(state.st_size, version, state.st_mtime_ns / 1e9)
        return SourceVersion(*object_version(path))
    except Exception:  # noqa: BLE001 - a store's own errors; without a version, guards say that they cannot tell
        return None
