"""The chunks of a run: opened, closed, suspended and counted."""

from collections import Counter
from pathlib import Path

import pytest

from importer.core.models import ALL_APPLIED, Call, Classification, Settled, Target, Update, Verdict
from importer.pipeline.ledger import Ledger
from importer.reconcile.reconciler import OpenChunk
from importer.storage.journal import Journal
from tests.support.stages import attempt_of, staged

UNANSWERED = Classification(Verdict.RETRY, reason="unconfirmed", message="no answer came")


def apply_first(opened: OpenChunk) -> None:
    """The first person's call ends well."""
    apply(opened, next(opened.jobs()))


def apply(opened: OpenChunk, update: Update) -> None:
    """A person's call ends well."""
    settle(opened, update, ALL_APPLIED)


def settle(opened: OpenChunk, update: Update, classification: Classification) -> None:
    """A person's call ends like this."""
    opened.settle(Settled(Call("PATCH", "/", b"", (target_of(update),)), classification, 200, 1, 1.0))


def target_of(update: Update) -> Target:
    """The person and the attributes of an update."""
    return Target(update.person, update.distinct_id, "set", update.parts[0].keys)


def ids(ledger: Ledger) -> list[str]:
    return [update.distinct_id for update in ledger.open(ledger.plans[0]).jobs()]


def test_what_was_answered_does_not_go_out_again(tmp_path: Path) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        apply_first(ledger.open(ledger.plans[0]))
        ledger.reload_answers()
        assert ledger.answered(ledger.plans[0]) == {"p1"}
        assert ids(ledger) == ["p2"]
        assert ledger.answers.values == 2


def test_a_chunk_that_waits_is_opened_again_from_the_journal(tmp_path: Path) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        apply_first(ledger.open(ledger.plans[0]))
        ledger.suspend(0)
        assert ledger.pending == {0}
        assert ids(ledger) == ["p2"]


def test_what_an_earlier_attempt_left_unconfirmed_is_carried_on_by_the_job_that_it_was_sent_with_again(
    tmp_path: Path,
) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        settle(first := ledger.open(ledger.plans[0]), next(first.jobs()), UNANSWERED)
        ledger.reload_answers()  # as a later attempt does
        assert ids(ledger) == ["p1", "p2"]
        opened = ledger.open(ledger.plans[0])
        poll = Call("GET", "/job/1", b"", (target_of(next(opened.jobs())),), after=1.0)
        opened.keep(
            Settled(
                Call("POST", "/", b"", ()), Classification(Verdict.CONTINUE, follow_up=(poll,)), 200, 1, 2.0
            )
        )
        ledger.suspend(0)
        again = ledger.open(ledger.plans[0])
        assert [call.path for call in again.carried] == ["/job/1"]
        again.settle(Settled(again.carried[0], ALL_APPLIED, 200, 1, 3.0))
        assert ledger.close(again).tally.values == Counter(applied=2, not_attempted=2, rejected=2)


def test_after_a_stop_the_rest_is_counted(tmp_path: Path) -> None:
    with staged(tmp_path) as it, it.ledger() as ledger:
        apply_first(ledger.open(ledger.plans[0]))
        ledger.reload_answers()
        ledger.count_without_sending(ledger.plans)
        assert ledger.tally.rows == Counter(applied=1, not_attempted=1, rejected=1)
        assert ledger.tally.values == Counter(applied=2, not_attempted=2, rejected=2)


@pytest.mark.parametrize(
    ("journal_has_it", "sent_again", "values"),
    [(True, [], Counter(applied=4)), (False, ["p1", "p2"], Counter(not_attempted=4))],
)
def test_what_a_killed_attempt_made_known_is_not_unchanged(
    journal_has_it: bool, sent_again: list[str], values: Counter[str], tmp_path: Path
) -> None:
    with staged(tmp_path, run={"changed_only": True}) as first, first.ledger() as ledger:
        opened = ledger.open(ledger.plans[0])
        lost = None if journal_has_it else Journal(tmp_path / "lost.sqlite")
        opened.journal = lost or opened.journal
        for update in opened.jobs():
            apply(opened, update)
        ledger.settle(opened)  # and a kill before the chunk is closed in the journal
        if lost:
            lost.close()
    with attempt_of(first.spec) as second, second.ledger() as ledger:
        assert ids(ledger) == sent_again
        assert ledger.close(ledger.open(ledger.plans[0])).tally.values == Counter(rejected=2) + values


def test_the_diff_is_the_same_in_a_later_attempt(tmp_path: Path) -> None:
    with staged(tmp_path, run={"changed_only": True}) as first, first.ledger() as ledger:
        ledger.open(ledger.plans[0])
    with attempt_of(first.spec) as second, second.ledger() as ledger:
        assert ledger.open(ledger.plans[0]).chunk.tally.diff == Counter(new=2)
