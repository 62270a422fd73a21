"""`importer verify`: reads people back from the destination and compares them with what a run wrote.

A run keeps no applied values, so they are derived once more: the run's sources are read again by its own
configuration, for a sample of the people it wrote, and folded as in the run. Compared are the values that the
journal calls applied, where their row is still the same. Nothing is written to the destination.
"""

import csv
import hashlib
import heapq
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from io import TextIOWrapper
from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from importer.chunk.chunker import Chunker
from importer.config import secrets
from importer.config.options import DEFAULTS, Options
from importer.config.schema import Config
from importer.core.errors import ConfigError, SourceError
from importer.core.events import Silent
from importer.core.models import (
    ALL_APPLIED,
    SEPARATOR,
    Answer,
    Call,
    Classification,
    Outcome,
    Settled,
    Update,
)
from importer.core.row_order import ORDER_SHIFT
from importer.destinations.base import Destination, RateHint
from importer.pipeline.chunk_stream import limits_of
from importer.pipeline.run_spec import sources_of, stored_config
from importer.pipeline.source_reader import SourceReader
from importer.pipeline.sources import open_sources
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.report.reject_files import RejectFiles
from importer.send.job import Job
from importer.send.rate_limiter import RateLimiter
from importer.send.sender import Sender
from importer.send.shutdown import Stop, StopRequest
from importer.storage import atomic_files, run_folder, state_folder
from importer.storage.journal import Journal
from importer.storage.journal_records import KnownValue
from importer.storage.run_folder import RunFolder
from importer.storage.shared_pace import shared_turns
from importer.storage.spool import Spool, SpoolWriter
from importer.transport import event_loop
from importer.validate.read_result import ReadResult
from importer.validate.validator import Validator

COLUMNS = ("file", "row", "line", "distinct_id", "attribute", "what", "sent", "stored")
"""The columns of `verify.csv`. `what` is `missing` (nothing is stored), `differs`, or `not_cleared`."""

SAMPLE = 100
"""How many people are read back where no number is given."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not stored as it was sent; `order` is the source order of its row."""

    order: int
    line: int
    distinct_id: str
    attribute: str
    what: str
    sent: Any
    stored: Any


@dataclass(slots=True)
class Verified:
    """The result of reading back. `unread` counts people who could not be read; `report` is `verify.csv`."""

    run_id: str
    people: int = 0
    values: int = 0
    unread: int = 0
    differences: list[Difference] = field(default_factory=list)
    report: Path = Path()

    @property
    def exit_code(self) -> int:
        """0 where everything that was written is there, 1 where something differs or could not be read."""
        return 1 if self.differences or self.unread else 0

    def as_mapping(self) -> dict[str, Any]:
        """Counts only, no value of a person; what `--json` prints."""
        counts = Counter((d.what, d.attribute) for d in self.differences)
        return {
            "run_id": self.run_id,
            "people": self.people,
            "unread": self.unread,
            "values": self.values,
            "same": self.values - len(self.differences),
            "differences": [
                {"what": what, "attribute": key, "count": n} for (what, key), n in counts.most_common()
            ],
            "exit_code": self.exit_code,
        }


def verify(
    state_dir: str | PathLike[str],
    run_id: str | None = None,
    sample: int = SAMPLE,
    options: Options = DEFAULTS,
) -> Verified:
    """Reads `sample` people of a run back (all, where it wrote fewer) and compares.

    Raises ConfigError where the destination cannot read back, SourceError where a source has changed since
    the run or was a table, RefusedError and UnreachableError as a run does.
    """
    folder = state_folder.find(Path(state_dir), run_id, wanted=run_folder.has_sent)
    meta = folder.read_meta()
    config = options.applied_to(stored_config(meta))
    destination = config.build_destination()
    if not destination.reads_back:
        raise ConfigError(f"{destination.name} has no way to read a person's attributes back.")
    key = secrets.read_key(config)
    scratch = RunFolder(folder.path / "verify")
    verified = Verified(folder.run_id, report=folder.path / "verify.csv")
    journal = Journal(folder.journal)
    try:
        scratch.make_folders()
        work = _Work(config, destination, journal, scratch, verified)
        work.read_sources(meta, _sampled(journal, folder.run_id, sample))
        ceiling = config.destination.requests_per_second or 0
        with shared_turns(Path(state_dir), config, "calls", ceiling) as turns:
            work.ask(key, RateLimiter(ceiling, turns=turns))
    finally:
        journal.close()
        shutil.rmtree(scratch.path, ignore_errors=True)
    _write(verified, work.reading)
    return verified


def _sampled(journal: Journal, seed: str, count: int) -> pl.Series:
    """So many of the people that the run wrote, chosen at random, the same ones each time."""

    def rank(person: str) -> bytes:
        return hashlib.blake2b(person.encode("utf-8", "surrogatepass"), key=seed.encode()).digest()

    return pl.Series("id", heapq.nsmallest(count, journal.written_people(), key=rank), dtype=pl.String)


