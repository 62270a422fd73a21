"""The folder of one run: `<state-dir>/runs/<run-id>/` holds everything known about it."""

import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from importer.core.errors import StateError
from importer.core.rejects import stage_now
from importer.storage import atomic_files, checked_files
from importer.storage.checked_files import DamagedError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.path.name

    def beside(self, run_id: str) -> "RunFolder":
        """The folder of another run in the same state folder."""
        return RunFolder(self.path.parent / run_id)

    @property
    def meta(self) -> Path:
        """What the run was started with."""
        return self.path / "run.json"

    @property
    def summary(self) -> Path:
        """How the run ended; absent while it is going on."""
        return self.path / "summary.json"

    @property
    def journal(self) -> Path:
        """What was answered."""
        return self.path / "journal.sqlite"

    @property
    def spool(self) -> Path:
        """The rows, until the run is finished."""
        return self.path / "spool"

    @property
    def work(self) -> Path:
        """Parts of the reports, until these are written."""
        return self.path / "work"

    @property
    def previous_values(self) -> Path:
        """What the snapshot had of the values that the run sent, for `undo`."""
        return self.path / "snapshot-before"

    @property
    def call_counts(self) -> Path:
        """How many requests were sent, in all attempts."""
        return self.path / "calls.bin"

    @property
    def kept(self) -> Path:
        """The rows with something rejected or unconfirmed, for `retry`."""
        return self.path / "kept"

    @property
    def rejects(self) -> Path:
        """One line per value that was rejected, unconfirmed or adjusted, and per row set aside."""
        return self.path / "rejects.csv"

    @property
    def rejects_spreadsheet(self) -> Path:
        """The same for a spreadsheet, where it was asked for."""
        return self.path / "rejects-spreadsheet.csv"

    @property
    def html_report(self) -> Path:
        """The report for the browser."""
        return self.path / "report.html"

    @property
    def outcomes(self) -> Path:
        """How each value ended, as Parquet, where this was asked for."""
        return self.path / "outcomes"

    @property
    def rejected_rows(self) -> Path:
        """The original rows with something rejected, a file per source."""
        return self.path / "rejected_rows"

    def rejected_files(self) -> list[Path]:
        """The files of `rejected_rows/`, those of partitions in folders such as `country=DE/` inside it."""
        return sorted(path for path in self.rejected_rows.rglob("*") if path.is_file())

    def kept_parts(self) -> Iterator[pl.LazyFrame]:
        """The rows that are kept, part by part; StateError where a part is damaged."""
        for path in sorted(self.kept.glob("*.parquet")):
            try:
                yield checked_files.scan_parquet(path)
            except (OSError, DamagedError):
                raise StateError(
                    f"{path}: damaged or not readable, so some rows with rejects are not known; what was "
                    "sent and counted is in the journal. Move this file away, then the same command again, "
                    "which goes on without these rows."
                ) from None

    def read_meta(self) -> dict[str, Any]:
        """What the run was started with; StateError where it cannot be read."""
        try:
            return checked_files.read_json(self.meta)
        except (OSError, DamagedError):
            raise _unreadable(self.meta) from None

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        """Records what the run was started with; StateError where the disk does not take it."""
        checked_files.write_json(self.meta, meta)

    def read_summary(self) -> dict[str, Any] | None:
        """How the run ended, None while it is going on or where it was killed; StateError where damaged."""
        if not self.summary.exists():
            return None
        try:
            found = checked_files.read_json(self.summary)
        except (OSError, DamagedError):
            raise _unreadable(self.summary) from None
        if "state" not in found:
            raise _unreadable(self.summary)
        for reject in found.get("rejects", ()):
            reject["stage"] = stage_now(reject["stage"])
        return found

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Records how the run ended; StateError where the disk does not take it."""
        checked_files.write_readable_json(self.summary, summary)

    def make_folders(self) -> None:
        """Makes the folders for the rows and for the parts of the reports."""
        atomic_files.make_folder(self.work)
        atomic_files.make_folder(self.spool)

    def drop_temporary(self) -> None:
        """Deletes the spool and the parts: only what the report needs stays."""
        shutil.rmtree(self.spool, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


def new_run_id() -> str:
    """The moment in UTC and a little chance: sorts by time, unique without asking anyone."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def has_sent(folder: RunFolder) -> bool:
    """Whether a run is one that sends: `run` and `retry`, not `check`."""
    return str(folder.read_meta()["mode"]) != "check"


def is_resumable(folder: RunFolder) -> bool:
    """Whether a run was stopped or killed before its end."""
    state = state_of(folder.read_meta(), folder.read_summary())
    return has_sent(folder) and state not in ("finished", "superseded")


def state_of(meta: Mapping[str, Any], summary: Mapping[str, Any] | None) -> str:
    """How a run stands: `open` where it is going on or was killed, else the state of its summary."""
    if "superseded_by" in meta:
        return "superseded"
    return str(summary["state"]) if summary else "open"


def _unreadable(path: Path) -> StateError:
    return StateError(
        f"{path}: missing or damaged, so nothing is known of this run; move {path.parent} away, then the "
        "same command again."
    )
