"""Rounds of resolving and writing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from importer.core.models import ALL_APPLIED, Call, Classification, Settled, Target, Update, Verdict
from importer.reconcile.id_resolution import IdResolution
from importer.reconcile.reconciler import Answers, OpenChunk
from importer.storage.id_cache import IdCache
from importer.storage.journal import Journal
from tests.support.chunks import CONFIG, chunks, parse


class Resolving:
    """A destination of which only `prepare` is asked: one call for all."""

    def prepare(self, updates: list[Update]) -> tuple[Call, ...]:
        return (Call("GET", "/ids", b"", tuple(Target(u.person, u.distinct_id, "", ()) for u in updates)),)


@pytest.fixture
def resolution(tmp_path: Path) -> Iterator[IdResolution]:
    [chunk] = chunks(tmp_path, [("p1", "a", "1", "x"), ("p2", "b", "2", "y")], 5)[1]
    opened = OpenChunk(chunk, Journal(tmp_path / "journal.sqlite"), Answers(), {}, frozenset())
    (tmp_path / "state").mkdir()
    cache = IdCache(tmp_path / "state", CONFIG, "scope")
    yield IdResolution(opened, Resolving(), cache)  # type: ignore[arg-type] # only `prepare` is asked
    cache.close()


def _resolve(resolution: IdResolution, **ids: str) -> None:
    assert resolution.begin()
    [call] = resolution.calls(None)
    found = Classification(Verdict.DONE, resolved_ids=ids)
    resolution.resolved(Settled(call, found, 200, 1, time.time()))


def _write(resolution: IdResolution, classification: Classification) -> None:
    for update in resolution.updates():
        targets = tuple(Target(update.person, update.distinct_id, p.operation, p.keys) for p in update.parts)
        resolution.settle(Settled(Call("POST", "/", b"", targets), classification, 404, 1, time.time()))


def test_who_is_not_resolved_is_rejected_and_the_others_are_written(resolution: IdResolution) -> None:
    _resolve(resolution, p1="7")
    assert [(u.distinct_id, u.resolved_id) for u in resolution.updates()] == [("p1", "7")]
    _write(resolution, ALL_APPLIED)
    assert not resolution.begin()
    assert set(resolution.opened.close(CONFIG, parse).rejects["reason"]) == {"identity_not_resolved"}


def test_an_id_that_is_unknown_there_is_resolved_once_more_then_refused(resolution: IdResolution) -> None:
    unknown = Classification(Verdict.UNKNOWN_ID, reason="unknown_user", message="gone")
    _resolve(resolution, p1="7", p2="8")
    _write(resolution, unknown)
    _resolve(resolution, p1="9", p2="10")
    assert [u.resolved_id for u in resolution.updates()] == ["9", "10"]
    _write(resolution, unknown)
    assert not resolution.begin()
    assert set(resolution.opened.close(CONFIG, parse).rejects["reason"]) == {"unknown_user"}


def test_an_id_that_is_known_is_not_asked_for_again(resolution: IdResolution) -> None:
    resolution.cache.remember({"p1": "7", "p2": "8"})
    again = IdResolution(resolution.opened, resolution.destination, resolution.cache)
    assert again.begin()
    assert again.calls(None) == ()
    assert [u.resolved_id for u in again.updates()] == ["7", "8"]
