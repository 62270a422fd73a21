"""What the destination is known to hold: the last acknowledged value of every attribute of every person.

One folder per import (name, destination type, base URL, account) in the state folder. It is layers, each
above the ones before:

    base      everybody, in files by partition
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

Besides, each person has the fingerprint of the row whose values are all known (`print`), with the number of
its values; null where there is no such row.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars_hash as plh

from importer.config.schema import Config
from importer.core.errors import ConfigError, StateError
from importer.destinations.base import NORMALIZED
from importer.storage import run_folder
from importer.storage.journal import Entry
from importer.storage.partitions import HASH, PARTITIONS, detached
from importer.values import row_hash

CLEARED = ""
UNKNOWN = "?"
STALE = "\x01"

DIFFABLE = frozenset({"set", "delete"})
"""Operations whose value can be compared with the last one; what is added to a value cannot."""

GROUP_PEOPLE = 1 << 16
"""About so many people are in one file of the base."""

RECENT_PEOPLE = 50_000
RECENT_SHARE = 1 / 16
"""`recent` holds up to so many people, or this share of the base, before a new base is written."""

_META = {"id": pl.String, "hash": pl.UInt64, "print": pl.UInt64, "values": pl.UInt32}
_NEW = "\x00new"

Answers = Callable[[str], Iterable[Entry]]
"""Run → what its journal holds of chunks that are not finished, in the order of the answers."""


def column(key: str) -> str:
    """The column of an attribute in a frame of the snapshot."""
    return f"v:{key}"


def hashed() -> pl.Expr:
    """The hash of a person by which the spool spreads people, as the column `hash`."""
    return plh.col("id").nchash.xxhash64().alias("hash")


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
        """A delta from the name of its file."""
        run, chunk, first, end = (int(part) for part in path.stem.removeprefix("sent-").split("-"))
        return cls(path, run, chunk, first, end)

    @property
    def failed(self) -> Path:
        """What of it was not acknowledged; not there until the chunk is over."""
        return self.path.with_suffix(".failed")


class Snapshot:
    """One import's snapshot, as one run sees it. Opening changes nothing on disk; `begin` does."""

    def __init__(self, state_dir: Path, config: Config, answers: Answers) -> None:
        self.folder = state_dir / "snapshots" / run_folder.identity(config)
        self._config = config
        self._answers = answers
        self._own = -1
        self._known = _read_manifest(self.folder)
        self.keys = [k for k, a in config.attributes.items() if a.operation in DIFFABLE]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever sent."""
        return not (self._known["base"] or self._known["recent"] or self._deltas())

    @property
    def full_at(self) -> float | None:
        """When the last finished run ended that sent everything; Unix time, in seconds."""
        found = self._known["full_at"]
        return None if found is None else float(found)

    @property
    def where(self) -> str | None:
        """The `where` of the last finished run, None = there was none."""
        found = self._known["where"]
        return None if found is None else str(found)

    # ---------------------------------------------------------------- one run

    def begin(self, run_id: str) -> None:
        """Makes a run known, and settles what killed runs have left open. Only under the import's lock."""
        with _trouble(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            known, number = self._known, self._known["runs"].get(run_id)
            if number is None:
                number = known["next"]
                known["runs"][run_id] = number
                known["next"] = number + 1
                self._declare(number)
            known["attributes"] = list(self._config.attributes)
            known["import"] = _import_of(self._config)
            known["changed_only"] = self._config.run.changed_only
            for delta in self._deltas():
                if delta.run != number and not delta.failed.exists():
                    _write(delta.failed, self._unanswered(delta))
            self._own = number
            self._write_manifest()
            self._tidy()

    def _declare(self, number: int) -> None:
        """From this run on, values sent under another declaration are stale."""
        declared = self._known["declared"]
        for key in self.keys:
            now = row_hash.declaration(self._config.attributes[key], self._config.columns[key])
            before = declared.get(key)
            if before is None or before["print"] != now:
                declared[key] = {"print": now, "since": 0 if before is None else number}

    def mark(self, chunk: int, first: int, end: int, frame: pl.DataFrame) -> None:
        """Has on disk, before a chunk goes out, what it will send: from now on these values are unknown.

        `frame` has `id`, `print`, `values` and a column per attribute, null where nothing is sent.
        """
        path = self.folder / f"sent-{self._own:06d}-{chunk:06d}-{first:04d}-{end:04d}.arrow"
        with _trouble(self.folder):
            _write(path, frame.with_columns(hashed()))

    def is_marked(self, chunk: int) -> bool:
        """Whether an earlier life of this run has marked the chunk."""
        return any(self.folder.glob(f"sent-{self._own:06d}-{chunk:06d}-*.arrow"))

    def settle(self, chunk: int, failed: pl.DataFrame) -> None:
        """The chunk is over; all it sent is known, but for `failed` (`id`, `key`)."""
        with _trouble(self.folder):
            for path in self.folder.glob(f"sent-{self._own:06d}-{chunk:06d}-*.arrow"):
                _write(Delta.at(path).failed, failed)

    def finish(self, *, full_at: float | None) -> None:
        """The run is over: folds everything that is settled. `full_at`: it sent everything, and when."""
        with _trouble(self.folder):
            known = self._known
            known["where"] = self._config.source.where
            if full_at is not None:
                known["full_at"] = full_at
            self._fold()
            known["runs"] = {}
            self._write_manifest()
            self._tidy()

    # ---------------------------------------------------------------- what is known

    def held(self, first: int, end: int, people: pl.DataFrame | None = None) -> pl.DataFrame:
        """`id`, `hash`, `print`, `values` and the attributes of the people of the partitions [first, end).

        `people` (`id`): only these.
        """
        with _trouble(self.folder):
            frame = pl.DataFrame(schema=_META)
            for layer in self._layers(first, end):
                chosen = layer if people is None else detached(layer.join(people, on="id", how="semi"))
                frame = _over(frame, chosen) if frame.height else chosen
            return _complete(frame, self.keys)

    def prints(self, first: int, end: int) -> pl.DataFrame:
        """`hash`, `print` and `values` of the people of these partitions; no hash stands there twice."""
        with _trouble(self.folder):
            frame = pl.DataFrame(schema=_META).drop("id")
            for layer in self._layers(first, end, ("hash", "print", "values")):
                below = frame.join(layer, on="hash", how="anti")
                frame = pl.concat([below, layer])
            return frame.filter(pl.col("hash").is_unique())

    def _layers(self, first: int, end: int, only: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """From the ground up; all people of one layer are different ones."""
        known = self._known
        parts = [p for p in known["base"] if p["first"] < end and p["end"] > first]
        for part in parts:
            yield self._layer(self.folder / part["file"], known["base_run"], first, end, only)
        if known["recent"]:
            path = self.folder / known["recent"]["file"]
            yield self._layer(path, known["recent_run"], first, end, only)
        for delta in self._deltas():
            if delta.first < end and delta.end > first:
                frame = self._aged(_between(self._resolved(delta), first, end), delta.run)
                yield frame if only is None else frame.select(only)

    def _layer(self, path: Path, run: int, first: int, end: int, only: Sequence[str] | None) -> pl.DataFrame:
        scan = pl.scan_ipc(path)
        frame = (scan if only is None else scan.select(only)).collect()
        return self._aged(_between(frame, first, end), run)

    def _aged(self, frame: pl.DataFrame, run: int) -> pl.DataFrame:
        """Values that an earlier run than the attribute's present declaration has sent, as stale."""
        declared = self._known["declared"]
        old = [k for k in declared if declared[k]["since"] > run and column(k) in frame.columns]
        values = [pl.col(column(k)) for k in old]
        return frame.with_columns(
            pl.when((value == UNKNOWN) | value.str.starts_with(STALE))
            .then(value)
            .otherwise(pl.lit(STALE) + value)
            .name.keep()
            for value in values
        )

    def _deltas(self) -> list[Delta]:
        """What is not folded yet, in the order of the runs."""
        every = [Delta.at(path) for path in sorted(self.folder.glob("sent-*.arrow"))]
        return [delta for delta in every if delta.run > self._known["folded"]]

    def _resolved(self, delta: Delta) -> pl.DataFrame:
        """What a delta sent: known where it was acknowledged, else UNKNOWN."""
        sent = _read(delta.path)
        if delta.failed.exists():
            return _without(sent, _read(delta.failed))
        if delta.run == self._own:
            return _without(sent, _touched(sent))
        return _without(sent, self._unanswered(delta))

    def _unanswered(self, delta: Delta) -> pl.DataFrame:
        """What of a killed run's chunk its journal does not hold as applied: `id`, `key`."""
        run_id = next((r for r, number in self._known["runs"].items() if number == delta.run), None)
        applied: dict[tuple[str, str], bool] = {}
        for entry in self._answers(run_id) if run_id else ():
            if entry.chunk == delta.chunk:
                refused = {key for key, reason, _ in entry.refusals if reason != NORMALIZED}
                for key in entry.attributes:
                    applied[entry.person, key] = entry.state == "applied" and key not in refused
        good = [pair for pair, is_applied in applied.items() if is_applied]
        known = pl.DataFrame(good, schema={"id": pl.String, "key": pl.String}, orient="row")
        return _touched(_read(delta.path)).join(known, on=["id", "key"], how="anti")

    # ---------------------------------------------------------------- folding

    def _fold(self) -> None:
        """All deltas into `recent`, or into a new base where they are many."""
        known, deltas = self._known, self._deltas()
        if not deltas:
            return
        fresh = sum(_height(delta.path) for delta in deltas)
        recent = known["recent"]["people"] if known["recent"] else 0
        people = sum(part["people"] for part in known["base"])
        generation = known["generation"] = known["generation"] + 1
        if recent + fresh <= max(RECENT_PEOPLE, people * RECENT_SHARE):
            self._fold_recent(generation)
        else:
            self._fold_base(generation, people + recent + fresh)
        known["folded"] = known["next"] - 1

    def _fold_recent(self, generation: int) -> None:
        known = self._known
        below, known["base"] = known["base"], []  # what `held` gives without it is the other layers
        frame = self.held(0, PARTITIONS)
        file = f"recent-{generation:06d}.arrow"
        _write(self.folder / file, frame)
        known |= {"base": below, "recent": {"file": file, "people": frame.height}}
        known["recent_run"] = known["next"] - 1

    def _fold_base(self, generation: int, at_most: int) -> None:
        """Group by group, so that memory holds one at a time."""
        known, parts = self._known, []
        width = PARTITIONS
        while width > 1 and at_most * width / PARTITIONS > GROUP_PEOPLE:
            width //= 2
        for first in range(0, PARTITIONS, width):
            frame = self.held(first, first + width)
            file = f"base-{generation:06d}-{first:04d}.arrow"
            if frame.height:
                _write(self.folder / file, frame)
                parts.append({"file": file, "first": first, "end": first + width, "people": frame.height})
        known |= {"base": parts, "recent": None, "base_run": known["next"] - 1}

    def _tidy(self) -> None:
        """Takes away what no layer names: of an earlier generation, or half written."""
        known = self._known
        named = {part["file"] for part in known["base"]} | {"manifest.json"}
        named |= {known["recent"]["file"]} if known["recent"] else set()
        for delta in self._deltas():
            named |= {delta.path.name, delta.failed.name}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()

    def _write_manifest(self) -> None:
        part = self.folder / "manifest.part"
        with part.open("w") as file:
            json.dump(self._known, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / "manifest.json")
        _sync(self.folder)


def refuse_rivals(state_dir: Path, config: Config) -> None:
    """ConfigError where another import of this state folder writes an attribute of this one's account.

    Each would change what the other's snapshot holds for known; it matters where one of them sends only what
    changed.
    """
    mine, own = _import_of(config), run_folder.identity(config)
    for path in sorted((state_dir / "snapshots").glob("*/manifest.json")):
        other = _read_manifest(path.parent)
        if path.parent.name == own or {**other["import"], "name": ""} != {**mine, "name": ""}:
            continue
        shared = [key for key in config.attributes if key in other["attributes"]]
        if shared and (config.run.changed_only or other["changed_only"]):
            raise ConfigError(
                f'Import "{other["import"]["name"]}" writes {", ".join(shared)} to the same account, '
                "so neither can know what changed. Write each attribute by one import only; where that one "
                f"is no longer run, delete {path.parent} and try again."
            )


def take_out(folder: Path, person: str) -> bool:
    """Forgets a person in every layer of a snapshot; whether they stood in any."""
    found = False
    with _trouble(folder):
        for path in [*folder.glob("*.arrow"), *folder.glob("*.failed")]:
            frame = _read(path)
            left = frame.filter(pl.col("id") != person)
            if left.height < frame.height:
                _write(path, left)
                found = True
    return found


def _import_of(config: Config) -> dict[str, str]:
    section = config.destination
    kind = {"type": section.type, "base_url": section.base_url, "account": section.account or ""}
    return {"name": config.name, **kind}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.exists():
        return {
            "hash": HASH,
            "import": {},
            "attributes": [],
            "changed_only": False,
            "next": 1,
            "runs": {},
            "declared": {},
            "generation": 0,
            "base": [],
            "base_run": 0,
            "recent": None,
            "recent_run": 0,
            "folded": 0,
            "full_at": None,
            "where": None,
        }
    with _trouble(folder):
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if found["hash"] != HASH:
            raise ValueError
        return found


# -------------------------------------------------------------------- frames


def _complete(frame: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    lacking = [pl.lit(None, pl.String).alias(column(k)) for k in keys if column(k) not in frame.columns]
    return frame.with_columns(lacking)


def _over(below: pl.DataFrame, above: pl.DataFrame) -> pl.DataFrame:
    """One layer laid over another: of each value the upper one, where there is one."""
    if not above.height:
        return below
    joined = below.join(
        above.with_columns(pl.lit(value=True).alias(_NEW)), on="id", how="full", coalesce=True, suffix=_NEW
    )
    both = [c for c in above.columns if c in below.columns and c != "id"]
    columns = [
        pl.when(_NEW).then(pl.col(c + _NEW)).otherwise(pl.col(c)).alias(c)
        if c in ("print", "values")
        else pl.coalesce(c + _NEW, c).alias(c)
        for c in both
    ]
    return joined.with_columns(columns).drop(_NEW, *(c + _NEW for c in both))


def _between(frame: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
    if (first, end) == (0, PARTITIONS):
        return frame
    return frame.filter((pl.col("hash") % PARTITIONS).is_between(first, end - 1))


def _values(frame: pl.DataFrame) -> list[str]:
    return [c for c in frame.columns if c not in _META]


def _touched(sent: pl.DataFrame) -> pl.DataFrame:
    """Every value a delta sends: `id`, `key`."""
    found = [pl.DataFrame(schema={"id": pl.String, "key": pl.String})]
    found += [
        sent.filter(pl.col(name).is_not_null()).select("id", key=pl.lit(name[2:])) for name in _values(sent)
    ]
    return pl.concat(found)


def _without(sent: pl.DataFrame, failed: pl.DataFrame) -> pl.DataFrame:
    """What was sent, with the failed values as UNKNOWN and no fingerprint for their people."""
    if not failed.height:
        return sent
    for (key,), part in failed.group_by("key"):
        name = column(str(key))
        sent = sent.with_columns(
            pl.when(pl.col("id").is_in(part["id"].implode()))
            .then(pl.lit(UNKNOWN))
            .otherwise(pl.col(name))
            .alias(name)
        )
    lost = pl.col("id").is_in(failed["id"].implode())
    return sent.with_columns(pl.when(~lost).then("print").alias("print"))


# -------------------------------------------------------------------- files


def _height(path: Path) -> int:
    return int(pl.scan_ipc(path).select(pl.len()).collect().item())


def _read(path: Path) -> pl.DataFrame:
    return pl.scan_ipc(path).collect()


def _write(path: Path, frame: pl.DataFrame) -> None:
    """A file that is there whole, and on disk, or not at all."""
    part = path.with_name(path.name + ".part")
    frame.write_ipc(part, compression="lz4")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _trouble(folder: Path) -> Iterator[None]:
    """What the libraries below raise, as StateError; their own texts can quote values."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "cannot be used").lower()
        raise StateError(f"{folder}: {reason}; make room or mend the folder, then go on.") from None
    except (pl.exceptions.PolarsError, ValueError, KeyError, TypeError, AttributeError):
        raise StateError(
            f"{folder}: the snapshot is damaged; delete this folder: the next run writes all values again."
        ) from None
