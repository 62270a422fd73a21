"""The chunks of a run: which are open, how they ended, and their counts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import polars as pl

from importer.chunk.chunk import Chunk
from importer.chunk.chunker import Chunker, LeaveOut
from importer.chunk.tally import Tally
from importer.chunk.winners import OnSuperseded
from importer.config.schema import Config
from importer.core.models import Call
from importer.destinations.base import Destination
from importer.reconcile.chunk_report import ChunkReport
from importer.reconcile.diff import Diff
from importer.reconcile.doubtful_attributes import DoubtfulAttributes
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.report.outcome_files import OutcomeFiles
from importer.report.reject_files import RejectFiles
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from importer.storage.spool import ChunkPlan, Spool
from importer.validate import identities
from importer.validate.read_result import ReadResult
from importer.values.row_hash import RowHasher


class ChunkBuilder:
    """Builds the chunks of a run from its spool.

    `problems` are the people whose identity the destination cannot use, where it has identity fields;
    `leave_out` takes values out of sums and unions that a retry must not send again; `diff` compares the
    chunks with the snapshot; `outcomes` takes the values that later ones replace.
    """

    def __init__(
        self,
        config: Config,
        destination: Destination,
        reading: ReadResult,
        spool: Spool,
        problems: Spool | None = None,
        leave_out: LeaveOut | None = None,
        diff: Diff | None = None,
        outcomes: OutcomeFiles | None = None,
    ) -> None:
        self.plans = spool.plan()
        self._reading = reading
        self._spool = spool
        self._problems = problems
        self._hasher = RowHasher(config, destination.encoding)
        self._chunker = Chunker(
            config,
            destination.encoding,
            reading.cells,
            leave_out,
            prints=self._prints if diff or outcomes else None,
            compare=diff.compare if diff else None,
            superseded=partial(self._superseded, outcomes) if outcomes else None,
        )

    def build(self, plan: ChunkPlan) -> Chunk:
        """The chunk with all that its rows say, whatever has ended already."""
        problems = identities.of_chunk(self._problems, plan) if self._problems else None
        return self._chunker.build(plan, self._spool.read(plan), problems)

    def people(self, plans: Sequence[ChunkPlan]) -> int:
        """How many people these chunks are about, found by hash."""
        return self._spool.people(plans)

    def _superseded(self, outcomes: OutcomeFiles, plan: ChunkPlan) -> OnSuperseded:
        """Writes what is superseded piece by piece, so that one person with a million rows fits in memory."""
        numbers = count()

        def put(values: pl.DataFrame) -> None:
            name = f"chunk-{plan.number:06d}-{next(numbers):06d}"
            outcomes.put_superseded(name, values, self._reading.paths)

        return put

    def _prints(self, layout: int, rows: pl.DataFrame, cells: pl.DataFrame) -> pl.Series:
        return self._hasher.of(self._reading.sources[layout].layout, rows, cells)


@dataclass
class Ledger:
    """Opens and closes the chunks of a run, and adds up how their rows and values ended.

    `plans` are the chunks that are not closed, `tally` the counts of those that are; `answers` counts what
    was answered in this attempt. `earlier` is what was answered in an earlier attempt of chunks that are not
    closed; `pending` are the numbers of the chunks of which calls ask for the results of what was accepted.
    The calls come from the journal when the chunk is opened. `dead` maps an attribute to the destination's
    reason for refusing it always. `prepare` may end values of a chunk without a call. `sends` is false for
    `check`. `outcomes` takes how each value ended, None = nobody asked for it.
    """

    config: Config
    destination: Destination
    reading: ReadResult
    builder: ChunkBuilder
    journal: Journal
    reports: RejectFiles
    diff: Diff | None = None
    outcomes: OutcomeFiles | None = None
    prepare: Callable[[OpenChunk], None] = lambda _: None
    dead: dict[str, str] = field(default_factory=dict)
    sends: bool = True
    earlier: dict[int, list[Entry]] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    answers: Answers = field(default_factory=Answers)
    plans: list[ChunkPlan] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._suspended: set[int] = set()
        self._doubtful = DoubtfulAttributes() if self.destination.splits else None
        closed = self.journal.closed_chunks()
        for tally in closed.values():
            self.tally.add(Tally.load(tally))
        self.plans = [plan for plan in self.builder.plans if plan.number not in closed]
        self.reload_answers()

    def reload_answers(self) -> None:
        """Treats what was answered until now in open chunks as an earlier attempt's: they open again."""
        self.journal.flush()
        closed = self.journal.closed_chunks()
        self.plans = [plan for plan in self.plans if plan.number not in closed]
        self.earlier = {}
        for entry in self.journal.open_answers():
            self.earlier.setdefault(entry.chunk, []).append(entry)
        self.pending = self.journal.pending_chunks()

    def answered(self, plan: ChunkPlan) -> set[str]:
        """The people of an open chunk of whom an earlier attempt has an answer."""
        return {entry.person for entry in self.earlier.get(plan.number, ())}

    def people_left(self) -> int:
        """How many people of the open chunks have no answer yet."""
        return self.builder.people(self.plans) - sum(len(self.answered(plan)) for plan in self.plans)

    def open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk ready to send, marked in the snapshot."""
        opened = self._open(plan)
        if self.diff:
            self.diff.mark(opened)
        return opened

    def _open(self, plan: ChunkPlan) -> OpenChunk:
        """A chunk without the values that have ended already."""
        chunk = self.builder.build(plan)
        dead_reasons = self.destination.dead_reasons
        opened = OpenChunk(chunk, self.journal, self.answers, self.dead, dead_reasons, self._doubtful)
        # What is unconfirmed goes out again in a later attempt, and only there.
        opened.restore(*self._earlier(plan.number), final=plan.number in self._suspended)
        self.prepare(opened)
        if self.diff:
            chunk.tally.diff += self.diff.counts(chunk)
        return opened

    def suspend(self, number: int) -> None:
        """Lets go of a chunk that waits for the destination; it may be opened again from the journal."""
        self.journal.flush()
        self._suspended.add(number)
        self.pending.add(number)

    def _earlier(self, number: int) -> tuple[list[Entry], list[Call]]:
        """What the journal knows of a chunk: how calls ended, and those that go on."""
        answers = self.earlier.get(number, [])
        if number in self._suspended:
            answers = self._answers_of_this_attempt(number, answers)
        calls = self.journal.pending(number, answers).get(number, []) if number in self.pending else []
        return answers, calls

    def _answers_of_this_attempt(self, number: int, earlier: Sequence[Entry]) -> list[Entry]:
        """All answers of a chunk but what an earlier attempt left unconfirmed: that was sent again."""
        again = {(e.person, e.operation, e.attributes, e.at) for e in earlier if e.may_be_sent_again}
        answers = self.journal.open_answers(number)
        return [e for e in answers if (e.person, e.operation, e.attributes, e.at) not in again]

    def first_values(self, keys: Iterable[str]) -> list[Call]:
        """For each of these attributes, the call that sends a general text of it first.

        Goes through the chunks until one is found for each; the first chunk nearly always has them all.
        """
        wanted, calls = set(keys), list[Call]()
        for plan in self.plans if wanted else ():
            for key, update in self.builder.build(plan).general(wanted):
                wanted.discard(key)
                call = self.destination.first_value(update)
                calls += [call] if call else []
            if calls and self.diff:
                self.diff.mark(self._open(plan))
            if not wanted:
                break
        return calls

    def settle(self, opened: OpenChunk) -> ChunkReport:
        """Closes a chunk after its last call."""
        closed = self.close(opened)
        if self.diff and closed.codes is not None:
            self.diff.settle(opened, closed.codes)
        return closed

    def close(self, opened: OpenChunk) -> ChunkReport:
        """How the chunk ended; its lines and rows become parts of the reports."""
        closed = opened.close(self.config, self.reading.cells, check=not self.sends)
        self.earlier.pop(opened.chunk.plan.number, None)
        number = opened.chunk.plan.number
        self.reports.add_chunk(number, closed.rejects, closed.kept)
        if self.outcomes:
            self.outcomes.put(f"chunk-{number:06d}", opened.outcome_rows(closed), self.reading.paths)
        return closed

    def count_without_sending(self, plans: Sequence[ChunkPlan]) -> None:
        """Closes chunks of which nothing more is sent: all for `check`, the rest after a stop."""
        for plan in plans:
            self.tally.add(self.close(self._open(plan)).tally)
