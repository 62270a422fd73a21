"""People who are no longer in the list: counted, and cleared where that is wanted."""

from pathlib import Path

import pytest

import importer
from importer.core.errors import ConfigError
from tests.support.nights import List, World, world

ROWS: List = [(f"p{n}", "a", str(n), "x") for n in range(10)]


def clearing(here: World, share: str = "50%") -> None:
    here.changes = {"run": {"on_gone": "clear", "max_gone": share}}


def test_who_is_gone_is_counted_and_left_alone(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night(ROWS)
        summary = here.night(ROWS[2:])
        assert summary.diff is not None
        assert (summary.diff["gone"], summary.calls["sent"]) == (2, 0)
        assert len(here.server.stored) == 10


def test_who_is_gone_is_cleared_once(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        clearing(here)
        here.night(ROWS)
        summary = here.night(ROWS[2:])
        assert here.server.stored.keys() == {f"p{n}" for n in range(2, 10)}
        assert (summary.exit_code, summary.values["applied"]) == (0, 6)
        assert here.night().calls["sent"] == 0
        assert here.night(ROWS).people["called"] == 2
        assert len(here.server.stored) == 10


def test_too_many_gone_stop_the_run_before_the_first_call(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        clearing(here, "5%")
        here.night(ROWS)
        before = here.calls()
        summary = here.night(ROWS[2:])
        assert (summary.exit_code, here.calls()) == (6, before)
        assert "2 of 10 known people are gone" in summary.message
        assert here.night(ROWS[2:], allow=("max_gone",)).exit_code == 0
        assert len(here.server.stored) == 8


@pytest.mark.parametrize("left", [[], [("", "a", "1", "x")]])
def test_everybody_is_gone_from_a_list_without_people(tmp_path: Path, left: List) -> None:
    with world(tmp_path) as here:
        clearing(here)
        here.night(ROWS)
        before = here.calls()
        summary = here.night(left)
        assert (summary.exit_code, here.calls()) == (6, before)
        assert "10 of 10 known people are gone" in summary.message
        assert here.night(left, allow=("max_gone",)).people["called"] == 10
        assert not here.server.stored


def test_guards_look_at_the_list_and_not_at_the_rows_that_clear(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        clearing(here, "100%")
        here.night(ROWS)
        here.changes["guards"] = {"max_age": "1d", "min_rows": 3, "max_blank_change": "1%"}
        assert here.night(ROWS[5:]).exit_code == 0
        summary = here.night(ROWS[8:])
        assert (summary.exit_code, summary.guards) == (6, ("min_rows",))
        assert "2 rows where at least 3 are expected" in summary.message
        assert len(here.server.stored) == 5


@pytest.mark.parametrize("why", ["another source", "rows set aside", "where"])
def test_nobody_is_gone_unless_the_whole_list_was_read(tmp_path: Path, why: str) -> None:
    with world(tmp_path) as here:
        clearing(here)
        here.night(ROWS)
        here.write(ROWS[2:])
        sources: tuple[str, ...] = ()
        if why == "another source":
            sources = (str(here.source),)
        elif why == "where":
            here.changes["source"] = {"where": "plan = 'a'"}
        else:
            here.source.write_text(here.source.read_text() + "broken\n")
        summary = importer.run(here.config(), sources, importer.Options(state_dir=here.state))
        assert [w.code for w in summary.warnings] == ["gone_not_known"]
        assert summary.calls["sent"] == 0
        assert len(here.server.stored) == 10


def test_clearing_needs_to_know_who_was_there(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.changes = {"run": {"on_gone": "clear", "changed_only": False}}
        with pytest.raises(ConfigError, match=r'run.on_gone: "clear" needs changed_only'):
            here.night(ROWS)
