"""The shapes of lists that take most memory, short enough to run with every change; all are in tests/long."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.long_lists import DECLARED, HEADER, all_wrong, malformed, megabytes
from tests.support.oracle.program import config_text, importer

LIMIT = 300 << 20
"""Lists as short as these take 155 to 240 MiB; all lines of refused values made at once took 340."""


@pytest.mark.parametrize(
    ("line", "count"),
    [(all_wrong, 150_000), (malformed, 40_000), (megabytes, 60)],
    ids=["every value wrong", "every row damaged", "a megabyte in each row"],
)
def test_a_check_takes_little_memory(line: Callable[[int], str], count: int, tmp_path: Path) -> None:
    source, config = tmp_path / "list.csv", tmp_path / "import.toml"
    with source.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(map(line, range(count)))
    config.write_text(config_text(DECLARED, source, "http://127.0.0.1:1"), "utf-8")
    flags = ("--run-id", "r", "--quiet", "--allow", "max_attribute_rejects")
    result = importer("check", config, *flags, cwd=tmp_path)
    assert result.code in (0, 1), result.err
    summary = result.summary("r")
    assert summary["rows"]["read"] == count
    assert summary["peak_rss_bytes"] < LIMIT
