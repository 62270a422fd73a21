"""Turns that several processes share by a file. Time is only a number here, so nobody waits."""

import heapq
import stat
from itertools import pairwise
from pathlib import Path

import pytest
from filelock import FileLock

from importer.core.errors import StateError
from importer.storage.shared_pace import CATCH_UP, SharedPace

CEILING = 100.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account-calls.pace"


def sent_by(
    paces: dict[str, SharedPace],
    until: float,
    ends: dict[str, float] | None = None,
    most: int = 1,
    within: float = 0.0,
) -> list[tuple[float, str]]:
    """When each caller's calls leave: it takes turns, waits for them, sends, and takes the next."""
    waiting = [(1000.0, name) for name in paces]
    left: list[tuple[float, str]] = []
    while waiting:
        now, name = heapq.heappop(waiting)
        turns = paces[name].take(now, most, now + within)
        assert 1 <= len(turns) <= most
        last = turns[-1][1]
        if last < until and last < (ends or {}).get(name, until):
            left += [(at, name) for _, at in turns]
            heapq.heappush(waiting, (last, name))
    return left


def most_in_a_second(times: list[float]) -> int:
    return max(sum(start <= at < start + 1 for at in times) for start in times)


def test_three_share_a_ceiling_and_one_that_dies_leaves_its_share_to_the_others(path: Path) -> None:
    paces = {name: SharedPace(path, CEILING) for name in "abc"}
    left = sent_by(paces, 1010.0, ends={"b": 1004.0})
    times = [at for at, _ in left]
    assert most_in_a_second(times) <= CEILING
    assert len(times) >= 0.95 * CEILING * 10
    while_three = [name for at, name in left if at < 1004]
    assert all(while_three.count(name) >= 0.95 * len(while_three) / 3 for name in "abc")
    assert sum(at >= 1005 for at in times) >= 0.95 * CEILING * 5


def test_one_alone_has_the_whole_ceiling(path: Path) -> None:
    times = [at for at, _ in sent_by({"a": SharedPace(path, CEILING)}, 1010.0)]
    assert 0.95 * CEILING * 10 <= len(times) <= CEILING * 10
    assert most_in_a_second(times) <= CEILING


def test_several_turns_taken_at_a_time_are_those_that_come_soon(path: Path) -> None:
    pace = SharedPace(path, CEILING)
    at_once = pace.take(1000.0, 9, 1000.0)
    turns = pace.take(1000.0, 9, 1000.035)
    assert [round(at - 1000.0, 6) for _, at in turns] == [0.01, 0.02, 0.03]
    assert [round(at - 1000.0, 6) for _, at in pace.take(1000.0, 9, 1000.035)] == [0.04]
    assert [number for number, _ in pace.take(1000.2, 2, 1010.0)] == [len(at_once) + 4, len(at_once) + 5]


def test_taking_several_turns_at_a_time_changes_nothing_of_the_ceiling(path: Path) -> None:
    paces = {name: SharedPace(path, CEILING) for name in "abc"}
    left = sent_by(paces, 1010.0, most=4, within=0.02)
    times = sorted(at for at, _ in left)
    assert most_in_a_second(times) <= CEILING
    assert len(times) >= 0.95 * CEILING * 10
    assert all(sum(who == name for _, who in left) >= 0.9 * len(left) / 3 for name in "abc")


def test_lost_time_is_caught_up_a_little(path: Path) -> None:
    pace = SharedPace(path, CEILING)
    assert pace.take(1000.0) == [(0, 1000.0)]
    at_once = [pace.take(1060.0)[0][1] for _ in range(10)]
    assert at_once[: int(CATCH_UP * CEILING)] == [1060.0] * 5
    assert at_once[-1] > 1060.0


def test_together_they_keep_to_the_highest_ceiling_of_those_who_send(path: Path) -> None:
    high, low = SharedPace(path, 100.0), SharedPace(path, 10.0)
    times = [at for at, _ in sent_by({"high": high, "low": low}, 1005.0)]
    assert len(times) >= 0.95 * 100 * 5
    assert most_in_a_second(times) <= 100
    alone = [at for _ in range(20) for _, at in low.take(1010.0)]
    assert most_in_a_second(alone) <= 10


def test_a_ceiling_below_one_a_second_is_kept(path: Path) -> None:
    times = [at for at, _ in sent_by({"a": SharedPace(path, 0.5), "b": SharedPace(path, 0.5)}, 1020.0)]
    assert all(later - earlier >= 2 for earlier, later in pairwise(times))


def test_a_call_that_left_late_counts_from_when_it_left(path: Path) -> None:
    pace = SharedPace(path, 1.0)
    ((number, _),) = pace.take(1000.0)
    pace.left(number, 1003.0)
    ((_, following),) = pace.take(1003.0)
    assert following >= 1004.0


def test_times_from_before_a_restart_of_the_machine_are_not_waited_for(path: Path) -> None:
    before = SharedPace(path, CEILING)
    for _ in range(300):
        before.take(9_000_000.0)
    assert [at for _, at in SharedPace(path, CEILING).take(5.0)] == [5.0]


def test_while_another_process_takes_a_turn_there_is_none(path: Path) -> None:
    pace = SharedPace(path, CEILING)
    with FileLock(f"{path}.lock", is_singleton=False):
        assert pace.take(1000.0) == []
    assert pace.take(1000.0) == [(0, 1000.0)]


def test_the_file_is_the_owners_and_one_of_another_size_is_made_new(path: Path) -> None:
    path.write_bytes(b"short")
    SharedPace(path, CEILING).close()
    assert path.stat().st_size > 4096
    path.unlink()
    SharedPace(path, CEILING).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        SharedPace(tmp_path / "missing" / "account.pace", CEILING)
