"""A list that was counted is known by its content, whatever its name and the order of its rows."""

from pathlib import Path

import polars as pl
import pytest

from importer.core.errors import ConfigError, StateError
from importer.storage import account, state_folder
from importer.storage.counted_lists import ContentHash, CountedLists, is_counting
from importer.storage.run_folder import RunFolder
from tests.support.mappings import config_of

COUNTING = config_of(
    destination={"type": "engagelab", "api_key": "env:KEY", "account": "test", "base_url": "https://x.test"},
    attributes={"points": {"type": "number", "operation": "increase"}},
)


def content_of(*rows: str) -> str:
    content = ContentHash()
    content.add(pl.DataFrame(), pl.Series(rows))
    return str(content)


def begun(state: Path, run_id: str, contents: list[str]) -> RunFolder:
    folder = state_folder.new_run(state, run_id)
    meta = {"started_at": "2026-01-01", "identity": account.import_id(COUNTING), "mode": "run"}
    state_folder.create(folder, meta)
    CountedLists(state, COUNTING).remember(contents, run_id)
    return folder


def test_only_an_increase_counts() -> None:
    assert is_counting(COUNTING)
    assert not is_counting(config_of())


def test_the_content_is_its_rows_in_any_order_and_in_any_batches() -> None:
    assert content_of("a,1", "b,2", "a,1") == content_of("a,1", "a,1", "b,2") != content_of("a,1", "b,2")
    split = ContentHash()
    split.add(pl.DataFrame(), pl.Series(["b,2"]))
    split.add(pl.DataFrame(), pl.Series(["a,1", "a,1"]))
    assert str(split) == content_of("a,1", "b,2", "a,1")


def test_cells_stand_for_rows_that_have_no_text() -> None:
    one, other = ContentHash(), ContentHash()
    one.add(pl.DataFrame({"id": ["a"], "points": [1]}), None)
    other.add(pl.DataFrame({"id": ["a"], "points": [2]}), None)
    assert str(one) != str(other)


def test_content_is_sent_by_one_run(state: Path) -> None:
    begun(state, "first", ["3-aa"])
    sent = CountedLists(state, COUNTING)
    sent.refuse_again({"list.csv": "3-aa"}, "first")
    sent.refuse_again({"list.csv": "4-bb"}, "second")
    with pytest.raises(ConfigError, match=r"copy.csv: run first has sent this content.*--allow-duplicates"):
        sent.refuse_again({"copy.csv": "3-aa"}, "second")


def test_a_run_that_has_begun_to_count_comes_to_its_end_first(state: Path) -> None:
    first = begun(state, "first", ["3-aa"])
    sent = CountedLists(state, COUNTING)
    sent.refuse_unfinished(first)
    with pytest.raises(ConfigError, match="importer resume first"):
        sent.refuse_unfinished(first.beside("second"))
    first.write_summary({"state": "finished"})
    sent.refuse_unfinished(first.beside("second"))


def test_a_run_that_has_begun_and_whose_journal_knows_nothing_is_refused(state: Path) -> None:
    first = begun(state, "first", ["3-aa"])
    with pytest.raises(StateError, match=r"journal.sqlite: lost what the run has sent"):
        CountedLists(state, COUNTING).refuse_lost_journal(first)
    CountedLists(state, COUNTING).refuse_lost_journal(first.beside("second"))


def test_damage_is_never_taken_for_nothing_sent(state: Path) -> None:
    begun(state, "first", ["3-aa"])
    (path,) = (state / "counted").iterdir()
    path.write_text(path.read_text().replace("3-aa", "3-ab"))
    with pytest.raises(StateError, match="it is not known what was counted"):
        CountedLists(state, COUNTING).known()
