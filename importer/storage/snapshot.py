"""What the destination is known to hold: the last acknowledged value of every attribute of every person.

One folder per import (name, destination type, base URL, account) in the state folder. It is layers, each
above the ones before:

    base      everybody, in files by partition; Parquet, which is read three times as fast as Arrow
    recent    what changed since the base was written, one file
    deltas    what runs have sent since, a file per chunk

A delta is on disk before the first call of its chunk goes out, and from then on its values are UNKNOWN. When
the chunk is over, a second file beside it names those that were not acknowledged; only then the others are
known. A delta that a killed run left without one is settled by what stands in that run's journal. At the end
of a run its deltas are folded into `recent`, or into a new base where they are many: new files first, then
the manifest by one rename, so that a kill leaves either the old layers or the new.

Values stand as they were sent, as JSON text, and beside that as:

    ""          cleared
    UNKNOWN     sent or to be sent, and not acknowledged: due, whatever the list says
    STALE + …   acknowledged, but under another declaration of the attribute: due too
    null        never sent by this import

Where the destination has columns that name a person, such as an address, `identity` is their hash when the
person was last written. Besides, each person has the fingerprint of the row whose values are all known
(`print`), with the number of its values; null where there is no such row.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import polars as pl

from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.destinations.base import NORMALIZED
from importer.storage import account, atomic_files, checked_files, snapshot_frames, snapshot_manifest
from importer.storage.checked_files import DamagedError
from importer.storage.journal_records import Entry
from importer.storage.partitions import PARTITIONS, detached
from importer.storage.snapshot_frames import META, hashed
from importer.storage.snapshot_manifest import Manifest, snapshot_errors
from importer.values import row_hash

DIFFABLE = frozenset({"set", "delete"})
"""Operations whose value can be compared with the last one; what is added to a value cannot."""

GROUP_PEOPLE = 1 << 16
"""About so many people are in one file of the base, or fewer."""

GROUP_BYTES = 32 << 20
"""About so many bytes in memory is one file of the base, or less; one partition may be more."""

RECENT_PEOPLE = 50_000
RECENT_SHARE = 1 / 16
"""`recent` holds up to so many people, or this share of the base, before a new base is written."""

RECENT_BYTES = 48 << 20
"""And at most so many bytes in memory."""

_THREADS = 2
"""Files of the base that are read at one time."""

_PRINTS = ("hash", "print", "values")

Answers = Callable[[str], Iterable[Entry]]
"""Run → what its journal holds of chunks that are not finished, in the order of the answers."""

_DELTA = re.compile("sent-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Delta:
    """What one chunk of a run sent, of the partitions [first, end). `run` is the run's number, not its id."""

    path: Path
    run: int
    chunk: int
    first: int
    end: int

    @classmethod
    def at(cls, path: Path) -> "Delta":
        """A delta from the name of its file; DamagedError where it is not such a name."""
        found = _DELTA.fullmatch(path.stem)
        if not found:
            raise DamagedError("a file has another name")
        return cls(path, *map(int, found.groups()))

    @property
    def failed(self) -> Path:
        """What of it was not acknowledged; not there until the chunk is over."""
        return self.path.with_suffix(".failed")


