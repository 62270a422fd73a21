"""One event a minute, whatever else is reported."""

from dataclasses import dataclass, field

import pytest

from importer.cli import logs
from importer.cli.progress import Progress
from importer.core.events import Event, Silent
from importer.pipeline.heartbeat import Heartbeat


@dataclass
class Noting(Silent):
    """Keeps what it is told."""

    events: list[Event] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def sending(self, rows: int, total: int, rejects: int) -> None:
        self.rows.append(rows)


def test_a_line_a_minute_says_how_far_the_run_is() -> None:
    now, noting = [0.0], Noting()
    beat = Heartbeat(noting, lambda: int(now[0]) * 10, lambda: now[0])
    for second in range(0, 59, 5):
        now[0] = second
        beat.reading(1000 * second)
    now[0] = 61
    beat.reading(61_000)
    for second in range(62, 190):
        now[0] = second
        beat.sending((second - 62) * 20, 10_000, 3)
    assert [event.text for event in noting.events] == [
        "reading: 61,000 rows",
        "sending: 1,180 of 10,000 rows, 1,210 calls, 10 a second, 3 rejects, 7 min 21 s left",
        "sending: 2,380 of 10,000 rows, 1,810 calls, 10 a second, 3 rejects, 6 min 21 s left",
    ]
    assert noting.events[1].fields["seconds_left"] == 441
    assert len(noting.rows) == 128, "everything is handed on"


def test_a_resumed_run_counts_its_speed_from_where_it_began() -> None:
    now, noting = [0.0], Noting()
    beat = Heartbeat(noting, lambda: 500, lambda: now[0])
    beat.sending(9_000, 10_000, 0)
    now[0] = 100
    beat.sending(9_000, 10_000, 0)
    [event] = noting.events
    assert event.text == "sending: 9,000 of 10,000 rows, 500 calls, 0 a second, 0 rejects"


@pytest.mark.parametrize(("quiet", "lines"), [(False, 1), (True, 0)])
def test_it_is_printed_where_there_is_no_terminal(
    quiet: bool, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with logs.logging_to_stderr(), Progress(quiet=quiet) as progress:
        logs.configure(as_json=False, verbose=False)
        progress.tell(Event("heartbeat", "sending: 5 of 10 rows"))
    assert capsys.readouterr().err.count("sending: 5 of 10 rows") == lines
