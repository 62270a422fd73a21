"""A worker's part of a run: its share of the chunks, at its share of the pace. See `crew.py`."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import uvloop

from importer import config as configuration
from importer import memory, signals
from importer.crew import Line, Member, Progress, SharedPacer, divided, striped, tell_stop
from importer.journal import Journal
from importer.life import Life
from importer.opening import open_books
from importer.options import Silent
from importer.reconciler import Answers
from importer.sender import Counts, Sender
from importer.sending import Books, ChunkStream, limits_of
from importer.summary import peak_rss_bytes


def help_out(life: Life, end: socket.socket, number: int, count: int) -> None:
    """Sends the `number`-th of `count` parts of a run whose parent speaks at the other end."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_help_out(life, end, number, count))


async def _help_out(life: Life, end: socket.socket, number: int, count: int) -> None:
    line = await Line.on(end)
    borne = None
    try:
        life.key = configuration.read_key(life.config)
        with closing(Journal(life.folder.journal)) as journal:
            books = open_books(life, journal, joins=True)
            borne = await _send_part(life, books, line, number, count)
            books.let_go()
    except Exception as error:  # noqa: BLE001 - whatever it is, the others have to stop
        life.stop.because(error)
    if life.stop.is_set:
        line.tell(**tell_stop(life.stop))
    line.tell(done=True, borne=borne)
    await line.close_last()


async def _send_part(life: Life, books: Books, line: Line, number: int, count: int) -> float | None:
    """Returns the pace that was borne, in requests per second."""
    first_values = books.first_values() if number == 0 else []
    books.plans = striped(books.plans, number, count)
    member = _member(life, line, count, books.dead)
    sender = _sender(life, member, number, count)
    if number == 0:  # what comes before all other calls
        sender.key_check, sender.first_calls = life.destination.check_key(), first_values
    reporting = _Reporting(life.spent.counts, books.answers)
    stream = ChunkStream(books, life.stop, reporting, None)
    reporting.tell_parent = lambda: member.report(reporting.progress(), first=stream.finished_jobs > 0)
    stream.on_bad = reporting.tell_parent if life.options.max_rejects else None
    listening = asyncio.create_task(member.listen())
    try:
        with signals.passed_on(life.stop):
            await member.released.wait()
            await stream.send_part(sender)
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    reporting.tell_parent()
    return member.pacer.borne


def _member(life: Life, line: Line, count: int, dead: dict[str, str]) -> Member:
    borne = memory.pace(life.state_dir, life.config)
    pacer = SharedPacer(life.config.destination.requests_per_second or 0, count, line.tell, borne)
    return Member(line, life.destination, life.stop, count, pacer, dead)


def _sender(life: Life, member: Member, number: int, count: int) -> Sender:
    limits = limits_of(life.config, life.destination.headers(life.key), life.destination.patience)
    limits = replace(limits, max_in_flight=divided(number, limits.max_in_flight, count))
    return Sender(limits, member, member.pacer, life.stop, life.spent.counts)


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
