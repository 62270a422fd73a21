"""The jobs of one chunk after another, as the sender takes them."""

import asyncio
import gc
from pathlib import Path
from weakref import ref

import pytest

from importer.config import loader
from importer.core.errors import OutOfTimeError
from importer.core.models import ALL_APPLIED, Settled
from importer.pipeline.chunk_stream import ChunkStream, limits_of
from importer.pipeline.ledger import Ledger
from importer.send.shutdown import Stop
from importer.storage import spool
from tests.support.stages import Listening, mapping, staged

PEOPLE = [f"p{n}" for n in range(8)]
LIST = "id,plan,age\n" + "".join(f"{person},a,1\n" for person in PEOPLE)


async def taken(ledger: Ledger, stop: Stop, after: int = 100) -> list[str]:
    """The people of the jobs until none comes; the stop is set after so many."""
    stream, people = ChunkStream(ledger, None, stop, Listening(), None), list[str]()
    async for job in stream:
        people += {target.distinct_id for call in job.calls for target in call.targets}
        if len(people) == after:
            stop.because(OutOfTimeError("Time is up."))
    return people


@pytest.mark.parametrize("chunk_bytes", [1, 8 << 20])
def test_everybody_comes_once_whatever_the_chunks(
    chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "CHUNK_BYTES", chunk_bytes)
    with staged(tmp_path, text=LIST) as it, it.ledger() as ledger:
        assert (len(ledger.plans) > 1) == (chunk_bytes == 1)
        found = asyncio.run(taken(ledger, it.attempt.stop))
    assert sorted(found) == PEOPLE
    assert chunk_bytes == 1 or found == PEOPLE, "inside a chunk in the order of the list"


def test_after_a_stop_no_other_chunk_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "CHUNK_BYTES", 1)
    with staged(tmp_path, text=LIST) as it, it.ledger() as ledger:
        assert len(asyncio.run(taken(ledger, it.attempt.stop, after=1))) == 1


async def left(ledger: Ledger, stop: Stop) -> int:
    """How many chunks are in memory once every call was applied and every chunk is closed."""
    stream, chunks = ChunkStream(ledger, None, stop, Listening(), None), list[ref[object]]()
    async for job in stream:
        chunks += [ref(progress) for progress in stream.unfinished.values()]
        for call in job.calls:
            job.settle(Settled(call, ALL_APPLIED, 200, 1, 0.0))
        job.finish()
        del job, call
    assert len(chunks) >= len(ledger.plans) > 1
    return sum(chunk() is not None for chunk in chunks)


def test_a_closed_chunk_does_not_wait_for_the_garbage_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "CHUNK_BYTES", 1)
    with staged(tmp_path, text=LIST) as it, it.ledger() as ledger:
        gc.disable()
        try:
            assert asyncio.run(left(ledger, it.attempt.stop)) == 0
        finally:
            gc.enable()


def test_the_limits_are_those_of_the_destination_section() -> None:
    config = loader.parse(mapping(Path("none.csv")))
    section, limits = config.destination, limits_of(config, {"authorization": "x"}, 60.0)
    for name in (
        "base_url",
        "max_in_flight",
        "connect_timeout",
        "read_timeout",
        "retry_attempts",
        "retry_wait",
    ):
        assert getattr(limits, name) == getattr(section, name), name
    assert (limits.headers, limits.job_deadline) == ({"authorization": "x"}, 60.0)
    assert limits.retry_seconds == section.retry_seconds
    assert limits.give_up_after == section.give_up_after
