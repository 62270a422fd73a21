"""Send: everything that is still open, and the canary first."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from importer.config.schema import DestinationConfig
from importer.config.secrets import request_headers
from importer.core.events import Event
from importer.pipeline import guards
from importer.pipeline.attempt import Attempt
from importer.pipeline.chunk_stream import ChunkStream, limits_of
from importer.pipeline.cost import report_cost
from importer.pipeline.ledger import Ledger
from importer.pipeline.run_spec import RunSpec
from importer.send import shutdown
from importer.send.job import Limits
from importer.send.rate_limiter import RateLimiter
from importer.send.refusals import RefusalStreak
from importer.send.sender import Sender
from importer.storage import run_history
from importer.storage.id_cache import IdCache
from importer.storage.journal import Journal
from importer.storage.shared_pace import SharedPace, shared_turns
from importer.transport import event_loop
from importer.transport.choice import advice

TurnsOf = Callable[[str, float], SharedPace | None]
"""What a ceiling is for, and the ceiling → its turns."""


def send(spec: RunSpec, attempt: Attempt, key: str, ledger: Ledger) -> None:
    """Sends what is open, until all is sent or `attempt.stop` is set; the ledger counts what is left then."""
    began = time.monotonic()
    if contents := ledger.reading.contents:
        spec.counted_lists.remember(list(contents.values()), spec.folder.run_id)
    people = ledger.people_left()
    report_cost(spec, attempt, ledger, people)
    _report_missing_client(spec.config.destination, attempt, spec.destination.calls_at_most(people, 0))
    headers = request_headers(spec.config, spec.destination, key)
    limits = limits_of(spec.config, headers, spec.destination.job_deadline)
    with _id_cache(spec, key) as id_cache, _shared_turns(spec) as turns:
        main = partial(_send, spec, attempt, limits, ledger, id_cache, turns)
        event_loop.run(main, attempt.interrupt)
    attempt.stats.seconds["sending"] += time.monotonic() - began


def _report_missing_client(section: DestinationConfig, attempt: Attempt, calls: int) -> None:
    text = advice(section, calls)
    if text:
        attempt.observer.tell(Event("fast_client_missing", text, {}))


@contextmanager
def _id_cache(spec: RunSpec, key: str) -> Iterator[IdCache | None]:
    """What ids resolve to, kept between runs; None where the destination resolves none."""
    if not spec.destination.resolves:
        yield None
        return
    cache = IdCache(spec.state_dir, spec.config, spec.destination.id_scope(key))
    try:
        yield cache
    finally:
        cache.close()


@contextmanager
def _shared_turns(spec: RunSpec) -> Iterator[TurnsOf]:
    """The turns of the account's calls, and of its polls, which imports of this state folder share."""
    with ExitStack() as opened:

        def turns(kind: str, ceiling: float) -> SharedPace | None:
            return opened.enter_context(shared_turns(spec.state_dir, spec.config, kind, ceiling))

        yield turns


async def _send(
    spec: RunSpec,
    attempt: Attempt,
    limits: Limits,
    ledger: Ledger,
    id_cache: IdCache | None,
    turns: TurnsOf,
) -> None:
    destination, stop = spec.destination, attempt.stop
    learned_rate = run_history.pace(spec.state_dir, spec.config)
    ceiling = spec.config.destination.requests_per_second or 0
    limiter = RateLimiter(ceiling, learned_rate=learned_rate, turns=turns("calls", ceiling))
    sender = Sender(limits, destination, limiter, stop, attempt.stats.counts)
    if polls := min(destination.polls_per_second, ceiling or math.inf):
        sender.poll_limiter = RateLimiter(polls, turns=turns("polls", polls))
    sender.key_check = destination.check_key()
    sender.tell = lambda code, text: attempt.observer.tell(Event(code, text, {}))
    sender.refusals = RefusalStreak(_refused_before(ledger.journal))
    sender.first_calls = ledger.first_values(() if attempt.settle_only else ledger.reading.mixed)
    limit = spec.options.max_rejects

    def stream(*, settle_only: bool = False) -> ChunkStream:
        return ChunkStream(ledger, id_cache, stop, attempt.observer, limit, settle_only=settle_only)

    with attempt.request.heard_by(stop), shutdown.until(attempt.deadline, stop):
        if attempt.settle_only:
            await _settle_jobs(ledger, sender, stream(settle_only=True))
        else:
            await _send_canary(spec, attempt, ledger, sender, stream())
            await stream().send(sender)
    _remember_refused(ledger.journal, sender)
    if limiter.learned_rate:
        run_history.keep_pace(spec.state_dir, spec.config, limiter.learned_rate)


def _refused_before(journal: Journal) -> list[str]:
    """The distinct ids that a row of refused calls left to be sent again in an earlier attempt."""
    known = journal.fact("refused_in_a_row")
    return [str(one) for one in known] if isinstance(known, list) else []


def _remember_refused(journal: Journal, sender: Sender) -> None:
    if sender.refused_in_a_row:
        known = _refused_before(journal)
        journal.remember("refused_in_a_row", list(dict.fromkeys([*known, *sender.refused_in_a_row])))


async def _settle_jobs(ledger: Ledger, sender: Sender, stream: ChunkStream) -> None:
    """Asks for the results of open jobs until they are there, and sends nothing else."""
    rest = [plan for plan in ledger.plans if plan.number not in ledger.pending]
    await stream.send(sender)
    ledger.count_without_sending(rest)


async def _send_canary(
    spec: RunSpec, attempt: Attempt, ledger: Ledger, sender: Sender, stream: ChunkStream
) -> None:
    """`canary`: so many people first, the rest only if they went well. Once per run, unless stopped."""
    size = spec.config.guards.canary
    if size is None or spec.mode == "retry" or "canary" in spec.options.allow:
        return
    problem = ledger.journal.fact("canary")
    if problem is None:
        await stream.send_first(sender, size)
        sender.key_check, sender.first_calls = None, ()  # they were sent
        ledger.reload_answers()
        if attempt.stop.is_set:
            return
        problem = guards.canary_problem(ledger.answers, spec.options.max_rejects)
        ledger.journal.remember("canary", problem)
    if error := guards.error_of({"canary": str(problem)} if problem else {}, (), sent=guards.LOOK):
        attempt.stop.because(error)
