"""`--stop-by`, `--max-duration`, `--lock-timeout`: when a run is over, and whose turn it is."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import importer
from importer.config import loader as configuration
from importer.core import durations
from importer.core.errors import (
    ConfigError,
    GuardError,
    OutOfTimeError,
    RefusedError,
    StateError,
    UnreachableError,
)
from importer.core.events import Event, Silent
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.send.rate_limiter import RateLimiter
from importer.send.shutdown import Stop
from importer.storage import locks, run_folder, run_history, state_folder

KEY = "sk_test_clock"


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CLOCK_KEY", KEY)
    write(tmp_path, 60)
    return {
        "name": "nightly",
        "source": {"path": str(tmp_path / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:CLOCK_KEY", "requests_per_second": 5000},
        "attributes": {"name": {"type": "free_text"}},
    }


def write(folder: Path, rows: int) -> None:
    (folder / "list.csv").write_text("id,name\n" + "".join(f"p{n},n{n}\n" for n in range(rows)))


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


# ------------------------------------------------------------------- the time of day


@pytest.mark.parametrize(
    ("now", "stop_by", "hours"),
    [
        ("2026-11-24T01:00", "06:00", 5),
        ("2026-11-24T22:00", "06:00", 8),
        ("2026-11-24T06:00", "06:00", 24),
        ("2026-11-24T23:59", "00:00", 1 / 60),
        ("2026-03-28T22:00", "06:00", 7),  # the clocks go forward in this night
        ("2026-10-24T22:00", "6:00", 9),  # and back in this one
    ],
)
def test_the_next_occurrence_is_meant(
    now: str, stop_by: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert ZoneInfo("Europe/Berlin").utcoffset(datetime(2026, 10, 25, 6)) is not None  # noqa: DTZ001
        assert durations.seconds_until(stop_by, datetime.fromisoformat(now)) == hours * 3600
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text",
    ["24:00", "6", "06:60", "06:00:00", "-1:00", "noon", "", "2026-11-28T06:00", "T06", "2026-11-28T25:00Z"],
)
def test_no_time_of_day(text: str) -> None:
    with pytest.raises(ConfigError, match="--stop-by"):
        durations.seconds_until(text)


def test_the_earlier_one_counts() -> None:
    found = durations.deadline(None, 5.0)
    assert found is not None
    assert found.asked == "--max-duration 5 s"
    both = durations.deadline("00:00", 90000.0)
    assert both is not None
    assert both.asked == "--stop-by 00:00"
    assert durations.deadline(None, None) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0.4 s"), (12, "12 s"), (60, "1 min"), (3905, "1 h 5 min"), (90000, "1 d 1 h"), (86400, "1 d")],
)
def test_time_as_it_is_spoken(seconds: float, said: str) -> None:
    assert durations.spoken(seconds) == said


# ------------------------------------------------------------------- a run out of time


def test_a_run_out_of_time_drains_and_is_resumed(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    options = importer.Options(state_dir=state_dir, base_url=server.url, rate=15, max_duration=2.0)
    stopped = importer.run(mapping, (), options)
    assert (stopped.state, stopped.exit_code) == ("stopped", 8)
    assert 0 < stopped.values["applied"] < 60
    assert stopped.values["applied"] == server.stats.requests == 60 - stopped.values["not_attempted"]
    done = importer.resume(state_dir, None, importer.Options(rate=5000, max_duration=600))
    assert (done.state, done.exit_code, server.stats.requests) == ("finished", 0, 60)


def test_done_in_time_is_0(mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path) -> None:
    options = importer.Options(state_dir=state_dir, base_url=server.url, stop_by="00:00", max_duration=600)
    assert importer.run(mapping, (), options).exit_code == 0


def test_time_that_is_up_while_reading_costs_no_call(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    class SlowToBegin(Silent):
        def tell(self, event: Event) -> None:
            if event.kind == "began":
                time.sleep(0.6)

    options = importer.Options(state_dir=state_dir, base_url=server.url, max_duration=0.5)
    with pytest.raises(OutOfTimeError):
        importer.run(mapping, (), options, SlowToBegin())
    assert server.stats.requests == 0
    assert importer.resume(state_dir, None).exit_code == 0


def test_time_that_is_up_before_a_run_begins_leaves_no_run(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    options = importer.Options(state_dir=state_dir, base_url=server.url, max_duration=0.0)
    with pytest.raises(OutOfTimeError):
        importer.run(mapping, (), options)
    assert (server.stats.requests, list((state_dir / "runs").iterdir())) == (0, [])


def test_a_moment_with_its_zone_is_not_moved_to_the_next_day() -> None:
    now = datetime.fromisoformat("2026-03-28T06:15:00+01:00")
    assert durations.seconds_until("2026-03-28T06:00+01:00", now) == -900
    assert durations.seconds_until("2026-03-28T05:30Z", now) == 900


def test_of_several_stops_the_one_that_says_what_to_mend_is_told() -> None:
    stop = Stop()
    for error in (OutOfTimeError("8"), GuardError("6"), RefusedError("4"), UnreachableError("5")):
        stop.because(error)
    assert str(stop.error) == "4"
    stop.because(StateError("7"))
    assert str(stop.error) == "7"


# ------------------------------------------------------------------- one at a time


class Heard(Silent):
    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)


def test_a_second_run_queues_where_it_is_told_to(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path
) -> None:
    config = configuration.parse(mapping)
    config = importer.Options(base_url=server.url).applied_to(config)
    state_folder.prepare(state_dir)
    heard = Heard()
    options = importer.Options(state_dir=state_dir, base_url=server.url, run_id="second", lock_timeout=30)
    with ThreadPoolExecutor() as pool:
        with locks.import_lock(state_dir, config, run_folder.RunFolder(state_dir / "runs" / "first")):
            waiting = pool.submit(importer.run, mapping, (), options, heard)
            time.sleep(0.5)
            assert not waiting.done()
            assert not (state_dir / "runs" / "second").exists()
        assert waiting.result().exit_code == 0
    told = [e for e in heard.events if e.kind == "waiting"]
    assert [e.fields for e in told] == [{"holder": "first"}]


def test_the_queue_has_an_end(mapping: dict[str, Any], state_dir: Path) -> None:
    config = configuration.parse(mapping)
    state_folder.prepare(state_dir)
    options = importer.Options(state_dir=state_dir, lock_timeout=0.3)
    with (
        locks.import_lock(state_dir, config, run_folder.RunFolder(state_dir / "runs" / "first")),
        pytest.raises(StateError, match=r"run first, .*--lock-timeout"),
    ):
        importer.run(mapping, (), options)
    assert not state_folder.all_runs(state_dir)


# ------------------------------------------------------------------- the pace of the night before


def test_the_pace_that_was_borne_is_remembered(
    mapping: dict[str, Any], server: sandbox.SandboxServer, state_dir: Path, tmp_path: Path
) -> None:
    write(tmp_path, 120)
    config = importer.Options(base_url=server.url).applied_to(configuration.parse(mapping))
    server.change(SandboxOptions(rate_limit=100, latency=0.002))
    options = importer.Options(state_dir=state_dir, base_url=server.url, rate=0)

    def night() -> RunSummary:
        summary = importer.run(mapping, (), options)
        assert summary.exit_code == 0
        return summary

    first = night()
    learned_rate = run_history.pace(state_dir, config)
    assert learned_rate is not None
    assert 20 <= learned_rate <= 125  # the run may end on a step up, of 12 %, that was not refused yet
    assert night().calls["throttled"] < max(2, first.calls["throttled"])
    elsewhere = importer.Options(base_url="http://127.0.0.1:1").applied_to(configuration.parse(mapping))
    assert run_history.pace(state_dir, elsewhere) is None


def test_a_remembered_pace_keeps_to_the_ceiling_and_grows_from_there() -> None:
    assert RateLimiter(50, learned_rate=400).rate == 50
    assert RateLimiter(0, learned_rate=400).rate == 400
    assert RateLimiter(0, learned_rate=400).learned_rate == 400
    assert RateLimiter(0).learned_rate is None
