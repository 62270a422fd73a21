"""Send: everything that is still open, and first of all the canary."""

import asyncio
import time

import uvloop

from importer import guards, memory, signals
from importer.life import Life
from importer.pacing import Pacer
from importer.reconciler import Answers
from importer.sender import Sender
from importer.sending import Books, ChunkStream, limits_of


def send(life: Life, books: Books) -> None:
    """Sends what is open, until it is done or `life.stop` is set; what that left is counted in the books.

    A check, or a run that its guards have stopped, leaves it all.
    """
    if not life.sends or life.stop.is_set:
        _leave(life, books)
        return
    began = time.monotonic()
    if contents := books.reading.contents:
        life.counted.remember(list(contents.values()), life.folder.run_id)
    _tell_cost(life, books, books.spool.people(books.plans))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send(life, books))
    life.spent.seconds["sending"] += time.monotonic() - began


def _leave(life: Life, books: Books) -> None:
    books.count_without_sending(books.plans)
    if not life.sends:
        _tell_cost(life, books, books.tally.people["not_attempted"])


def _tell_cost(life: Life, books: Books, people: int) -> None:
    """What is about to be sent, before the first call; for `check`, what would be."""
    borne = memory.pace(life.state_dir, life.config)
    compares = books.changes is not None and books.changes.compares and life.sends
    intake = books.reading.intake
    life.observer.tell(guards.cost(life.config, life.destination, intake, people, borne, compares=compares))


async def _send(life: Life, books: Books) -> None:
    destination, stop = life.destination, life.stop
    limits = limits_of(life.config, destination.headers(life.key), destination.patience)
    borne = memory.pace(life.state_dir, life.config)
    pacer = Pacer(life.config.destination.requests_per_second or 0, borne=borne)
    sender = Sender(limits, destination, pacer, stop, life.spent.counts)
    sender.key_check, sender.first_calls = destination.check_key(), books.first_values()
    with signals.draining(stop), signals.until(life.deadline, stop):
        await _try_canary(life, books, sender)
        await _stream(life, books).send(sender)
    if pacer.borne:
        memory.keep_pace(life.state_dir, life.config, pacer.borne)


def _stream(life: Life, books: Books) -> ChunkStream:
    return ChunkStream(books, life.stop, life.observer, life.options.max_rejects)


async def _try_canary(life: Life, books: Books, sender: Sender) -> None:
    """`canary`: so many people first, judged, then the rest. Once per run, unless it is stopped first."""
    size = life.config.guards.canary
    if size is None or life.mode == "retry" or "canary" in life.options.allow:
        return
    told = books.journal.fact("canary")
    if told is None:
        await _stream(life, books).send_first(sender, size)
        sender.key_check, sender.first_calls = None, ()  # they have been
        books.take_up()
        if life.stop.is_set:
            return
        told = guards.judge_canary(books.answers, life.options.max_rejects)
        books.journal.remember("canary", told)
    if error := guards.stop({"canary": str(told)} if told else {}, (), sent=guards.LOOK):
        life.stop.because(error)
