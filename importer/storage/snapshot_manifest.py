"""The manifest of a snapshot: which files are its layers, and which runs have written what."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import checked_files
from importer.storage.checked_files import DamagedError
from importer.storage.disk_errors import state_errors
from importer.storage.partitions import HASH

NAME = "manifest.json"


@dataclass(slots=True)
class Manifest:
    """What `manifest.json` holds; the defaults are those of an import that has never sent anything.

    `next` is the number of the next run, `runs` are those since the last fold (run id → number). `base` and
    `recent` name the files of these layers, with the number of people; `base_run` and `recent_run` are the
    newest runs in them. Deltas of the runs up to `folded` are in them, too. `declared` maps an attribute to
    the fingerprint of its declaration (`print`) and the run since which it has been so (`since`).
    """

    import_: dict[str, str] = field(default_factory=dict)
    attributes: list[str] = field(default_factory=list)
    changed_only: bool = False
    next: int = 1
    runs: dict[str, int] = field(default_factory=dict)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    generation: int = 0
    base: list[dict[str, Any]] = field(default_factory=list)
    base_run: int = 0
    recent: dict[str, Any] | None = None
    recent_run: int = 0
    folded: int = 0
    full_at: float | None = None
    where: str | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The manifest of this folder, that of an empty snapshot where there is none; StateError as below."""
        path = folder / NAME
        if not path.exists():
            return cls()
        with snapshot_errors(folder):
            found = checked_files.read_json(path)
            if found.pop("hash", None) != HASH:
                raise DamagedError("people are spread in another way")
            if "import" not in found:
                raise DamagedError("names no import")
            try:
                return cls(import_=found.pop("import"), **found)
            except TypeError:
                raise DamagedError("has other members") from None

    def save(self, folder: Path) -> None:
        """Writes it, and has it on the disk."""
        found = asdict(self)
        checked_files.write_json(
            folder / NAME, {"hash": HASH, "import": found.pop("import_"), **found}, durable=True
        )

    @property
    def people(self) -> int:
        """In the base."""
        return sum(part["people"] for part in self.base)

    def layer_files(self) -> set[str]:
        """The names of the files of `base` and `recent`."""
        return {part["file"] for part in self.base} | ({self.recent["file"]} if self.recent else set())


def import_of(config: Config) -> dict[str, str]:
    """What the manifest says of the import: its name, and its account at the destination."""
    section = config.destination
    place = {"type": section.type, "base_url": section.base_url, "account": section.account or ""}
    return {"name": config.name, **place}


@contextmanager
def snapshot_errors(folder: Path) -> Iterator[None]:
    """Raises StateError where a file of the snapshot is damaged, or the disk does not take one."""
    try:
        with state_errors(folder):
            yield
    except DamagedError:
        raise StateError(
            f"{folder}: the snapshot is damaged; delete this folder: the next run writes all values again."
        ) from None
