"""What is known of an import from run to run, and of the rate of its account."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import run_history
from importer.storage.run_history import ListShape, RunHistory
from tests.support.mappings import config_of

SHAPE = ListShape("night", 1000, {"plan": 0.25}, {"plan": 0.0})


def test_an_import_that_never_ran_has_none(state: Path, config: Config) -> None:
    assert RunHistory.load(state, config) == RunHistory()
    assert run_history.pace(state, config) is None


def test_what_is_kept_comes_back(state: Path, config: Config) -> None:
    before, after = run_history.change(state, config, lambda known: known.after_good(SHAPE).after(0, 17.5))
    assert before == RunHistory()
    assert after == RunHistory(SHAPE, 0, 17.5) == RunHistory.load(state, config)
    assert RunHistory.load(state, config_of("other")) == RunHistory()


def test_a_failure_keeps_the_time_of_the_last_success() -> None:
    assert RunHistory(SHAPE, 0, 17.5).after(4, 99.0) == RunHistory(SHAPE, 4, 17.5)
    assert RunHistory(SHAPE, 4, 17.5).after(1, 99.0) == RunHistory(SHAPE, 1, 99.0)


def test_changes_at_the_same_time_are_all_kept(state: Path, config: Config) -> None:
    def count(_: int) -> None:
        run_history.change(state, config, lambda known: replace(known, exit_code=(known.exit_code or 0) + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(20)))
    assert RunHistory.load(state, config).exit_code == 20


def test_the_rate_is_the_accounts_whichever_import_found_it(state: Path, config: Config) -> None:
    run_history.keep_pace(state, config, 123.456)
    assert run_history.pace(state, config_of("other")) == 123.5
    section = {"type": "vevee", "api_key": "env:KEY", "account": "production"}
    assert run_history.pace(state, config_of(destination=section)) is None


def test_damage_may_be_deleted(state: Path, config: Config) -> None:
    RunHistory(SHAPE).save(state, config)
    (path,) = (state / "imports").iterdir()
    path.write_text(path.read_text().replace("1000", "1001"))
    with pytest.raises(StateError, match="delete it, and the next good run writes it again"):
        RunHistory.load(state, config)
