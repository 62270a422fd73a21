"""What is about to be sent is said before the first call."""

from pathlib import Path

from importer.pipeline.cost import report_cost
from tests.support.stages import staged


def test_what_is_about_to_be_sent_is_told_first(tmp_path: Path) -> None:
    with staged(tmp_path, "check") as it, it.ledger() as ledger:
        report_cost(it.spec, it.attempt, ledger, 2)
        [event] = it.observer.of("cost")
        assert event.fields["people"] == 2
