"""Joins the stages; the only module that knows them all.

read    reader → intake → spool          nothing is sent before everything is read and checked
guard   what the list must look like, the reject limit, the canary
send    chunker → destination → sender → reconciler → journal, chunk by chunk
finish  reports, books, summary
"""

import asyncio
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import uvloop

from importer import config as configuration
from importer import guards, identities, memory, morning, page, runs
from importer.addresses import Addresses
from importer.changes import Changes
from importer.checking import Marks
from importer.chunker import Tally
from importer.clock import Deadline, deadline
from importer.config import Config
from importer.crew import Crew, Line, Member, Progress, SharedPacer, divided, striped, tell_stop
from importer.damage import DAMAGE
from importer.destinations.base import Destination
from importer.errors import (
    ConfigError,
    GuardError,
    ImporterError,
    InternalError,
    OutOfTimeError,
    StateError,
    command,
)
from importer.fingerprint import Fingerprints
from importer.intake import SOURCE_OF, Gate, Taken
from importer.journal import Entry, Journal, count_pending
from importer.memory import Memory
from importer.models import RunSummary
from importer.notify import Ending
from importer.options import DEFAULTS, Event, Observer, Options, Silent
from importer.pacing import Pacer
from importer.reading import Reading, Sifting, SourceReader, open_sources, rows_of
from importer.reconciler import Answers, OpenChunk
from importer.repeats import Counted, counts
from importer.reports import Reports
from importer.retrying import Withheld, WithheldSums, align, relatives
from importer.runs import RunFolder
from importer.sender import Counts, Sender, Stop
from importer.sending import Books, ChunkStream, limit_passed, limits_of, over_limit
from importer.sieve import Sieve
from importer.snapshot import Snapshot, refuse_rivals
from importer.spool import Spool, SpoolWriter
from importer.summary import as_json, books, diff, has_rejects, peak_rss_bytes, reject_counts

DRAIN_SECONDS = 20.0
"""How long a signal waits for the calls in flight before they are given up as unanswered."""


