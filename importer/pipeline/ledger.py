"""The chunks of a run: which are open, how they ended, and their counts."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import polars as pl

from importer.chunk.chunker import Chunk, Chunker, Tally, Withhold
from importer.config.schema import Config
from importer.core.models import Call
from importer.destinations.base import Destination
from importer.reconcile.check_counts import CheckCounts
from importer.reconcile.chunk_report import ChunkReport
from importer.reconcile.diff import Diff
from importer.reconcile.reconciler import Answers, Doubts, OpenChunk
from importer.report.reject_files import RejectFiles
from importer.storage.id_cache import IdCache
from importer.storage.journal import Entry, Journal
from importer.storage.spool import ChunkPlan, Spool
from importer.validate import identities
from importer.validate.read_result import ReadResult
from importer.values.row_hash import RowHasher

COUNTING_THREADS = 2
"""Chunks of a check that are counted at one time; each may hold a chunk's bytes in memory."""


@dataclass
class Ledger:
    """What the chunks of a run share, and what they come to.

    `prepare` may settle values of a chunk without a call before it is sent, `withhold` does so with single
    rows of a sum or union; `addresses` is there where ids are resolved; `earlier` holds what former lives of
    the run had answered of chunks that are still open, `pending` the calls by chunk that carry on what they
    had handed in; `dead` maps an attribute to the destination's reason for never taking it; `problems` holds
    the people whom the destination could not tell. `marks` is there where only marks of the rows were
    spooled; `sends` is false where nothing is meant to be sent (`check`); `changes` is there where the
    snapshot is looked at, `release` closes what `prepare` has opened.
    """

    config: Config
    destination: Destination
    reading: ReadResult
    spool: Spool
    journal: Journal
    reports: RejectFiles
    marks: CheckCounts | None
    prepare: Callable[[OpenChunk], None] = lambda _: None
    withhold: Withhold | None = None
    addresses: IdCache | None = None
    dead: dict[str, str] = field(default_factory=dict)
    problems: Spool | None = None
    sends: bool = True
    changes: Diff | None = None
    release: Callable[[], None] = lambda: None
    earlier: dict[int, list[Entry]] = field(default_factory=dict)
    pending: dict[int, list[Call]] = field(default_factory=dict)
    doubts: Doubts | None = None
    tally: Tally = field(default_factory=Tally)
    answers: Answers = field(default_factory=Answers)
    plans: list[ChunkPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        encoding, compare = self.destination.encoding, self.changes.compare if self.changes else None
        self._fingerprints = RowHasher(self.config, encoding)
        prints = self._prints if compare else None
        self._chunker = Chunker(self.config, encoding, self.reading.cells, self.withhold, prints, compare)
        self.doubts = Doubts() if self.destination.splits else None
        closed = self.journal.closed_chunks()
        for tally in closed.values():
            self.tally.add(Tally.load(tally))
        self.plans = [plan for plan in self.spool.plan() if plan.number not in closed]

    def let_go(self) -> None:
        """Closes what is open besides the journal."""
        if self.addresses:
            self.addresses.close()
        self.release()

    def take_up(self) -> None:
        """Takes what is answered by now of open chunks for that of a former life: they are opened anew."""
        self.journal.flush()
        closed = self.journal.closed_chunks()
        self.plans = [plan for plan in self.plans if plan.number not in closed]
        self.earlier = {}
        for entry in self.journal.open_answers():
            self.earlier.setdefault(entry.chunk, []).append(entry)
        self.pending = self.journal.pending()

    def _prints(self, layout: int, rows: pl.DataFrame, cells: pl.DataFrame) -> pl.Series:
        return self._fingerprints.of(self.reading.sources[layout].layout, rows, cells)

    def open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk ready to send, marked in the snapshot."""
        opened = self._open(plan)
        if self.changes:
            self.changes.mark(opened)
        return opened

    def _open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk without what is settled already."""
        chunk = self._build(plan)
        dead_reasons = self.destination.dead_reasons
        opened = OpenChunk(chunk, self.journal, self.answers, self.dead, dead_reasons, self.doubts)
        earlier, pending = self.earlier.get(plan.number, ()), self.pending.get(plan.number, ())
        opened.restore(earlier, pending)
        self.prepare(opened)
        if self.changes:
            self.changes.count(chunk)
        return opened

    def _build(self, plan: ChunkPlan) -> Chunk:
        problems = identities.of_chunk(self.problems, plan) if self.problems else None
        return self._chunker.build(plan, self.spool.read(plan), problems)

    def close(self, opened: OpenChunk) -> ChunkReport:
        """How the chunk ended, its lines and rows set down as parts of the reports."""
        closed = opened.close(self.config, self.reading.cells, check=not self.sends)
        self.earlier.pop(opened.chunk.plan.number, None)
        self.pending.pop(opened.chunk.plan.number, None)
        self.reports.add_chunk(opened.chunk.plan.number, closed.rejects, closed.kept)
        return closed

    def first_values(self) -> list[Call]:
        """For each attribute of mixed kinds, the call that shows the destination a general text of it first.

        Looks through the chunks until one is found for each; the first chunk nearly always has them all.
        """
        wanted, calls = set(self.reading.mixed), list[Call]()
        for plan in self.plans if wanted else ():
            chunk = self._build(plan)
            for key, update in chunk.general(wanted):
                wanted.discard(key)
                call = self.destination.first_value(update)
                calls += [call] if call else []
            if calls and self.changes:
                self.changes.mark(self._open(plan))
            if not wanted:
                break
        return calls

    def settle(self, opened: OpenChunk) -> ChunkReport:
        """Closes a chunk of which every call has come to its end."""
        closed = self.close(opened)
        if self.changes and closed.codes is not None:
            self.changes.settle(opened, closed.codes)
        return closed

    def count_without_sending(self, plans: Sequence[ChunkPlan]) -> None:
        """Closes chunks of which nothing more is sent: all of them for `check`, the rest after a stop."""
        if not self.marks:
            for plan in plans:
                self.tally.add(self.close(self._open(plan)).tally)
            return
        with ThreadPoolExecutor(COUNTING_THREADS, "counting") as threads:
            for closed in threads.map(partial(self._count, self.marks), plans):
                self.tally.add(closed.tally)

    def _count(self, marks: CheckCounts, plan: ChunkPlan) -> ChunkReport:
        closed = marks.close(self._chunker.fold(piece for _, piece in self.spool.read(plan)))
        self.reports.add_chunk(plan.number, closed.rejects, closed.kept)
        return closed
