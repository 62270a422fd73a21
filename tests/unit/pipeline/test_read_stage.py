"""The whole list is read once, and a later attempt relies on it."""

from pathlib import Path
from typing import Any

import pytest

from importer.core.errors import ConfigError, OutOfTimeError
from importer.pipeline.read_stage import check_counts, identity_folder
from tests.support.stages import attempt_of, staged


def test_a_later_attempt_takes_what_was_read(tmp_path: Path) -> None:
    with staged(tmp_path) as first:
        before = first.read()
        assert before.result.counts.rows_read == 3
        assert before.places == {}
        assert first.attempt.stats.seconds["reading"] > 0
    (tmp_path / "list.csv").unlink()
    with attempt_of(first.spec) as second:
        again = second.read()
        assert again.result == before.result
        assert again.spool.plan() == before.spool.plan()
        assert second.attempt.stats.seconds["reading"] == 0


def test_what_the_guards_find_is_stored_with_it(tmp_path: Path) -> None:
    with staged(tmp_path, guards={"min_rows": 4}) as it:
        it.read()
    with attempt_of(it.spec) as later:
        assert later.read().result.guards == {"min_rows": "3 rows where at least 4 are expected"}


def test_rows_at_the_limit_say_nothing_about_their_number(tmp_path: Path) -> None:
    with staged(tmp_path, options={"limit": 2}, guards={"min_rows": 4}) as it:
        result = it.read().result
        assert (result.limited, result.counts.rows_read, result.guards) == (True, 2, {})


def test_reading_ends_where_the_time_is_up(tmp_path: Path) -> None:
    with staged(tmp_path, options={"max_duration": 0.0}) as it:
        with pytest.raises(OutOfTimeError):
            it.read()
        assert it.journal.fact("reading") is None, "a later attempt reads from the start"


def test_reading_ends_where_a_stop_is_asked_for(tmp_path: Path) -> None:
    with staged(tmp_path) as it:
        it.attempt.request.ask()
        with pytest.raises(KeyboardInterrupt):
            it.read()
        assert it.journal.fact("reading") is None


def test_a_list_that_was_counted_is_refused_a_second_time(tmp_path: Path) -> None:
    tables: dict[str, Any] = {
        "attributes": {"plan": {"type": "free_text"}, "age": {"type": "number", "operation": "increase"}},
        "destination": {"type": "engagelab", "api_key": "env:STAGES_KEY", "account": "test"},
    }
    with staged(tmp_path, **tables) as first:
        contents = first.read().result.contents
        assert list(contents) == [str(tmp_path / "list.csv")]
        first.spec.counted_lists.remember(list(contents.values()), first.spec.folder.run_id)
    with staged(tmp_path, **tables) as second, pytest.raises(ConfigError, match=first.spec.folder.run_id):
        second.read()
    with staged(tmp_path, options={"allow_duplicates": True}, **tables) as third:
        assert third.read().result.contents == contents


@pytest.mark.parametrize(
    ("mode", "run", "flags"),
    [("run", {}, False), ("check", {}, True), ("check", {"changed_only": True}, False)],
)
def test_only_a_check_that_compares_nothing_spools_flags(
    mode: str, run: dict[str, bool], flags: bool, tmp_path: Path
) -> None:
    with staged(tmp_path, mode, run=run) as it:
        assert (check_counts(it.spec) is not None) == flags
        read = it.read()
        assert (read.flags is not None) == flags
        assert bool(read.spool.plan()) == (not flags), "no text is spooled beside the flags"


def test_the_problems_of_identities_go_with_the_spool(tmp_path: Path) -> None:
    with staged(tmp_path) as it:
        folder = it.spec.folder
        assert identity_folder(folder).parent == folder.spool
