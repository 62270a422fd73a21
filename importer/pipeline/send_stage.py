"""Send: everything that is still open, and first of all the canary."""

import asyncio
import time

import uvloop

from importer.pipeline import guards
from importer.pipeline.chunk_stream import ChunkStream, limits_of
from importer.pipeline.context import RunContext
from importer.pipeline.ledger import Ledger
from importer.send import shutdown
from importer.send.rate_limiter import RateLimiter
from importer.send.sender import Sender
from importer.storage import run_history


def send(context: RunContext, ledger: Ledger) -> None:
    """Sends what is open, until it is done or `life.stop` is set; what that left is counted in the books.

    A check, or a run that its guards have stopped, leaves it all.
    """
    if not context.sends or context.stop.is_set:
        _leave(context, ledger)
        return
    began = time.monotonic()
    if contents := ledger.reading.contents:
        context.counted.remember(list(contents.values()), context.folder.run_id)
    _tell_cost(context, ledger, ledger.spool.people(ledger.plans))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_send(context, ledger))
    context.stats.seconds["sending"] += time.monotonic() - began


def _leave(context: RunContext, ledger: Ledger) -> None:
    ledger.count_without_sending(ledger.plans)
    if not context.sends:
        _tell_cost(context, ledger, ledger.tally.people["not_attempted"])


def _tell_cost(context: RunContext, ledger: Ledger, people: int) -> None:
    """What is about to be sent, before the first call; for `check`, what would be."""
    learned_rate = run_history.pace(context.state_dir, context.config)
    compares = ledger.changes is not None and ledger.changes.compares and context.sends
    intake = ledger.reading.intake
    context.observer.tell(
        guards.cost(context.config, context.destination, intake, people, learned_rate, compares=compares)
    )


async def _send(context: RunContext, ledger: Ledger) -> None:
    destination, stop = context.destination, context.stop
    limits = limits_of(context.config, destination.headers(context.key), destination.job_deadline)
    learned_rate = run_history.pace(context.state_dir, context.config)
    pacer = RateLimiter(context.config.destination.requests_per_second or 0, learned_rate=learned_rate)
    sender = Sender(limits, destination, pacer, stop, context.stats.counts)
    sender.key_check, sender.first_calls = destination.check_key(), ledger.first_values()
    with shutdown.draining(stop), shutdown.until(context.deadline, stop):
        await _try_canary(context, ledger, sender)
        await _stream(context, ledger).send(sender)
    if pacer.learned_rate:
        run_history.keep_pace(context.state_dir, context.config, pacer.learned_rate)


def _stream(context: RunContext, ledger: Ledger) -> ChunkStream:
    return ChunkStream(ledger, context.stop, context.observer, context.options.max_rejects)


async def _try_canary(context: RunContext, ledger: Ledger, sender: Sender) -> None:
    """`canary`: so many people first, judged, then the rest. Once per run, unless it is stopped first."""
    size = context.config.guards.canary
    if size is None or context.mode == "retry" or "canary" in context.options.allow:
        return
    told = ledger.journal.fact("canary")
    if told is None:
        await _stream(context, ledger).send_first(sender, size)
        sender.key_check, sender.first_calls = None, ()  # they have been
        ledger.take_up()
        if context.stop.is_set:
            return
        told = guards.judge_canary(ledger.answers, context.options.max_rejects)
        ledger.journal.remember("canary", told)
    if error := guards.stop({"canary": str(told)} if told else {}, (), sent=guards.LOOK):
        context.stop.because(error)