class Snapshot:
    """One import's snapshot, as one run sees it. Opening changes nothing on disk; `begin` does.

    Every method raises StateError where a file is damaged or the disk does not take one.
    """

    def __init__(self, state_dir: Path, config: Config, answers: Answers) -> None:
        self.folder = state_dir / "snapshots" / account.import_id(config)
        self._config = config
        self._answers = answers
        self._run = -1
        self._manifest = Manifest.load(self.folder)
        self.keys = [k for k, a in config.attributes.items() if a.operation in DIFFABLE]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever sent."""
        return not (self._manifest.base or self._manifest.recent or self._deltas())

    @property
    def full_at(self) -> float | None:
        """When the last finished run ended that sent everything; Unix time, in seconds."""
        return self._manifest.full_at

    @property
    def where(self) -> str | None:
        """The `where` of the last finished run, None = there was none."""
        return self._manifest.where

    # ---------------------------------------------------------------- one run

    def begin(self, run_id: str) -> None:
        """Makes a run known, and settles what killed runs have left open. Only under the import's lock."""
        atomic_files.make_folder(self.folder)
        with snapshot_errors(self.folder):
            manifest = self._manifest
            number = manifest.runs.get(run_id)
            if number is None:
                number = manifest.next
                manifest.runs[run_id] = number
                manifest.next = number + 1
                self._declare(number)
            manifest.attributes = list(self._config.attributes)
            manifest.import_ = snapshot_manifest.import_of(self._config)
            manifest.changed_only = self._config.run.changed_only
            for delta in self._deltas():
                if delta.run != number and not delta.failed.exists():
                    checked_files.write_frame(delta.failed, self._unanswered(delta), durable=True)
            self._run = number
            manifest.save(self.folder)
            self._tidy()

    def _declare(self, number: int) -> None:
        """From this run on, values sent under another declaration are stale."""
        declared = self._manifest.declared
        for key in self.keys:
            now = row_hash.declaration(self._config.attributes[key], self._config.column_of(key))
            before = declared.get(key)
            if before is None or before["print"] != now:
                declared[key] = {"print": now, "since": 0 if before is None else number}

    def record(self, chunk: int, first: int, end: int, frame: pl.DataFrame) -> None:
        """Has on disk, before a chunk goes out, what it will send: from now on these values are unknown.

        `frame` has `id`, `print`, `values`, perhaps `identity`, and a column per attribute, null where
        nothing is sent.
        """
        path = self.folder / f"sent-{self._run:06d}-{chunk:06d}-{first:04d}-{end:04d}.arrow"
        with snapshot_errors(self.folder):
            checked_files.write_frame(path, frame.with_columns(hashed()), durable=True)

    def is_recorded(self, chunk: int) -> bool:
        """Whether an earlier attempt of this run has recorded the chunk."""
        return any(self.folder.glob(f"sent-{self._run:06d}-{chunk:06d}-*.arrow"))

    def settle(self, chunk: int, failed: pl.DataFrame) -> None:
        """The chunk is over; all it sent is known, but for `failed` (`id`, `key`)."""
        with snapshot_errors(self.folder):
            for path in self.folder.glob(f"sent-{self._run:06d}-{chunk:06d}-*.arrow"):
                checked_files.write_frame(Delta.at(path).failed, failed, durable=True)

    def finish(self, *, full_at: float | None) -> None:
        """The run is over: folds everything that is settled. `full_at`: it sent everything, and when."""
        with snapshot_errors(self.folder):
            self._manifest.where = self._config.source.where
            if full_at is not None:
                self._manifest.full_at = full_at
            self._fold()
            self._manifest.runs = {}
            self._manifest.save(self.folder)
            self._tidy()

    # ---------------------------------------------------------------- what is known

    def read(self, first: int, end: int, people: pl.DataFrame | None = None) -> pl.DataFrame:
        """`id`, `hash`, `print`, `values` and the attributes of the people of the partitions [first, end).

        `people` (`id`, or `hash` alone): only these.
        """
        with snapshot_errors(self.folder):
            return self._laid_over(self._layers(first, end, people=people))

    def read_before(self, first: int, end: int, people: pl.DataFrame) -> pl.DataFrame:
        """As `read`, without what this run has sent: every attempt of a run finds the same."""
        with snapshot_errors(self.folder):
            return self._laid_over(self._layers(first, end, before=self._run, people=people))

    def _laid_over(self, layers: Iterable[pl.DataFrame]) -> pl.DataFrame:
        frame = pl.DataFrame(schema=META)
        for layer in layers:
            frame = snapshot_frames.over(frame, layer) if frame.height else layer
        return snapshot_frames.complete(frame, self.keys)

    def prints(self) -> Callable[[int, int], pl.DataFrame]:
        """Reads `hash`, `print` and `values` of the people of partitions [first, end), no hash twice.

        What changed since the base was written is read now, once for all groups of partitions.
        """
        with snapshot_errors(self.folder):
            recent = self._recent(_PRINTS)

        def read(first: int, end: int) -> pl.DataFrame:
            with snapshot_errors(self.folder):
                frame = pl.DataFrame(schema=META).drop("id")
                for layer in self._layers(first, end, columns=_PRINTS, recent=recent):
                    below = frame.join(layer, on="hash", how="anti") if frame.height else frame
                    frame = pl.concat([below, layer])
                are_unique = frame["hash"].n_unique() == frame.height  # takes a third of finding which are
                return frame if are_unique else frame.filter(pl.col("hash").is_unique())

        return read

    def read_fingerprints(self) -> Iterator[pl.DataFrame]:
        """`id`, `print` and `values` of everybody, a frame for each group of a bounded number of people."""
        manifest = self._manifest
        with snapshot_errors(self.folder):
            people = manifest.people + (manifest.recent["people"] if manifest.recent else 0)
            sent = sum(checked_files.size_of(delta.path)[0] for delta in self._deltas())
            width, recent = _group_width(people + sent, 0), self._recent(tuple(META))
            for first in range(0, PARTITIONS, width):
                layers = self._layers(first, first + width, columns=tuple(META), recent=recent)
                yield self._laid_over(layers).select("id", "print", "values")

    def version(self, run_id: str = "") -> str:
        """Another one after each run that has sent something, but for this run."""
        own = self._manifest.runs.get(run_id)
        open_ = [delta.path.name for delta in self._deltas() if delta.run != own]
        text = json.dumps([self.folder.name, self._manifest.generation, open_])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _layers(
        self,
        first: int,
        end: int,
        *,
        with_base: bool = True,
        columns: Sequence[str] | None = None,
        before: int | None = None,
        people: pl.DataFrame | None = None,
        recent: pl.DataFrame | None = None,
    ) -> Iterator[pl.DataFrame]:
        """From the lowest up; all people of one layer are different ones.

        `before` is the number of a run whose deltas are left out. `people` (`id` or `hash`): only these.
        `recent` is the layer of this name where it was read before.
        """
        manifest = self._manifest

        def layer(file: str, run: int) -> pl.DataFrame:
            return self._layer(file, run, first, end, columns, people)

        base = [p["file"] for p in manifest.base if with_base and p["first"] < end and p["end"] > first]
        if base:  # each file has other people
            with ThreadPoolExecutor(_THREADS, "base") as threads:
                read = threads.map if len(base) > 1 else map
                yield pl.concat(read(layer, base, repeat(manifest.base_run)), how="diagonal")
        if recent is not None:
            yield snapshot_frames.between(recent, first, end)
        elif manifest.recent:
            yield layer(manifest.recent["file"], manifest.recent_run)
        for delta in self._deltas():
            if delta.first < end and delta.end > first and delta.run != before:
                sent = snapshot_frames.between(self._resolved(delta), first, end)
                frame = _only(people, self._aged(sent, delta.run))
                yield frame if columns is None else frame.select(columns)

    def _recent(self, columns: Sequence[str] | None) -> pl.DataFrame | None:
        """What changed since the base was written, of everybody; None where nothing did."""
        recent = self._manifest.recent
        if not recent:
            return None
        return self._layer(recent["file"], self._manifest.recent_run, 0, PARTITIONS, columns)

    def _layer(
        self,
        file: str,
        run: int,
        first: int,
        end: int,
        columns: Sequence[str] | None,
        people: pl.DataFrame | None = None,
    ) -> pl.DataFrame:
        path = self.folder / file
        try:
            if people is not None and path.suffix == ".parquet":
                frame = _read_people(path, people)
            else:
                frame = checked_files.read_frame(path, columns)
        except FileNotFoundError:
            raise DamagedError("a file is missing") from None
        return _only(people, self._aged(snapshot_frames.between(frame, first, end), run))

    def _aged(self, frame: pl.DataFrame, run: int) -> pl.DataFrame:
        """Values that an earlier run than the attribute's present declaration has sent, as stale."""
        declared = self._manifest.declared
        return snapshot_frames.stale(frame, [key for key in declared if declared[key]["since"] > run])

    def _deltas(self) -> list[Delta]:
        """What is not folded yet, in the order of the runs."""
        every = [Delta.at(path) for path in sorted(self.folder.glob("sent-*.arrow"))]
        return [delta for delta in every if delta.run > self._manifest.folded]

    def _resolved(self, delta: Delta) -> pl.DataFrame:
        """What a delta sent: known where it was acknowledged, else UNKNOWN."""
        sent = checked_files.read_frame(delta.path)
        if delta.failed.exists():
            return snapshot_frames.without(sent, checked_files.read_frame(delta.failed))
        if delta.run == self._run:
            return snapshot_frames.without(sent, snapshot_frames.sent_values(sent))
        return snapshot_frames.without(sent, self._unanswered(delta))

    def _unanswered(self, delta: Delta) -> pl.DataFrame:
        """What of a killed run's chunk its journal does not hold as applied: `id`, `key`."""
        run_id = next((r for r, number in self._manifest.runs.items() if number == delta.run), None)
        applied: dict[tuple[str, str], bool] = {}
        for entry in self._answers(run_id) if run_id else ():
            if entry.chunk == delta.chunk:
                refused = {key for key, reason, *_ in entry.refusals if reason != NORMALIZED}
                for key in entry.attributes:
                    applied[entry.person, key] = entry.state == "applied" and key not in refused
        good = [pair for pair, is_applied in applied.items() if is_applied]
        known = pl.DataFrame(good, schema={"id": pl.String, "key": pl.String}, orient="row")
        sent = snapshot_frames.sent_values(checked_files.read_frame(delta.path))
        return sent.join(known, on=["id", "key"], how="anti")

    # ---------------------------------------------------------------- folding

    def _fold(self) -> None:
        """All deltas into `recent`, or into a new base where they are many."""
        manifest, deltas = self._manifest, self._deltas()
        if not deltas:
            return
        files = [delta.path for delta in deltas]
        files += [self.folder / manifest.recent["file"]] if manifest.recent else []
        sizes = [checked_files.size_of(path) for path in files]
        people, size = sum(rows for rows, _ in sizes), sum(size for _, size in sizes)
        manifest.generation += 1
        if people <= max(RECENT_PEOPLE, manifest.people * RECENT_SHARE) and size <= RECENT_BYTES:
            self._fold_recent()
        else:
            size += sum(checked_files.size_of(self.folder / part["file"])[1] for part in manifest.base)
            self._fold_base(_group_width(manifest.people + people, size))
        manifest.folded = manifest.next - 1

    def _fold_recent(self) -> None:
        manifest = self._manifest
        frame = self._laid_over(self._layers(0, PARTITIONS, with_base=False))
        file = f"recent-{manifest.generation:06d}.arrow"
        checked_files.write_frame(self.folder / file, frame, durable=True)
        manifest.recent = {"file": file, "people": frame.height}
        manifest.recent_run = manifest.next - 1

    def _fold_base(self, width: int) -> None:
        """Group by group of so many partitions, so that memory holds one at a time."""
        manifest, parts, recent = self._manifest, [], self._recent(None)
        for first in range(0, PARTITIONS, width):
            frame = self._laid_over(self._layers(first, first + width, recent=recent))
            file = f"base-{manifest.generation:06d}-{first:04d}.parquet"
            if frame.height:
                checked_files.write_parquet(self.folder / file, frame, durable=True)
                parts.append({"file": file, "first": first, "end": first + width, "people": frame.height})
        manifest.base, manifest.base_run = parts, manifest.next - 1
        manifest.recent = None

    def _tidy(self) -> None:
        """Deletes what no layer names: of an earlier generation, or half written."""
        named = self._manifest.layer_files() | {snapshot_manifest.NAME}
        for delta in self._deltas():
            named |= {delta.path.name, delta.failed.name}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()


