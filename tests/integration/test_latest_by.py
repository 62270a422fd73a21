"""`latest_by`: the newest row of a person by its time, whatever the order of the file."""

from pathlib import Path
from typing import Any

import pytest

import importer
from importer.core.errors import ConfigError
from tests.support.nights import World, world

HEAD = "id,plan,age,note,at\n"


def imported(here: World, lines: str, **source: Any) -> importer.RunSummary:
    here.changes = {"source": {"latest_by": "at", **source}, "run": {"changed_only": False}}
    here.source.write_text(HEAD + lines)
    return here.night()


@pytest.mark.parametrize("chunk_bytes", [1, 8 << 20])
def test_the_latest_time_wins_value_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr("importer.storage.spool.CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr("importer.storage.spool.SEGMENT_BYTES", chunk_bytes)
    with world(tmp_path) as here:
        summary = imported(
            here,
            "p1,a,1,x,2024-01-03T00:00:00Z\n"  # the newest, but for its blank age below
            "p1,b,,y,2024-01-02T00:00:00Z\n"
            "p2,a,,x,2024-01-02T01:00:00+02:00\n"
            "p2,b,,x,2024-01-02T00:30:00Z\n"
            "p2,,7,x,2024-01-01\n",
        )
        assert here.server.stored == {
            "p1": {"plan": "a", "age": 1, "note": "x"},
            "p2": {"plan": "b", "note": "x"},
        }
        assert [(r.reason, r.count) for r in summary.reject_counts] == [("row_time_invalid", 1)]


def test_a_blank_time_is_the_oldest_and_equal_times_go_by_the_file(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        imported(here, "p1,a,1,x,5\np1,b,2,y,5\np1,c,3,z,\np2,a,1,x,\np2,b,1,x,\n", latest_type="number")
        assert here.server.stored["p1"] == {"plan": "b", "age": 2, "note": "y"}
        assert here.server.stored["p2"]["plan"] == "b"


def test_a_row_that_cannot_be_put_in_order_is_set_aside_and_comes_back(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        summary = imported(
            here, "p1,a,1,x,01/02/2024\np1,b,1,x,soon\n", latest_type="date", latest_format="%d/%m/%Y"
        )
        assert here.server.stored["p1"]["plan"] == "a"
        assert (summary.exit_code, summary.rows["rejected"], summary.rows["applied"]) == (1, 1, 1)
        (kept,) = (here.state / "runs" / summary.run_id / "rejected_rows").iterdir()
        assert kept.read_text() == HEAD + "p1,b,1,x,soon\n"


def test_a_format_belongs_to_a_time(tmp_path: Path) -> None:
    with world(tmp_path) as here, pytest.raises(ConfigError, match="latest_format: only with latest_by"):
        imported(here, "p1,a,1,x,5\n", latest_type="number", latest_format="%d")
