"""The runs of one import beside each other."""

from collections.abc import Mapping
from typing import Any

from importer.core.errors import StateError
from importer.storage.run_folder import RunFolder

LOOKED_AT = 60
"""So many of the newest run folders are looked at for the run before."""


def previous_summary(folder: RunFolder, meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The summary of the last finished run of the same import before this one; None where there is none."""
    paths = [
        path
        for path in folder.path.parent.glob("*")
        if path != folder.path and (path / "summary.json").exists()
    ]
    newest = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:LOOKED_AT]
    found = [summary for path in newest if (summary := _earlier(RunFolder(path), meta))]
    return max(found, key=lambda summary: str(summary["started_at"]), default=None)


def _earlier(other: RunFolder, meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        theirs, summary = other.read_meta(), other.read_summary()
    except StateError:  # a damaged folder of another run is no fault of this one
        return None
    same = theirs["identity"] == meta["identity"] and theirs["mode"] == meta["mode"]
    if not same or not summary or summary["state"] != "finished":
        return None
    return summary if theirs["started_at"] < meta["started_at"] else None
