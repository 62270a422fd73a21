"""What a run took, over all its attempts."""

from contextlib import closing
from pathlib import Path

from importer.pipeline.stats import RunStats
from importer.storage.journal import Journal
from importer.storage.run_folder import RunFolder


def test_a_later_attempt_goes_on_counting(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with closing(Journal(folder.journal)) as journal:
        first = RunStats(several=False)
        with first.kept_in(folder, journal):
            first.counts.sent += 3
            first.counts.throttled += 1
            first.seconds["sending"] = 2.0
            first.save(journal)
        second = RunStats(several=False)
        with second.kept_in(folder, journal):
            second.counts.sent += 1
            second.counts.retried += 1
        assert (second.counts.sent, second.counts.retried, second.counts.throttled) == (4, 1, 1)
        assert second.seconds["sending"] == 2.0


def test_the_rate_leaves_out_an_attempt_that_was_killed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with closing(Journal(folder.journal)) as journal:
        ended, killed, last = (RunStats(several=False) for _ in range(3))
        with ended.kept_in(folder, journal):
            ended.counts.sent += 30
            ended.seconds["sending"] += 10.0
            ended.save(journal)
        with killed.kept_in(folder, journal):
            killed.counts.sent += 1000
        with last.kept_in(folder, journal):
            last.counts.sent += 50
            last.seconds["sending"] += 10.0
        assert (last.counts.sent, last.requests_per_second) == (1080, 4.0)
        last.save(journal)
        again = RunStats(several=False)
        with again.kept_in(folder, journal):
            assert again.requests_per_second == 4.0


def test_a_run_that_has_sent_nothing_has_a_rate_of_zero() -> None:
    assert RunStats(several=False).requests_per_second == 0.0


def test_requests_of_an_earlier_version_are_of_its_seconds(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with closing(Journal(folder.journal)) as journal:
        first = RunStats(several=False)
        with first.kept_in(folder, journal):
            first.counts.sent += 20
        journal.remember("counts", {"sending": 10.0})
        second = RunStats(several=False)
        with second.kept_in(folder, journal):
            assert second.requests_per_second == 2.0