def run(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[str] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Imports `sources` (default: the configured one) and says what became of every row.

    Returns the summary of a run that ended by itself or was stopped by the destination, a guard or a signal
    (`exit_code`, `message`). Raises ConfigError, SourceError or StateError where nothing was sent.
    """
    life = _Life.new(as_config(config), sources, options, observer or Silent(), "run")
    return life.go()


def check(
    config: Config | Mapping[str, Any] | str | Path,
    sources: Sequence[str] = (),
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Reads and checks everything and writes the same reports, but sends nothing and needs no key."""
    life = _Life.new(as_config(config), sources, options, observer or Silent(), "check")
    return life.go()


def resume(
    state_dir: Path, run_id: str | None, options: Options = DEFAULTS, observer: Observer | None = None
) -> RunSummary:
    """Continues a run that was stopped or killed, from what is acknowledged in its journal."""
    runs.prepare_state_dir(state_dir)
    folder = runs.find(state_dir, run_id, wanted=runs.is_resumable)
    state = runs.state_of(folder.read_meta(), folder.read_summary())
    if state == "finished":
        raise ConfigError(f"Run {folder.run_id} is finished; there is nothing to resume.")
    _refuse_superseded(folder, state, state_dir)
    return _Life.again(folder, options, observer or Silent()).go()


def _refuse_superseded(folder: RunFolder, state: str, state_dir: Path) -> None:
    if state == "superseded":
        raise ConfigError(
            f"Run {folder.run_id} is superseded by a later run of the same import, whose values are newer; "
            f"see: {command('runs', state_dir=state_dir)}"
        )


def retry(
    state_dir: Path,
    run_id: str | None,
    file: str | None = None,
    options: Options = DEFAULTS,
    observer: Observer | None = None,
) -> RunSummary:
    """Sends what a run rejected or could not confirm again, from a corrected file or the rows it kept."""
    runs.prepare_state_dir(state_dir)
    corrected = runs.find(state_dir, run_id, wanted=runs.has_sent)
    summary = corrected.read_summary()
    _refuse_superseded(corrected, runs.state_of(corrected.read_meta(), summary), state_dir)
    if not summary or summary["state"] != "finished":
        first = command("resume", corrected.run_id, state_dir=state_dir)
        raise ConfigError(f"Run {corrected.run_id} is not finished; first: {first}")
    meta = corrected.read_meta()
    config = _stored_config(meta)
    files = [file] if file else [str(p) for p in sorted(corrected.rejected_rows.glob("*"))]
    if not files:
        raise ConfigError(f"Run {corrected.run_id} has nothing rejected or unconfirmed; nothing to retry.")
    return _Life.new(config, files, options, observer or Silent(), "retry", corrected).go()


def as_config(config: Config | Mapping[str, Any] | str | Path) -> Config:
    """A configuration from a file's path, a mapping of the same keys, or one that is built already."""
    if isinstance(config, Config):
        return config
    return configuration.load(config) if isinstance(config, (str, Path)) else configuration.parse(config)


def _stored_config(meta: Mapping[str, Any]) -> Config:
    path = meta.get("config_path")
    return configuration.parse(meta["config"], Path(path) if path else None)


@dataclass
class _Life:
    """One life of one run: from its folder to its summary."""

    config: Config
    destination: Destination
    folder: RunFolder
    state_dir: Path
    options: Options
    observer: Observer
    mode: str
    arguments: Sequence[str]
    key: str = ""
    corrected: RunFolder | None = None
    deadline: Deadline | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stop: Stop = field(default_factory=Stop)
    counts: Counts = field(default_factory=Counts)
    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=lambda: {"reading": 0.0, "sending": 0.0, "total": 0.0})
    lock: int | None = None
    is_worker: bool = False
    workers_rss: int = 0

    def __post_init__(self) -> None:
        self.deadline = deadline(self.options.stop_by, self.options.longest)

    @classmethod
    def new(
        cls,
        config: Config,
        sources: Sequence[str],
        options: Options,
        observer: Observer,
        mode: str,
        corrected: RunFolder | None = None,
    ) -> "_Life":
        config = options.applied_to(config)
        destination = config.build_destination()
        if mode == "run" and options.limit is not None and counts(config):
            raise ConfigError(
                "--limit: this import increases, so its first rows would be counted again by the whole list; "
                "put them into a file of their own, or try them in the sandbox."
            )
        state_dir = corrected.path.parent.parent if corrected else options.state_dir_of(config)
        runs.prepare_state_dir(state_dir)
        if mode != "check" or config.run.changed_only:
            refuse_rivals(state_dir, config)
        folder = runs.name(state_dir, options.run_id)
        return cls(
            config, destination, folder, state_dir, options, observer, mode, tuple(sources), "", corrected
        )

    @classmethod
    def again(cls, folder: RunFolder, options: Options, observer: Observer) -> "_Life":
        meta = folder.read_meta()
        options = options.after(meta["options"])
        config = options.applied_to(_stored_config(meta))
        life = cls(
            config,
            config.build_destination(),
            folder,
            folder.path.parent.parent,
            options,
            observer,
            meta["mode"],
            tuple(meta["arguments"]),
            corrected=_run_beside(folder, meta.get("corrects")),
        )
        life.started = datetime.fromisoformat(meta["started_at"])
        return life

    def _meta(self) -> dict[str, Any]:
        return {
            "run_id": self.folder.run_id,
            "name": self.config.name,
            "mode": self.mode,
            "started_at": _iso(self.started),
            "arguments": list(self.arguments),
            "corrects": self.corrected.run_id if self.corrected else None,
            "identity": runs.identity(self.config),
            "config_path": str(self.config.path) if self.config.path else None,
            "config": self.config.as_mapping(),
            "options": self.options.as_mapping(),
        }

    def go(self) -> RunSummary:
        """Reads (or takes up what was read), guards, sends, reports; then the word in the morning."""
        if self.mode == "check":
            self._begin()
            return self._live()
        try:
            summary = self._held()
        except ImporterError as error:
            self._say_how_it_ended(error.exit_code, str(error), None)
            raise
        except Exception:
            self._say_how_it_ended(ImporterError.exit_code, "An internal error.", None)
            raise
        self._say_how_it_ended(summary.exit_code, summary.message, as_json(summary))
        return summary

    def _held(self) -> RunSummary:
        """A life of the run while it holds the import."""
        self.key = configuration.read_key(self.config)
        runs.prepare_state_dir(self.state_dir)
        wait = self.options.wait
        if self.deadline:
            wait = max(0.0, min(wait, self.deadline.left()))
        with runs.lock(self.state_dir, self.config, self.folder, wait, self._waiting) as self.lock:
            self._require_no_open_job()
            if counts(self.config) and not self.options.again:
                self._counted.refuse_unfinished(self.folder)
            self._begin()
            runs.supersede(self.state_dir, self.config, self.folder)
            return self._live()

    def _require_no_open_job(self) -> None:
        """Nothing new for an account where a job is still open, which would write its older values later.

        StateError names the run to poll on.
        """
        if self.folder.meta.exists():
            return  # a later life of a run goes on, and polls its own jobs
        account = runs.account(self.config.as_mapping()["destination"])
        for folder in filter(runs.is_resumable, runs.all_runs(self.state_dir)):
            same = runs.account(folder.read_meta()["config"]["destination"]) == account
            if same and folder.journal.exists() and (jobs := count_pending(folder.journal)):
                first = command("resume", folder.run_id, state_dir=self.state_dir)
                raise StateError(
                    f"Run {folder.run_id} has jobs open at the destination ({jobs:,}), which would write "
                    f"their older values over newer ones. First: {first}"
                )

    @property
    def _counted(self) -> Counted:
        return Counted(self.state_dir, self.config)

    def _say_how_it_ended(self, code: int, message: str, summary: Mapping[str, Any] | None) -> None:
        ending = Ending(self.config, self.folder, code, message, summary)
        fields = {"run_id": self.folder.run_id, "exit_code": code, "message": message, "summary": summary}
        self.observer.tell(Event("ended", f"run {self.folder.run_id} ended with {code}", fields))
        for problem in morning.say(self.state_dir, ending, time.time()):
            self.observer.tell(Event("not_notified", problem))

    def _waiting(self, holder: str) -> None:
        text = f"waiting for run {holder} of this import to end"
        self.observer.tell(Event("waiting", text, {"holder": holder}))

    def _begin(self) -> None:
        """A new run's folder is made when the import is held, so that one which never began leaves none."""
        self.began = time.monotonic()
        if not self.folder.meta.exists():
            self.started = datetime.now(UTC)
            runs.create(self.folder, self._meta())
        fields = {"run_id": self.folder.run_id, "import": self.config.name, "command": self.mode}
        self.observer.tell(Event("began", f"run {self.folder.run_id} began", fields))

    def _live(self) -> RunSummary:
        self.folder.write_json(self.folder.meta, self._meta())
        with self.folder.temporary():
            journal = Journal(self.folder.journal)
            try:
                return self._go(journal)
            except ImporterError as error:
                if journal.fact("reading") is None:
                    self._close_unread(error)
                raise
            finally:
                journal.close()

    def _close_unread(self, error: ImporterError) -> None:
        """A run that never came to its first call: its summary says why, no rows of people stay behind."""
        self.seconds["total"] += time.monotonic() - self.began
        shutil.rmtree(self.folder.spool, ignore_errors=True)
        shutil.rmtree(self.folder.kept, ignore_errors=True)
        summary = self._summary(Reading(), Tally(), "stopped", error.exit_code, str(error))
        with suppress(StateError):  # the disk is full, say, which is what `error` tells already
            self.folder.write_json(self.folder.summary, as_json(summary))

    def _go(self, journal: Journal) -> RunSummary:
        self._take_over_counts(journal)
        shared = self._books(journal)
        try:
            self._send(shared)
        finally:
            shared.let_go()
        return self._finish(shared, journal)

    def _books(self, journal: Journal) -> Books:
        """What the chunks share: everything read, in this life or by an earlier one."""
        reports = Reports(self.folder)
        changes = self._changes(journal)
        reading, spool, withheld, sums = self._read(journal, reports, changes)
        dead = journal.fact("dead")
        shared = Books(
            self.config,
            self.destination,
            reading,
            spool,
            journal,
            reports,
            self._marks,
            withheld.prepare if withheld else _nothing,
            sums.withhold if sums else None,
            self._addresses(),
            dead if isinstance(dead, dict) else {},
            identities.open_problems(self._identity_folder) if self.config.identity_fields else None,
            sends=self.mode != "check",
            changes=changes,
            release=withheld.close if withheld else lambda: None,
        )
        shared.take_up()
        return shared

    def _addresses(self) -> Addresses | None:
        """What ids resolve to, kept between runs; `check` needs none, for it resolves nobody."""
        if self.mode == "check" or not self.destination.resolves:
            return None
        return Addresses(self.state_dir, self.config, self.destination.address_scope(self.key))

    def _changes(self, journal: Journal) -> Changes | None:
        """The snapshot, which every run keeps true; a check looks into it where it is asked for the diff."""
        wanted = self.config.run.changed_only
        if self.mode == "check" and not wanted:
            return None
        snapshot = Snapshot(self.state_dir, self.config, self._answers_of)
        if self.is_worker:
            snapshot.join(self.folder.run_id)
        elif self.mode != "check":
            snapshot.begin(self.folder.run_id)
        compares = journal.fact("compares")
        if compares is None:
            compares = wanted and not self.options.full and not self._full_is_due(snapshot)
            journal.remember("compares", compares)
        return Changes(snapshot, self.folder.before, bool(compares))

    def _full_is_due(self, snapshot: Snapshot) -> bool:
        """Whether the last run that sent everything is `full_every` ago, or was never."""
        every, last = self.config.run.full_every, snapshot.full_at
        if every is None or self.mode != "run":
            return False
        return last is None or not 0 <= time.time() - last < every

    def _answers_of(self, run_id: str) -> Sequence[Entry]:
        """What a killed run knows of its open chunks; nothing where its journal is gone or damaged."""
        folder = RunFolder(self.folder.path.parent / run_id)
        if not folder.journal.exists():
            return []
        try:
            journal = Journal(folder.journal)
            try:
                return list(journal.open_answers())
            finally:
                journal.close()
        except StateError:
            return []

    # ---------------------------------------------------------------- read

    def _read(
        self, journal: Journal, reports: Reports, changes: Changes | None
    ) -> tuple[Reading, Spool, Withheld | None, WithheldSums | None]:
        known = journal.fact("reading")
        places: dict[int, int] = {}
        if isinstance(known, dict):
            reading, spool = Reading.load(known), Spool.open(self.folder.spool)
            places = {int(k): int(str(v)) for k, v in dict(known.get("places", {})).items()}
        else:
            reading, spool, places = self._read_sources(journal, reports, self._sifting(changes))
        if not self.corrected:
            return reading, spool, None, None
        by_time = self.config.source.latest_by is not None
        later, family = self._later_runs(), relatives(self.corrected, places, self._other_runs())
        return reading, spool, Withheld(self.corrected, later, places, by_time), WithheldSums(family)

    def _sifting(self, changes: Changes | None) -> Sifting | None:
        """Rows are kept back by their fingerprint where no word of the whole list is needed of them."""
        if changes is None or not changes.compares or changes.snapshot.is_empty or self.mode == "retry":
            return None
        guarded = self.config.guards.max_unknown_options is not None
        if self.config.identity_fields or self.destination.fixes_types or guarded:
            return None
        sieve = Sieve(changes.snapshot, self.folder.work / "sieve")
        prints, why_not = Fingerprints(self.config, self.destination.encoding), ""
        if self.arguments:
            why_not = "another source was named"
        elif changes.snapshot.where not in (None, self.config.source.where):
            why_not = "where has changed"
        return Sifting(sieve, prints, why_not)

    def _read_sources(
        self, journal: Journal, reports: Reports, sifting: Sifting | None
    ) -> tuple[Reading, Spool, dict[int, int]]:
        began = time.monotonic()
        gate = Gate(self.config, self.destination.distinct_id_max, keeps_rows=self._marks is None)
        writer = SpoolWriter(self.folder.spool)
        seen: list[pl.DataFrame] = []
        look: Callable[[Taken], None] = seen_by(seen) if self.corrected else self._in_time
        spooled = self._marks.of if self._marks else rows_of
        limit = self.options.limit
        source_reader = SourceReader(gate, reports, writer, self.observer, limit, look, spooled, sifting)
        reading = source_reader.read(open_sources(self.config, self.arguments))
        reading.warnings = [*reading.warnings, *self.destination.warnings()]
        if self.mode == "run" and not self.options.again:
            self._counted.refuse_again(reading.contents, self.folder.run_id)
        places = self._places(seen)
        reading.guards = self._judged(reading)
        # First: who finds the reading remembered relies on the whole spool.
        with runs.state_errors(self.folder.spool):
            spool = self._finish_spool(writer, reading)
        journal.remember("reading", {**reading.dump(), "places": places})
        self.seconds["reading"] += time.monotonic() - began
        return reading, spool, places

    def _in_time(self, _: Taken) -> None:
        """Between two batches: OutOfTimeError where nothing would be sent any more anyway."""
        if self.deadline and self.deadline.left() <= 0 and self.mode != "check":
            raise self.deadline.error()

    def _judged(self, reading: Reading) -> guards.Tripped:
        """What the guards say of the list; a corrected one is no night's list."""
        if self.mode == "retry":
            return {}
        good = Memory.load(self.state_dir, self.config).good
        return guards.judge(self.config, reading, good, time.time(), whole=self.options.limit is None)

    def _finish_spool(self, writer: SpoolWriter, reading: Reading) -> Spool:
        spool = writer.finish()
        fields = self.config.identity_fields
        if fields:
            reading.intake.people_rejected = identities.examine(spool, self._identity_folder, fields)
        return spool

    @property
    def _marks(self) -> Marks | None:
        """What a check spools in place of rows. Where people can be mixed up, it takes rows to show them.

        So it does for values that are compared with the snapshot.
        """
        config = self.config
        checks = self.mode == "check" and not config.identity_fields and not config.run.changed_only
        return Marks(self.config) if checks else None

    @property
    def _identity_folder(self) -> Path:
        return self.folder.spool / "identity"

    def _places(self, seen: Sequence[pl.DataFrame]) -> dict[int, int]:
        """Where the rows of corrected files stood in the run they correct."""
        if not self.corrected or not seen:
            return {}
        paths = sorted(self.corrected.kept.glob("*.parquet"))
        kept = pl.scan_parquet(paths, glob=False, missing_columns="insert", extra_columns="ignore")
        every = kept.select("order", "id").unique("order").sort("order").collect()
        rows = pl.concat(seen).unique("order").sort("order")
        places: dict[int, int] = {}
        for _, file in rows.group_by(SOURCE_OF, maintain_order=True):
            places |= align(file, every)
        return places

    def _later_runs(self) -> list[RunFolder]:
        """Runs of the same import that began after the corrected one, this one aside."""
        assert self.corrected is not None
        started = self.corrected.read_meta()["started_at"]
        others = (f for f in self._other_runs() if f.run_id != self.corrected.run_id)
        return [folder for folder in others if folder.read_meta()["started_at"] > started]

    def _other_runs(self) -> list[RunFolder]:
        """All runs of the same import that send, this one aside."""
        return [
            folder
            for folder in runs.all_runs(self.state_dir)
            if folder.run_id != self.folder.run_id
            and (meta := folder.read_meta())["identity"] == runs.identity(self.config)
            and meta["mode"] != "check"
            and folder.journal.exists()
        ]

    # ---------------------------------------------------------------- send

    def _send(self, shared: Books) -> None:
        began = time.monotonic()
        self._guard(shared)
        if self.mode == "check" or self.stop.is_set:
            shared.count_without_sending(shared.plans)
            if self.mode == "check":
                self._tell_cost(shared, shared.tally.people["not_attempted"])
            return
        if shared.reading.contents:
            self._counted.remember(list(shared.reading.contents.values()), self.folder.run_id)
        self._tell_cost(shared, shared.spool.people(shared.plans))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._send_all(shared))
        self.seconds["sending"] += time.monotonic() - began

    def _guard(self, shared: Books) -> None:
        """What stops the run before its first call."""
        tripped = {**shared.reading.guards, **self._damage(shared.reading)}
        error = guards.stop(tripped, self.options.allow)
        if error:
            self.stop.because(error)
        self._guard_rejects(shared)
        if self.mode != "check" and self.deadline and self.deadline.left() <= 0:
            self.stop.because(self.deadline.error())

    def _damage(self, reading: Reading) -> guards.Tripped:
        """`--strict`: a list that shows signs of damage is not sent."""
        signs = [w for w in reading.warnings if w.code in DAMAGE]
        if not self.options.strict or not signs:
            return {}
        what = ", ".join(f"{w.code} in {w.column}" for w in signs)
        return {"strict": f"the list shows damage ({what}); mend it"}

    def _guard_rejects(self, shared: Books) -> None:
        """The reject limit, judged for the first time: rejected over read, before any call."""
        limit, intake = self.options.max_rejects, shared.reading.intake
        values = intake.values_read + intake.set_aside - intake.set_aside_free
        if limit and limit.passed(intake.rejected, values):
            self.stop.because(GuardError(over_limit(limit, intake.rejected, "Nothing was sent.")))

    def _tell_cost(self, shared: Books, people: int) -> None:
        """What is about to be sent, before the first call; for `check`, what would be."""
        borne = memory.pace(self.state_dir, self.config)
        compares = shared.changes is not None and shared.changes.compares and self.mode != "check"
        intake = shared.reading.intake
        self.observer.tell(
            guards.cost(self.config, self.destination, intake, people, borne, compares=compares)
        )

    async def _send_all(self, shared: Books) -> None:
        limits = limits_of(self.config, self.destination.headers(self.key), self.destination.patience)
        borne = memory.pace(self.state_dir, self.config)
        pacer = Pacer(self.config.destination.requests_per_second or 0, borne=borne)
        key_check = self.destination.check_key()
        sender = Sender(limits, self.destination, pacer, self.stop, self.counts)
        sender.key_check, sender.first_calls = key_check, shared.first_values()
        with _signals(self.stop), _until(self.deadline, self.stop):
            await self._try_canary(shared, sender)
            workers = min(self.options.workers, len(shared.plans))
            if workers > 1 and not self.stop.is_set:
                await self._send_together(shared, workers)
                return
            stream = ChunkStream(shared, self.stop, self.observer, self.options.max_rejects)
            await stream.send(sender)
        if pacer.borne:
            memory.keep_pace(self.state_dir, self.config, pacer.borne)

    async def _send_together(self, shared: Books, workers: int) -> None:
        """The same by several processes; what they left is counted here."""
        intake, limit = shared.reading.intake, self.options.max_rejects
        before = intake.filtered + intake.set_aside + sum(shared.tally.rows.values())

        def watch(now: Progress) -> None:
            bad = intake.rejected + now.bad
            self.observer.sending(before + now.rows, intake.rows_read, bad)
            error = limit and limit_passed(limit, intake.rejected, Answers(now.values, now.bad))
            if error:
                self.stop.because(error)

        crew = Crew(self.folder.path, workers, self.stop, watch)
        await crew.send(self.lock)
        done = crew.progress
        sent, retried = self._answered(shared.journal)  # a killed worker has told less than it sent
        self.counts.sent = max(sent, self.counts.sent + done.sent)
        self.counts.retried = max(retried, self.counts.retried + done.retried)
        self.counts.throttled += done.throttled
        self.workers_rss = done.peak_rss_bytes
        if crew.dead:
            shared.dead.update(crew.dead)
            shared.journal.remember("dead", shared.dead)
        if crew.borne:
            memory.keep_pace(self.state_dir, self.config, crew.borne)
        shared.end()

    async def help_out(self, end: socket.socket, number: int, count: int) -> None:
        """Sends the `number`-th of `count` parts of a run whose parent speaks at the other end."""
        line = await Line.on(end)
        stop, borne = self.stop, None
        try:
            self.is_worker, self.key = True, configuration.read_key(self.config)
            journal = Journal(self.folder.journal)
            try:
                shared = self._books(journal)
                borne = await self._send_part(shared, line, number, count)
                shared.let_go()
            finally:
                journal.close()
        except ImporterError as error:
            stop.because(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others have to stop
            stop.because(error)
        if stop.is_set:
            line.tell(**tell_stop(stop))
        line.tell(done=True, borne=borne)
        await line.close()

    async def _send_part(self, shared: Books, line: Line, number: int, count: int) -> float | None:
        first_values = shared.first_values() if number == 0 else []
        shared.plans = striped(shared.plans, number, count)
        limits = limits_of(self.config, self.destination.headers(self.key), self.destination.patience)
        limits = replace(limits, max_in_flight=divided(number, limits.max_in_flight, count))
        borne = memory.pace(self.state_dir, self.config)
        pacer = SharedPacer(self.config.destination.requests_per_second or 0, count, line.tell, borne)
        member = Member(line, self.destination, self.stop, count, pacer, shared.dead)
        sender = Sender(limits, member, pacer, self.stop, self.counts)
        if number == 0:  # what comes before all other calls
            sender.key_check, sender.first_calls = self.destination.check_key(), first_values
        reporting = _Reporting(self.counts, shared.answers)
        stream = ChunkStream(shared, self.stop, reporting, None)
        reporting.tell_parent = lambda: member.report(reporting.progress(), first=stream.finished_jobs > 0)
        stream.on_bad = reporting.tell_parent if self.options.max_rejects else None
        listening = asyncio.create_task(member.listen())
        with _passed_on(self.stop):
            await member.released.wait()
            await stream.send_part(sender)
        listening.cancel()
        reporting.tell_parent()
        return pacer.borne

    async def _try_canary(self, shared: Books, sender: Sender) -> None:
        """`canary`: so many people first, judged, then the rest. Once per run, unless it is stopped first."""
        size, journal = self.config.guards.canary, shared.journal
        if size is None or self.mode == "retry" or "canary" in self.options.allow:
            return
        told = journal.fact("canary")
        if told is None:
            stream = ChunkStream(shared, self.stop, self.observer, self.options.max_rejects)
            await stream.send_first(sender, size)
            sender.key_check, sender.first_calls = None, ()  # they have been
            shared.take_up()
            if self.stop.is_set:
                return
            told = guards.judge_canary(shared.answers, self.options.max_rejects)
            journal.remember("canary", told)
        if error := guards.stop({"canary": str(told)} if told else {}, (), sent=guards.LOOK):
            self.stop.because(error)

    # ---------------------------------------------------------------- finish

    def _finish(self, shared: Books, journal: Journal) -> RunSummary:
        reading = shared.reading
        shared.reports.write(reading.edges, [source.original() for source in reading.sources])
        self.seconds["total"] += time.monotonic() - self.began
        self._leave_counts(journal)
        ending = self._ending(shared)
        if shared.changes and self.mode != "check" and ending[0] == "finished":
            shared.changes.snapshot.finish(full_at=self._full_at(shared))
        summary = self._summary(reading, shared.tally, *ending)
        if shared.changes and shared.changes.compares:
            summary = replace(summary, diff=diff(reading, shared.tally))
        page.write(self.folder, as_json(summary))
        self.folder.write_json(self.folder.summary, as_json(summary))
        if summary.state == "finished":
            self.folder.drop_temporary()
            self._remember_good(reading)
        return summary

    def _remember_good(self, reading: Reading) -> None:
        """What the guards compare the next night with: the whole list of a run that went to its end."""
        if self.mode == "run" and not reading.limited:
            shape = guards.shape(reading, self.folder.run_id)
            memory.change(self.state_dir, self.config, lambda known: known.after_good(shape))

    def _full_at(self, shared: Books) -> float | None:
        """Now, where this run sent the whole configured source whatever the snapshot said."""
        assert shared.changes is not None
        whole = self.mode == "run" and not self.arguments and not shared.reading.limited
        return time.time() if whole and not shared.changes.compares else None

    def _summary(self, reading: Reading, tally: Tally, state: str, code: int, message: str) -> RunSummary:
        line = books(reading, tally)
        return RunSummary(
            run_id=self.folder.run_id,
            name=self.config.name,
            destination=self.config.destination.type,
            account=self.config.destination.account,
            confirms=self.destination.confirms,
            state=state,
            exit_code=code,
            started_at=_iso(self.started),
            finished_at=_iso(datetime.now(UTC)),
            sources=[{"path": s.path, "rows": s.rows} for s in reading.sources],
            limited=reading.limited,
            rows=line["rows"],
            values=line["values"],
            people=line["people"],
            calls={
                "sent": self.counts.sent,
                "retried": self.counts.retried,
                "throttled": self.counts.throttled,
            },
            trimmed=tally.trimmed,
            rejects=reject_counts(reading, tally),
            warnings=reading.warnings,
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            requests_per_second=round(self.counts.sent / max(self.seconds["sending"], 0.001), 1),
            peak_rss_bytes=peak_rss_bytes() + self.workers_rss,
            message=message,
            guards=error.allow if isinstance(error := self.stop.error, GuardError) else (),
        )

    def _take_over_counts(self, journal: Journal) -> None:
        """Adds what former lives of the run sent; a killed one left only its answers to tell."""
        self.counts.sent, self.counts.retried = self._answered(journal)
        former = journal.fact("counts")
        if isinstance(former, dict):
            # Besides the answers that stand in the journal: the one that stopped the run, say.
            self.counts.sent += int(former["sent_besides"])
            self.counts.retried += int(former["retried_besides"])
            self.counts.throttled = int(former["throttled"])
            self.seconds = {name: float(former.get(name, 0.0)) for name in self.seconds}

    def _answered(self, journal: Journal) -> tuple[int, int]:
        return journal.attempts(several=self.destination.people_per_call > 1)

    def _leave_counts(self, journal: Journal) -> None:
        sent, retried = self._answered(journal)
        besides = {"sent_besides": self.counts.sent - sent, "retried_besides": self.counts.retried - retried}
        journal.remember("counts", {"throttled": self.counts.throttled, **besides, **self.seconds})

    def _ending(self, shared: Books) -> tuple[str, int, str]:
        """State, exit code and sentence. Where several hold: a signal, then the stop, then the rejects."""
        if self.stop.signal:
            name = signal.Signals(self.stop.signal).name
            return "interrupted", 128 + self.stop.signal, f"{name}: stopped after the calls in flight."
        error = self.stop.error
        if error is not None and not (isinstance(error, OutOfTimeError) and _is_done(shared.tally)):
            code = error.exit_code if isinstance(error, ImporterError) else ImporterError.exit_code
            return "stopped", code, str(error)
        if self.mode != "check" and shared.tally.values["not_attempted"]:
            return "stopped", InternalError.exit_code, _FORGOTTEN
        bad = has_rejects(shared.reading, shared.tally)
        return "finished", 1 if bad and self.options.max_rejects is None else 0, ""


_FORGOTTEN = (
    "The run came to its end with values that were never sent, and nothing had stopped it: a fault of the "
    "importer. Nothing is lost; please report it with the run's summary.json."
)
"""A run that is called finished has sent everything: what was forgotten must never look like success."""


def _is_done(tally: Tally) -> bool:
    """Whether nothing is left for another life of the run."""
    return not tally.values["not_attempted"] and not tally.values["unconfirmed"]


def help_out(end: socket.socket, folder: Path, number: int, count: int) -> None:
    """One worker's part of a run; see `crew.py`."""
    life = _Life.again(RunFolder(folder), DEFAULTS, Silent())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life.help_out(end, number, count))