def _read_people(path: Path, people: pl.DataFrame) -> pl.DataFrame:
    """The rows of a file that have the hash of one of these people; the others are not decoded."""
    hashes = people["hash"] if "hash" in people.columns else people.select(hashed())["hash"]
    return checked_files.scan_parquet(path).filter(pl.col("hash").is_in(hashes.implode())).collect()


def _only(people: pl.DataFrame | None, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of these people; None = of all."""
    if people is None:
        return frame
    return detached(frame.join(people, on="id" if "id" in people.columns else "hash", how="semi"))


def _group_width(people: int, size: int) -> int:
    """How many partitions of so many people, of so many bytes in memory, are one file of the base."""
    width = PARTITIONS
    while width > 1 and (
        people * width > GROUP_PEOPLE * PARTITIONS or size * width > GROUP_BYTES * PARTITIONS
    ):
        width //= 2
    return width


def refuse_shared_attributes(state_dir: Path, config: Config) -> None:
    """ConfigError where another import of this state folder writes an attribute of this one's account.

    Each would change what the other's snapshot knows; it matters where one of them sends only what changed.
    """
    mine, own = snapshot_manifest.import_of(config), account.import_id(config)
    for path in sorted((state_dir / "snapshots").glob(f"*/{snapshot_manifest.NAME}")):
        other = Manifest.load(path.parent)
        if path.parent.name == own or {**other.import_, "name": ""} != {**mine, "name": ""}:
            continue
        shared = [key for key in config.attributes if key in other.attributes]
        if shared and (config.run.changed_only or other.changed_only):
            raise ConfigError(
                f'Import "{other.import_["name"]}" writes {", ".join(shared)} to the same account, '
                "so neither can know what changed. Write each attribute by one import only; where that one "
                f"is no longer run, delete {path.parent} and try again."
            )


def erase_person(folder: Path, person: str) -> bool:
    """Takes a person out of every layer of a snapshot; whether they stood in any. StateError as above."""
    found = False
    with snapshot_errors(folder):
        for path in [*folder.glob("*.parquet"), *folder.glob("*.arrow"), *folder.glob("*.failed")]:
            frame = checked_files.read_frame(path)
            left = frame.filter(pl.col("id") != person)
            if left.height < frame.height:
                is_parquet = path.suffix == ".parquet"
                write = checked_files.write_parquet if is_parquet else checked_files.write_frame
                write(path, left, durable=True)
                found = True
    return found
