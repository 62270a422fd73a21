"""A run that has ended, as plain data and in a folder, for the tests of the reports."""

from pathlib import Path
from typing import Any

from importer.core.models import RejectCount, RunSummary, RunWarning
from importer.report.summary import as_json
from importer.storage.run_folder import RunFolder

ROWS = {
    "read": 1200,
    "applied": 1000,
    "unchanged": 50,
    "merged": 40,
    "empty": 10,
    "filtered": 70,
    "partly_applied": 20,
    "rejected": 10,
    "unconfirmed": 0,
    "not_attempted": 0,
}
VALUES = {
    "read": 2400,
    "applied": 2200,
    "unchanged": 90,
    "superseded": 80,
    "rejected": 30,
    "unconfirmed": 0,
    "not_attempted": 0,
}
PEOPLE = {"read": 1100, "called": 1050, "unchanged": 50, "nothing_to_send": 0, "not_attempted": 0}


def summary(**changes: Any) -> dict[str, Any]:
    """`summary.json` of a run whose counts add up; `changes` are fields of RunSummary."""
    row_states = {name: count for name, count in ROWS.items() if name != "read"}
    facts: dict[str, Any] = {
        "run_id": "r1",
        "name": "people",
        "destination": "vevee",
        "account": None,
        "confirms": "call",
        "state": "finished",
        "exit_code": 1,
        "started_at": "2026-03-01T02:00:00.000+00:00",
        "finished_at": "2026-03-01T02:01:30.500+00:00",
        "sources": [
            {
                "path": "/lists/people.csv",
                "rows": 1200,
                "size": 34_567,
                "modified": "2026-03-01T00:55:00.000+00:00",
                "row_states": row_states,
                "values": VALUES,
            }
        ],
        "limited": False,
        "rows": ROWS,
        "values": VALUES,
        "people": PEOPLE,
        "calls": {"sent": 1060, "retried": 10, "throttled": 4},
        "adjusted": 0,
        "reject_counts": [
            RejectCount("check", "attribute_value_invalid", "age", 30),
            RejectCount("read", "row_malformed", "", 10),
        ],
        "warnings": [RunWarning("spreadsheet_error", "age", 3, (7, 9))],
        "seconds": {"total": 90.5},
        "requests_per_second": 11.7,
        "peak_rss_bytes": 123_456_789,
        "attributes": [{"attribute": "age", **VALUES, "blank": 100}],
    }
    return as_json(RunSummary(**facts | changes))


def run_folder(state_dir: Path, run_id: str = "r1", **meta: Any) -> RunFolder:
    """The folder of a run that was started with `meta`."""
    folder = RunFolder(state_dir / "runs" / run_id)
    folder.path.mkdir(parents=True)
    known = {
        "run_id": run_id,
        "name": "people",
        "mode": "run",
        "identity": "i",
        "started_at": "2026-03-01T02:00:00.000+00:00",
        "config_path": "people.toml",
        "arguments": [],
        "config": {"name": "people", "attributes": {"age": {"type": "number", "min": 0.0}}},
    }
    folder.write_meta(known | meta)
    return folder
