"""The bar tells the stage, the share and the rejects; off a terminal there are plain lines only."""

import io
import sys
from typing import Any

import pytest

from importer.cli import logs
from importer.cli.progress import Progress
from importer.core.events import Event


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def as_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called in the test itself: pytest puts its own stream there between a fixture and its test."""
    monkeypatch.setenv("NO_COLOR", "1")
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


def reading(done: int, total: int | None, rejects: int = 0) -> Event:
    fields: dict[str, Any] = {"bytes": done, "total_bytes": total, "rejects": rejects}
    return Event("progress", "reading", fields)


def test_reading_shows_its_share_and_the_rejects_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with Progress(quiet=False) as progress:
        progress.tell(reading(0, 4 << 20))
        progress._bar.mininterval = 0  # type: ignore[union-attr]
        progress.tell(reading(1 << 20, 4 << 20, rejects=1_234))
        progress._bar.refresh()  # type: ignore[union-attr]
    shown = terminal.getvalue()
    assert "reading:  25%" in shown
    assert "1,234 rejects" in shown


def test_each_stage_has_its_own_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with Progress(quiet=False) as progress:
        progress.tell(reading(5, None))
        progress.sending(10, 20, 0)
        progress.tell(Event("finishing", "writing the reports"))
    shown = terminal.getvalue()
    assert shown.index("reading") < shown.index("sending") < shown.index("finishing")


def test_a_stage_that_counts_nothing_shows_its_time_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = as_terminal(monkeypatch)
    with Progress(quiet=False) as progress:
        progress.tell(Event("finishing", "writing the reports"))
    assert "finishing [00:00]" in terminal.getvalue()
    assert "steps" not in terminal.getvalue()


def test_a_bar_that_stands_still_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    now = [100.0]
    monkeypatch.setattr("importer.cli.progress.time.monotonic", lambda: now[0])
    progress, waiting = Progress(quiet=True), Event("waiting", "429: next call in 4 s (Retry-After)")
    progress._off = False  # without the thread that looks at the clock

    def shown(at: float, rows: int) -> str:
        now[0] = at
        progress.sending(rows, 20, 3)
        return progress._postfix()

    assert shown(100, 1) == "3 rejects"
    progress.tell(waiting)
    assert shown(100.5, 2) == "3 rejects", "this call was in flight"
    assert shown(102, 2) == "3 rejects, waiting"
    assert shown(104.1, 3) == "3 rejects"
    assert shown(106, 3) == "3 rejects", "slow, and no wait was said"
    progress.tell(waiting)
    assert shown(108, 3) == "3 rejects, waiting"
    progress.tell(Event("finishing", "writing the reports"))
    assert progress._postfix() == "3 rejects", "the next stage does not wait"
    progress._close_bar()


def test_what_was_done_before_a_resume_counts_for_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    as_terminal(monkeypatch)
    with Progress(quiet=False) as progress:
        progress.sending(90_000, 100_000, 0)
        assert progress._bar is not None
        assert (progress._bar.initial, progress._bar.n, progress._bar.total) == (90_000, 90_000, 100_000)


def test_the_bar_has_a_colour_unless_the_environment_forbids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_terminal(monkeypatch)
    with Progress(quiet=False) as progress:
        progress.sending(1, 2, 0)
        assert progress._bar is not None
        assert progress._bar.colour is None
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    with Progress(quiet=False) as progress:
        progress.sending(1, 2, 0)
        assert progress._bar is not None
        assert progress._bar.colour == "green"


@pytest.mark.parametrize("quiet", [False, True])
def test_off_a_terminal_there_is_no_bar_and_waits_are_lines(
    quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with logs.logging_to_stderr(), Progress(quiet=quiet) as progress:
        progress.tell(Event("began", "run r began", {"run_id": "r"}))
        progress.tell(reading(5, 10))
        progress.sending(1, 2, 0)
        progress.tell(Event("waiting", "429: next call in 3 s (Retry-After)"))
    assert capsys.readouterr().err == ("" if quiet else "importer: 429: next call in 3 s (Retry-After)\n")
    assert progress.run_id == "r"
