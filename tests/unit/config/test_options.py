"""What a run may add to its configuration, and what a later attempt keeps of it."""

from pathlib import Path

import pytest

from importer.config.options import Options, RejectLimit
from importer.core.errors import ConfigError
from tests.support.mappings import config_of


@pytest.mark.parametrize(
    ("text", "rejected", "of", "passed"),
    [
        ("250", 250, 1_000, False),
        ("250", 251, 1_000, True),
        ("2%", 20, 1_000, False),
        ("2%", 21, 1_000, True),
        ("0", 0, 0, False),
        ("0%", 1, 1_000, True),
    ],
)
def test_a_limit_is_passed_by_more_than_it_says(text: str, rejected: int, of: int, passed: bool) -> None:
    assert RejectLimit.parse(text).passed(rejected, of) is passed
    assert str(RejectLimit.parse(text)) == text


@pytest.mark.parametrize("text", ["few", "-1", "101%", "nan%", "1.5", ""])
def test_anything_else_is_no_limit(text: str) -> None:
    with pytest.raises(ConfigError, match="--max-rejects: expected a number of values like 250"):
        RejectLimit.parse(text)


def test_a_later_attempt_keeps_what_the_first_was_given() -> None:
    first = Options(
        limit=5, max_rejects=RejectLimit(percent=2), strict=True, allow=("canary",), full_refresh=True
    )
    later = Options(allow=("min_rows",)).after(first.as_mapping())
    assert (later.limit, later.strict, later.full_refresh) == (5, True, True)
    assert later.max_rejects == RejectLimit(percent=2)
    assert later.allow == ("canary", "min_rows")


@pytest.mark.parametrize("state_dir", ["some/where", Path("some/where")])
def test_a_state_folder_is_text_or_a_path(state_dir: str | Path) -> None:
    assert Options(state_dir=state_dir).state_dir_of(config_of()) == Path("some/where")
