"""What is kept of an import from one run to the next: a small file per import in the state folder.

    imports/<import>.json   the shape of the last good run's list, for the guards; how the last run ended
    pace/<account>.json     the rate that a destination's account kept up with

None of it holds a value of a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import account, atomic_files, checked_files
from importer.storage.checked_files import DamagedError
from importer.storage.locks import short_lock


@dataclass(frozen=True, slots=True)
class ListShape:
    """What the list of a good run looked like; shares are between 0 and 1, by attribute."""

    run_id: str
    rows: int
    blank: Mapping[str, float] = field(default_factory=dict)
    undeclared: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What is known of an import. Times are Unix seconds; None where nothing is known yet."""

    good: ListShape | None = None
    exit_code: int | None = None
    succeeded_at: float | None = None

    @classmethod
    def load(cls, state_dir: Path, config: Config) -> Self:
        """What is known of this import, empty where it never ran; StateError where it is damaged."""
        data = _read(_path(state_dir, config))
        good = ListShape(**data["good"]) if data.get("good") else None
        return cls(good, data.get("exit_code"), data.get("succeeded_at"))

    def save(self, state_dir: Path, config: Config) -> None:
        """Writes it down for the next run."""
        _write(_path(state_dir, config), asdict(self))

    def after_good(self, shape: ListShape) -> Self:
        """The same, with the list of one more good run."""
        return replace(self, good=shape)

    def after(self, exit_code: int, at: float) -> Self:
        """The same, once a run has ended so."""
        succeeded = at if exit_code in (0, 1) else self.succeeded_at
        return replace(self, exit_code=exit_code, succeeded_at=succeeded)


def change(
    state_dir: Path, config: Config, how: Callable[[RunHistory], RunHistory]
) -> tuple[RunHistory, RunHistory]:
    """Changes what is known of an import, alone at it; returns what was known before, and what is now."""
    with short_lock(state_dir, account.import_id(config)):
        before = RunHistory.load(state_dir, config)
        after = how(before)
        after.save(state_dir, config)
    return before, after


def pace(state_dir: Path, config: Config) -> float | None:
    """Requests per second that the destination kept up with in the last run; None where not known."""
    found = _read(_pace_path(state_dir, config)).get("requests_per_second")
    return float(found) if isinstance(found, int | float) and found > 0 else None


def keep_pace(state_dir: Path, config: Config, requests_per_second: float) -> None:
    """Remembers the pace for the next run into this account, whichever import it is."""
    path = _pace_path(state_dir, config)
    with short_lock(state_dir, path.stem):
        _write(path, {"requests_per_second": round(requests_per_second, 1)})


def _path(state_dir: Path, config: Config) -> Path:
    return state_dir / "imports" / f"{account.import_id(config)}.json"


def _pace_path(state_dir: Path, config: Config) -> Path:
    name = f"{config.destination.type}-{account.account_digest(config)[:12]}.json"
    return state_dir / "pace" / name


def _read(path: Path) -> dict[str, Any]:
    try:
        return checked_files.read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, DamagedError):
        raise StateError(
            f"{path}: damaged or not readable; delete it, and the next good run writes it again."
        ) from None


def _write(path: Path, value: Mapping[str, Any]) -> None:
    atomic_files.make_folder(path.parent)
    checked_files.write_json(path, value)
