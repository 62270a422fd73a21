"""Whether a run compares the list with the snapshot, and that a later attempt does the same."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer.config.options import Options
from importer.pipeline.open_snapshot import open_diff
from importer.pipeline.run_spec import RunSpec
from importer.reconcile.diff import Diff
from importer.storage.journal import Journal
from importer.storage.journal_records import Entry
from importer.storage.partitions import PARTITIONS
from importer.storage.snapshot_frames import META, UNKNOWN
from tests.support.mappings import config_of

CHANGED = {"changed_only": True}


def spec_of(folder: Path, mode: str = "run", run: dict[str, Any] | None = None, **options: Any) -> RunSpec:
    asked = Options(state_dir=folder, **options)
    return RunSpec.new(config_of(run=run or {}), (), asked, mode).with_folder()


def opened(spec: RunSpec) -> Diff | None:
    """As one attempt opens it."""
    with closing(Journal(spec.folder.journal)) as journal:
        return open_diff(spec, journal)


def compares(spec: RunSpec) -> bool:
    found = opened(spec)
    assert found is not None
    return found.compares


def test_a_check_reads_it_only_where_it_shows_what_changed(tmp_path: Path) -> None:
    assert opened(spec_of(tmp_path, "check")) is None
    found = opened(spec_of(tmp_path, "check", CHANGED))
    assert found is not None
    assert (found.compares, found.snapshot.is_empty) == (True, True)
    assert not found.snapshot.folder.exists(), "a check writes nothing there"


def test_every_run_that_sends_keeps_it_up_to_date(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    found = opened(spec)
    assert found is not None
    assert not found.compares
    assert found.before == spec.folder.previous_values
    assert found.snapshot.folder.is_dir()


def test_a_full_refresh_compares_nothing(tmp_path: Path) -> None:
    assert compares(spec_of(tmp_path, run=CHANGED))
    assert not compares(spec_of(tmp_path, run=CHANGED, full_refresh=True))


@pytest.mark.parametrize(
    ("ago", "expected"), [(None, False), (3600.0, True), (90_000.0, False), (-3600.0, False)]
)
def test_everything_is_sent_where_the_last_full_run_is_long_ago(
    ago: float | None, expected: bool, tmp_path: Path
) -> None:
    """A last full run in the future is of a clock that was wrong."""
    every = {**CHANGED, "full_every": "1d"}
    if ago is not None:
        earlier = opened(spec_of(tmp_path, run=every))
        assert earlier is not None
        earlier.snapshot.finish(full_at=time.time() - ago)
    assert compares(spec_of(tmp_path, run=every)) == expected
    assert compares(spec_of(tmp_path, mode="retry", run=every)), "a retry is never the full run"


def test_a_later_attempt_does_as_the_first_one(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, run=CHANGED)
    assert compares(spec)
    again = RunSpec.of_folder(spec.folder, Options(full_refresh=True))
    assert compares(again)


@pytest.fixture
def killed(tmp_path: Path) -> RunSpec:
    """A run that was killed in the middle of a chunk of two people."""
    spec = spec_of(tmp_path)
    with closing(Journal(spec.folder.journal)) as journal:
        diff = open_diff(spec, journal)
        assert diff is not None
        schema = {name: META[name] for name in ("id", "print", "values")} | {"v:plan": pl.String}
        sent = pl.DataFrame([("a", 1, 1, '"x"'), ("b", 2, 1, '"y"')], schema, orient="row")
        diff.snapshot.record(0, 0, PARTITIONS, sent)
        journal.append(Entry(0, "a", "set", ("plan",), (0,), "applied", "", 200, 1, 1.0))
        journal.flush()
    return spec


def plans(of: Diff | None) -> dict[str, str]:
    assert of is not None
    return dict(of.snapshot.read(0, PARTITIONS).select("id", "v:plan").iter_rows())


def test_what_the_journal_of_a_killed_run_acknowledges_is_known(killed: RunSpec, tmp_path: Path) -> None:
    assert plans(opened(spec_of(tmp_path))) == {"a": '"x"', "b": UNKNOWN}


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_without_its_journal_nothing_of_it_is_known(killed: RunSpec, damage: str, tmp_path: Path) -> None:
    for path in killed.folder.path.glob("journal.sqlite*"):
        path.unlink()
    if damage == "damaged":
        killed.folder.journal.write_bytes(b"no journal" * 1000)
    assert plans(opened(spec_of(tmp_path))) == {"a": UNKNOWN, "b": UNKNOWN}
