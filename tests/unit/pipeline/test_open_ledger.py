"""What the chunks of a run share, as an earlier attempt has left it."""

from pathlib import Path

from importer.core.models import Call
from importer.storage.journal_records import Entry
from tests.support.stages import Staged, attempt_of, staged


def answer(it: Staged, person: str) -> None:
    it.journal.append(Entry(0, person, "set", ("plan", "age"), (0,), "applied", "", 200, 1, 1.0))
    it.journal.flush()


def test_at_first_everything_is_open(tmp_path: Path) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        assert (len(ledger.plans), ledger.people_left(), ledger.dead, ledger.sends) == (1, 3, {}, True)
        assert ledger.diff is not None
        assert ledger.tally.rows.total() == 0


def test_a_check_sends_nothing_and_compares_with_nothing(tmp_path: Path) -> None:
    with staged(tmp_path, "check") as it, it.ledger() as ledger:
        assert (ledger.sends, ledger.diff) == (False, None)


def test_what_was_answered_before_is_known(tmp_path: Path) -> None:
    with staged(tmp_path) as first, first.ledger():
        answer(first, "p1")
        first.journal.remember("dead", {"age": "attribute_archived"})
    with attempt_of(first.spec) as second, second.ledger() as ledger:
        assert ledger.dead == {"age": "attribute_archived"}
        assert ledger.answered(ledger.plans[0]) == {"p1"}
        assert ledger.people_left() == 2


def test_a_chunk_that_is_closed_is_counted_and_not_opened_again(tmp_path: Path) -> None:
    with staged(tmp_path) as first, first.ledger() as ledger:
        closed = ledger.close(ledger.open(ledger.plans[0]))
        first.journal.close_chunk(0, closed.tally.dump())
    with attempt_of(first.spec) as second, second.ledger() as again:
        assert (again.plans, again.people_left()) == ([], 0)
        assert again.tally == closed.tally


def test_only_a_retry_ends_values_without_a_call(tmp_path: Path) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        calls: list[Call] = ledger.first_values(())
        assert calls == []
        opened = ledger.open(ledger.plans[0])
        assert [update.distinct_id for update in opened.jobs()] == ["p1", "p2"]
