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
