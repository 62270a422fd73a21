"""Groups of rejects: complete counts, frequent values, bounded memory."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.core.rejects import REPORT_COLUMNS
from importer.report import reject_groups, reject_lines
from importer.report.reject_groups import EXAMPLES_EACH, LONGEST, examples_of, read_groups


def rejects(path: Path, values: "list[tuple[str, str, str]]") -> Path:
    """(attribute, reason, value) as lines of a rejects.csv."""
    frame = pl.DataFrame(values, schema=["attribute", "reason", "value"], orient="row")
    others = {
        "file": "list.csv",
        "row": "1",
        "line": "2",
        "distinct_id": "u",
        "stage": "check",
        "message": "expected",
        "status": "",
        "attempts": "",
        "at": "",
    }
    frame.with_columns(pl.lit(v).alias(k) for k, v in others.items()).select(REPORT_COLUMNS).write_csv(path)
    return path


def test_groups_are_complete_and_the_largest_is_first(tmp_path: Path) -> None:
    lines = (
        [("plan", "invalid", "techno")] * 3 + [("plan", "invalid", "")] * 2 + [("age", "invalid", "x")] * 7
    )
    first, second = read_groups(rejects(tmp_path / "rejects.csv", lines))
    assert (first.attribute, first.count, first.top()) == ("age", 7, [("x", 7)])
    assert (second.attribute, second.count, second.top()) == ("plan", 5, [("techno", 3), ("", 2)])
    assert (second.message, second.approximate, len(second.examples)) == ("expected", False, 5)


def test_a_stage_of_an_earlier_version_has_its_name_of_now(tmp_path: Path) -> None:
    path = rejects(tmp_path / "rejects.csv", [("topics", "option_not_declared", "art|x")] * 2)
    path.write_text(path.read_text().replace("check", "trim", 1).replace("check", "adjust", 1))
    (group,) = read_groups(path)
    assert (group.stage, group.count) == ("adjust", 2)


def test_no_line_and_no_file_are_no_group(tmp_path: Path) -> None:
    assert read_groups(tmp_path / "rejects.csv") == []
    (tmp_path / "rejects.csv").write_text(",".join(REPORT_COLUMNS) + "\n")
    assert read_groups(tmp_path / "rejects.csv") == []


def test_a_long_value_is_cut_and_line_breaks_and_quotes_stay(tmp_path: Path) -> None:
    lines = [("name", "too_long", "x" * 300_000), ("name", "too_long", 'a\n"b",c')]
    (group,) = read_groups(rejects(tmp_path / "rejects.csv", lines))
    assert {len(value) for value in group.values} == {LONGEST + 1, len('a\n"b",c')}
    assert 'a\n"b",c' in group.values


def test_past_the_bound_values_are_approximate_and_the_count_stays_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reject_groups, "DISTINCT_VALUES", 100)
    lines = [("plan", "invalid", "often")] * 50 + [("plan", "invalid", f"v{n}") for n in range(500)]
    (group,) = read_groups(rejects(tmp_path / "rejects.csv", lines))
    assert (group.count, group.approximate, group.top(1)) == (550, True, [("often", 50)])
    assert len(group.values) == 50


def test_examples_are_bounded_over_all_groups(tmp_path: Path) -> None:
    lines = [(f"a{n % 40}", "invalid", str(n)) for n in range(4_000)]
    groups = read_groups(rejects(tmp_path / "rejects.csv", lines), examples=160)
    assert len(groups) == 40
    assert {len(group.examples) for group in groups} == {4}


def test_examples_are_a_few_of_each_group_by_turns(tmp_path: Path) -> None:
    lines = [("age", "invalid", f"a{n}") for n in range(300)] + [("plan", "invalid", f"p{n}") for n in (0, 1)]
    groups = read_groups(rejects(tmp_path / "rejects.csv", lines))
    shown = [row["value"] for row in examples_of(groups)]
    assert shown == ["a0", "p0", "a1", "p1", *(f"a{n}" for n in range(2, EXAMPLES_EACH))]
    assert [row["value"] for row in examples_of(groups, most=3)] == shown[:3]


def test_of_equally_frequent_values_the_first_of_the_list_is_shown(tmp_path: Path) -> None:
    lines = [("age", "invalid", f"a{n}") for n in range(2_000)]
    (group,) = read_groups(rejects(tmp_path / "rejects.csv", lines))
    assert group.top(3) == [("a0", 1), ("a1", 1), ("a2", 1)]


@settings(max_examples=60)
@given(
    values=st.lists(st.text(st.sampled_from('a",\n\r;é'), max_size=12), min_size=1, max_size=30),
    size=st.integers(1, 200),
)
def test_lines_are_read_in_pieces_of_any_size(values: list[str], size: int) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = rejects(Path(folder, "rejects.csv"), [("plan", "invalid", value) for value in values])
        patch.setattr(reject_lines, "_BLOCK_BYTES", size)
        (group,) = read_groups(path)
    assert group.count == len(values)
    assert group.values == Counter(values)
