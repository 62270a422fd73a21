"""Ratios of a benchmark beside the committed ones."""

from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.results import Ratio


@pytest.mark.parametrize(
    ("now", "before", "more_is_better", "worse"),
    [
        (1.14, 1.0, False, False),
        (1.16, 1.0, False, True),
        (0.5, 1.0, False, False),
        (0.88, 1.0, True, False),
        (0.86, 1.0, True, True),
        (2.0, 1.0, True, False),
    ],
)
def test_more_than_fifteen_percent_worse_is_a_regression(
    now: float, before: float, more_is_better: bool, worse: bool
) -> None:
    assert results.is_worse(Ratio("a", now, more_is_better=more_is_better), before) is worse


def test_what_is_kept_replaces_the_same_kind_only(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.keep("full", [Ratio("a", 3.0)], path)
    results.keep("quick", [Ratio("a", 1.0), Ratio("b", 0.12349)], path)
    results.keep("quick", [Ratio("a", 2.0)], path)
    assert results.committed("quick", path) == {"a": 2.0}
    assert results.committed("full", path) == {"a": 3.0}
    assert results.committed("quick", tmp_path / "none.json") == {}


def test_each_ratio_stands_beside_the_one_before() -> None:
    lines = list(results.compared([Ratio("a", 2.0), Ratio("new", 1.0)], {"a": 1.0}))
    assert lines[2:] == ["| a | 2.00 | 1.00 | worse |", "| new | 1.00 |  |  |"]