class _Reporting(Silent):
    """A worker's observer: what it sees goes to the parent."""

    def __init__(self, counts: Counts, answers: Answers) -> None:
        self._counts, self._answers = counts, answers
        self._first: int | None = None
        self._rows = 0
        self.tell_parent: Callable[[], None] = lambda: None

    def sending(self, rows: int, total: int, rejects: int) -> None:
        """So many rows are done."""
        self._first = rows if self._first is None else self._first
        self._rows = rows - self._first
        self.tell_parent()

    def progress(self) -> Progress:
        """As the parent wants it."""
        counts, answers = self._counts, self._answers
        return Progress(
            self._rows,
            answers.values,
            answers.bad,
            counts.sent,
            counts.retried,
            counts.throttled,
            peak_rss_bytes(),
        )


def seen_by(seen: list[pl.DataFrame]) -> Callable[[Taken], None]:
    """Collects order and id of every row taken, null where the row has no id that can be used."""

    def look(taken: Taken) -> None:
        seen.append(taken.rows.select("order", "id"))
        if taken.kept.height:
            without = taken.kept.filter(pl.col("id").is_null())
            seen.append(without.select("order", "id"))

    return look


def _nothing(_: Taken | OpenChunk) -> None:
    """The default of a hook."""


def _run_beside(folder: RunFolder, run_id: str | None) -> RunFolder | None:
    return RunFolder(folder.path.parent / run_id) if run_id else None


@contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM let the calls in flight come back; a second one, or the deadline, does not wait.

    A caller's thread gets none: Python hands signals to the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def drain(number: int) -> None:
        if stop.signal:
            task.cancel()
            return
        stop.by_signal(number)
        loop.call_later(DRAIN_SECONDS, stop.abandon)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, drain, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number] or signal.SIG_DFL)


@contextmanager
def _passed_on(stop: Stop) -> Iterator[None]:
    """A worker's signals: they stop the whole run, and how long is waited is the parent's to say."""
    loop = asyncio.get_running_loop()

    def drain(number: int) -> None:
        if not stop.signal:
            stop.by_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, drain, number)
    yield


@contextmanager
def _until(deadline: Deadline | None, stop: Stop) -> Iterator[None]:
    """At the deadline no further call is begun; those in flight are waited for as after a signal."""
    loop, timers = asyncio.get_running_loop(), []
    if deadline:
        left = max(0.0, deadline.left())
        timers = [
            loop.call_later(left, stop.because, deadline.error()),
            loop.call_later(left + DRAIN_SECONDS, stop.abandon),
        ]
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
