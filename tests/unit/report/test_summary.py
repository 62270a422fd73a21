"""The counts of a run add up: in all, by attribute and by source, with and without a snapshot."""

from pathlib import Path
from typing import Any

import pytest

import importer
from importer.chunk.tally import Tally
from importer.config import parse
from importer.core.errors import InternalError
from importer.core.models import RunSummary
from importer.report.summary import as_json, balanced_counts, source_counts
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.validate.read_counts import ReadCounts
from importer.validate.read_result import ReadResult, ReadSource
from tests.support.oracle.program import assert_books

KEY = "sk_test_summary"


@pytest.fixture
def mapping(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SUMMARY_KEY", KEY)
    return {
        "name": "people",
        "source": {"path": "unused", "where": "plan != 'none' OR plan IS NULL", "clear_values": ["-"]},
        "identity": {"column": "id"},
        "destination": {
            "type": "vevee",
            "api_key": "env:SUMMARY_KEY",
            "account": "test",
            "requests_per_second": 5000,
        },
        "run": {"changed_only": True, "on_gone": "clear", "max_gone": "100%"},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "free"]},
            "age": {"type": "number", "blank": "clear"},
            "topics": {"type": "multi_choice", "options": ["math", "art"], "blank": "reject"},
        },
    }


def by_name(parts: Any, key: str, name: str) -> Any:
    return next(one for one in parts if one[key].endswith(name))


def test_two_lists_two_nights_and_people_who_are_gone(
    mapping: dict[str, Any], state_dir: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text(
        "id,plan,age,topics\n1,pro,7,math|sport\n2,techno,8,art\n3,none,1,art\n,free,1,art\n6,free,,\n"
    )
    second.write_text("id,plan,age,topics\n4,pro,-,art\n5,,x,math\n")
    mapping["source"]["path"] = str(tmp_path / "*.csv")
    with sandbox.running(parse(mapping), SandboxOptions(), KEY) as server:
        options = importer.Options(state_dir=state_dir, base_url=server.url)

        def night() -> dict[str, Any]:
            summary: RunSummary = importer.run(mapping, (), options)
            assert_books(as_json(summary))
            return as_json(summary)

        one = night()
        second.write_text("id,plan,age,topics\n5,,9,math\n")
        two = night()
    plan = by_name(one["attributes"], "attribute", "plan")
    assert (plan["read"], plan["blank"], plan["rejected_by"]) == (4, 1, {"check": 1, "send": 0})
    topics = by_name(one["attributes"], "attribute", "topics")
    assert (topics["read"], topics["rejected"], topics["adjusted"]) == (5, 1, 1)
    a, b = (by_name(one["sources"], "path", name) for name in ("a.csv", "b.csv"))
    assert (a["rows"], a["row_states"]["filtered"], a["row_states"]["rejected"]) == (5, 1, 1)
    assert (b["rows"], b["size"], b["values"]["rejected"]) == (
        2,
        len("id,plan,age,topics\n4,pro,-,art\n5,,x,math\n"),
        1,
    )
    assert two["diff"]["gone"] == 0 or by_name(two["sources"], "path", "gone.parquet")["rows"] == 1
    assert two["values"]["unchanged"] > 0


def test_a_row_that_went_astray_is_a_fault_of_ours() -> None:
    reading = ReadResult(counts=ReadCounts(rows_read=2))
    with pytest.raises(InternalError, match="The counts do not add up: 2 rows read, 0 accounted for"):
        balanced_counts(reading, Tally())
    reading.sources = [ReadSource("list.csv", "csv", 2, None, b"", b"\n")]
    with pytest.raises(InternalError, match=r"2 rows of list\.csv read, 0 accounted for"):
        source_counts(reading, Tally())