@dataclass
class _Work:
    """One verification: the updates of the sampled people, each compared with what is read back."""

    config: Config
    destination: Destination
    journal: Journal
    folder: RunFolder
    verified: Verified
    reading: ReadResult = field(default_factory=ReadResult)
    spool: Spool | None = None

    def read_sources(self, meta: Mapping[str, Any], people: pl.Series) -> None:
        """Reads the run's sources again and keeps the rows of these people."""
        writer = _Filtered(self.folder.spool, people)
        validator = Validator(self.config, self.destination.distinct_id_max)
        limit = meta["options"]["limit"]
        reader = SourceReader(validator, _NoReports(self.folder), writer, Silent(), limit=limit)
        self.reading = reader.read(open_sources(self.config, sources_of(meta)))
        self.spool = writer.finish()

    def ask(self, key: str, limiter: RateLimiter) -> None:
        """Sends the calls, paced and retried as any other."""
        stop, request = Stop(), StopRequest()
        reader = _Reader(self.destination)
        limits = limits_of(self.config, secrets.request_headers(self.config, self.destination, key))
        sender = Sender(limits, reader, limiter, stop)
        event_loop.run(partial(self._send, sender, reader, request), lambda _: request.ask())
        if stop.error is not None:
            raise stop.error
        if stop.signal:
            raise KeyboardInterrupt

    async def _send(self, sender: Sender, reader: "_Reader", request: StopRequest) -> None:
        with request.heard_by(sender.stop):
            await sender.run(self._jobs(reader))

    async def _jobs(self, reader: "_Reader") -> AsyncIterator[Job]:
        assert self.spool is not None
        chunker = Chunker(self.config, self.destination.encoding, self.reading.cells)
        for plan in self.spool.plan():
            chunk = chunker.build(plan, self.spool.read(plan))
            opened = OpenChunk(chunk, self.journal, Answers(), {}, frozenset())
            written = self.journal.known_values(chunk.people["id"].to_list())
            lines = dict(chunk.rows.select("order", "line").iter_rows())
            for update in chunk.updates():
                expected = list(self._expected(update, opened, written.get(update.distinct_id, {}), lines))
                if job := self._job(update, expected, reader):
                    yield job

    def _expected(
        self, update: Update, opened: OpenChunk, written: Mapping[str, KnownValue], lines: Mapping[int, int]
    ) -> Iterator[Difference]:
        """The person's values that the run wrote, each as the difference it would be if it were missing."""
        for part in update.parts:
            texts = part.members.split(SEPARATOR) if part.members else [""] * len(part.keys)
            for key, text in zip(part.keys, texts, strict=True):
                known, order = written.get(key), opened.origin(update.person, key)
                if known is None or known.state != Outcome.APPLIED or not self.destination.shows(key):
                    continue
                if known.origin != order:
                    raise SourceError(_changed(self.reading.sources[order >> ORDER_SHIFT].path))
                cleared = part.operation == "clear"
                sent = None if cleared else _value(key, text)
                what = "not_cleared" if cleared else "missing"
                yield Difference(order, lines[order], update.distinct_id, key, what, sent, None)

    def _job(self, update: Update, expected: list[Difference], reader: "_Reader") -> Job | None:
        call = self.destination.read_back(update) if expected else None
        if call is None:
            self.verified.unread += bool(expected)
            return None

        def settle(settled: Settled) -> None:
            self._compare(expected, reader.stored.pop(id(settled.call), None))

        return Job([call], settle, lambda: None)

    def _compare(self, expected: list[Difference], stored: Mapping[str, Any] | None) -> None:
        if stored is None:
            self.verified.unread += 1
            return
        self.verified.people += 1
        self.verified.values += len(expected)
        for one in expected:
            found = stored.get(one.attribute)
            if one.what == "not_cleared" and found is None:
                continue
            if found is not None and self.destination.is_stored(one.sent, found):
                continue
            what = "differs" if found is not None and one.what == "missing" else one.what
            place = (one.order, one.line, one.distinct_id, one.attribute)
            self.verified.differences.append(Difference(*place, what, one.sent, found))


class _Reader:
    """In place of the destination for the sender: an answer is good where it shows what is stored."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self.stored: dict[int, Mapping[str, Any]] = {}

    def classify(self, call: Call, answer: Answer) -> Classification:
        """Applied, as the sender calls it, where the answer could be read."""
        found = self._destination.read(call, answer)
        if isinstance(found, Classification):
            return found
        self.stored[id(call)] = found
        return ALL_APPLIED

    def rate_hint(self, answer: Answer) -> RateHint | None:
        """The destination's own."""
        return self._destination.rate_hint(answer)


class _Filtered(SpoolWriter):
    """A spool of these people's rows alone."""

    def __init__(self, folder: Path, people: pl.Series) -> None:
        super().__init__(folder)
        self._people = people

    def add(self, frame: pl.DataFrame, layout: int) -> None:
        """Adds the rows of the people wanted."""
        wanted = frame.filter(pl.col("id").is_in(self._people.implode()))
        if wanted.height:
            super().add(wanted, layout)


class _NoReports(RejectFiles):
    """The run itself reported what it rejected."""

    def add_batch(self, number: int, rejects: pl.DataFrame, kept: pl.DataFrame) -> None:
        """Nothing."""


def _value(key: str, member: str) -> Any:
    """The value of one JSON member, `"age":42`."""
    return json.loads("{" + member + "}", parse_float=Decimal)[key]


def _changed(path: str) -> str:
    return (
        f"{path}: has changed since the run, so the values that were sent are not known any more; verify a "
        "run before its source is replaced."
    )


def _write(verified: Verified, reading: ReadResult) -> None:
    verified.differences.sort(key=lambda d: (d.order, d.attribute))
    with (
        atomic_files.replacing(verified.report) as file,
        TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        lines = csv.writer(text)
        lines.writerow(COLUMNS)
        for d in verified.differences:
            path, row = reading.sources[d.order >> ORDER_SHIFT].path, d.order & ((1 << ORDER_SHIFT) - 1)
            shown = (_shown(d.sent), _shown(d.stored))
            lines.writerow([path, row, d.line, d.distinct_id, d.attribute, d.what, *shown])


def _shown(value: Any) -> str:
    if value is None or isinstance(value, Decimal):
        return "" if value is None else str(value)
    return json.dumps(value, ensure_ascii=False, default=str)
