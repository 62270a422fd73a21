"""Night after night: whatever happens to a run, the snapshot never withholds a value that is needed.

Sequences of lists, refusals, unanswered calls, kills, resumes, retries and superseded runs against the real
sandbox. After a night in which everything was acknowledged the destination holds exactly the fold of the
lists, and a further night without changes makes no call.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer
from importer.config import loader as configuration
from importer.core.errors import ConfigError, StateError
from importer.pipeline.ledger import Ledger
from importer.storage import run_folder, state_folder
from importer.storage.journal import Journal
from tests.support.nights import List, World, mapping, world

PEOPLE = [f"p{n}" for n in range(6)]
PLANS = ["a", "b", "c", ""]
NOTES = ["x", "y", ""]
AGES = ["1", "2", "bad", ""]


class Killed(BaseException):
    """Stands for `kill -9`: nothing of the run's own code catches it."""


def fold(rows: List, into: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What a destination holds after the list, by the contract: last value wins, before it is checked."""
    found = {id_: dict(current) for id_, current in into.items()}
    winners: dict[str, dict[str, str]] = {}
    for id_, plan, age, note in rows:
        current = winners.setdefault(id_, {})
        current |= {k: v for k, v in (("plan", plan), ("age", age)) if v} | {"note": note}
    for id_, current in winners.items():
        stored = found.setdefault(id_, {})
        if "plan" in current:
            stored["plan"] = current["plan"]
        if current.get("age", "bad") != "bad":
            stored["age"] = int(current["age"])
        stored.pop("note", None)
        if current["note"]:
            stored["note"] = current["note"]
    return {id_: current for id_, current in found.items() if current}


row = st.tuples(
    st.sampled_from(PEOPLE), st.sampled_from(PLANS), st.sampled_from(AGES), st.sampled_from(NOTES)
)
FAULTS: tuple[list[str], ...] = (
    [],
    ["500:0.3:times=0"],
    ["reset_after:0.3:times=0"],
    ["reset_before:0.4:times=0"],
    ["400:0.3:times=0"],
    ["quota@3-:times=0"],
    ["applied_too_high/2:times=0"],
)
night = st.tuples(
    st.lists(row, min_size=1, max_size=10),
    st.sampled_from(FAULTS),
    st.sampled_from(["run", "run", "full", "kill", "kill late", "kill unheard"]),
    st.sampled_from(["", "", "resume", "retry"]),
)


@contextmanager
def dying(how: str) -> Iterator[None]:
    """The run dies when the calls of its chunk are answered: right then, or after the snapshot has it.

    `kill unheard`: and no answer has come to its journal.
    """
    with pytest.MonkeyPatch.context() as patch:
        settle = Ledger.settle

        def die(self: Ledger, opened: Any) -> Any:
            if how == "kill late":
                settle(self, opened)
            raise Killed

        patch.setattr(Ledger, "settle", die)
        if how == "kill unheard":
            patch.setattr(Journal, "append", lambda *_: None)
        yield


def play(world: World, rows: List, faults: list[str], how: str, then: str) -> None:
    """One night, and what a person does afterwards."""
    world.faults(*faults)
    world.write(rows)
    with dying(how) if how.startswith("kill") else nullcontext(), suppress(Killed):
        world.night(full_refresh=how == "full")
    newest = state_folder.all_runs(world.state)[-1]
    state = run_folder.state_of(newest.read_meta(), newest.read_summary())
    if then == "resume" and state not in ("finished", "superseded"):
        world.faults()
        world.resume()
    if then == "retry" and state == "finished" and any(newest.rejected_rows.glob("*")):
        world.faults()
        importer.retry(world.state, newest.run_id)


def assert_settles(world: World, rows: List) -> None:
    """A night without faults brings everything; the next one makes no call."""
    world.faults()
    assert world.night(rows).values["unconfirmed"] == 0
    stored = fold(rows, {})
    for id_, current in stored.items():
        found = dict(world.server.stored.get(id_, {}))
        for key, value in current.items():
            assert found.get(key) == value, (id_, key, found, current)
    for id_ in {r[0] for r in rows}:
        assert ("note" in world.server.stored.get(id_, {})) == ("note" in stored.get(id_, {}))
    before = world.calls()
    summary = world.night()
    assert world.calls() == before
    assert summary.values["applied"] == 0


def test_any_sequence_of_nights(tmp_path_factory: pytest.TempPathFactory) -> None:
    examples = int(os.environ.get("IMPORTER_NIGHTS", "5"))

    @settings(max_examples=examples)
    @given(st.lists(night, min_size=1, max_size=4), st.lists(row, min_size=1, max_size=10))
    def holds(nights: list[Any], last: List) -> None:
        with world(tmp_path_factory.mktemp("nights")) as here:
            for rows, faults, how, then in nights:
                play(here, rows, faults, how, then)
            assert_settles(here, last)

    holds()


def test_nights_that_come_to_their_end_leave_the_fold_of_all_lists(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Killed at any moment and resumed each time: exactly the fold of every list so far, night by night."""
    examples = int(os.environ.get("IMPORTER_NIGHTS", "5"))
    ways = st.sampled_from(["run", "full", "kill", "kill late", "kill unheard"])

    @settings(max_examples=examples)
    @given(st.lists(st.tuples(st.lists(row, min_size=1, max_size=10), ways), min_size=1, max_size=4))
    def holds(nights: list[tuple[List, str]]) -> None:
        with world(tmp_path_factory.mktemp("folded")) as here:
            expected: dict[str, dict[str, Any]] = {}
            for rows, how in nights:
                play(here, rows, [], how, "resume")
                expected = fold(rows, expected)
                assert here.server.stored == expected
            before = here.calls()
            here.night()
            assert here.calls() == before

    holds()


def test_a_value_on_its_way_at_a_kill_is_due_whatever_the_list_says(tmp_path: Path) -> None:
    """v0 known, v1 killed after the destination took it, the list back at v0: v0 is sent."""
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")])
        play(here, [("p1", "b", "1", "x")], [], "kill unheard", "")
        assert here.server.stored["p1"]["plan"] == "b"
        summary = here.night([("p1", "a", "1", "x")])
        assert here.server.stored["p1"]["plan"] == "a"
        assert (summary.values["applied"], summary.values["unchanged"]) == (1, 2)


def test_only_what_differs_is_sent_and_the_books_say_so(tmp_path: Path) -> None:
    rows: List = [(f"p{n}", "a", str(n), "x") for n in range(20)]
    with world(tmp_path) as here:
        assert here.night(rows).people["called"] == 20
        rows[3] = ("p3", "b", "3", "x")
        rows.append(("p20", "c", "1", ""))
        summary = here.night(rows)
        assert summary.calls["sent"] == 3  # p3's plan; p20's values, and its clear
        assert summary.rows["unchanged"] == 19
        assert (summary.values["applied"], summary.values["unchanged"]) == (4, 59)
        assert (summary.people["called"], summary.people["unchanged"]) == (2, 19)
        assert summary.diff == {"new": 1, "changed": 1, "unchanged": 19, "gone": 0, "attributes": {"plan": 1}}
        assert summary.exit_code == 0


def test_check_shows_the_diff_and_sends_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x"), ("p2", "a", "2", "x")])
        here.write([("p1", "a", "5", "x"), ("p2", "a", "2", "x"), ("p3", "c", "3", "x")])
        before = here.calls()
        summary = importer.check(here.config(), (), importer.Options(state_dir=here.state))
        assert here.calls() == before
        assert summary.diff == {"new": 1, "changed": 1, "unchanged": 1, "gone": 0, "attributes": {"age": 1}}
        assert (summary.values["not_attempted"], summary.values["unchanged"]) == (4, 5)
        assert here.night().values["applied"] == 4


def test_a_cleared_value_is_not_cleared_again(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")])
        assert here.night([("p1", "a", "1", "")]).calls["sent"] == 1
        assert "note" not in here.server.stored["p1"]
        assert here.night().calls["sent"] == 0


def test_a_rejected_value_is_due_again_and_a_bad_one_brings_nothing_back(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.faults("400@1:times=0")
        here.night([("p1", "a", "1", "x"), ("p2", "b", "2", "x")])
        here.faults()
        assert here.night().people["called"] == 1
        assert here.night([("p1", "a", "bad", "x"), ("p2", "b", "2", "x")]).calls["sent"] == 0
        assert here.server.stored["p1"]["age"] == 1


@pytest.mark.parametrize(
    ("table", "changes", "due"),
    [
        ("plan", {"type": "free_text", "options": None}, {"plan": 2}),
        ("note", {"column": "plan"}, {"note": 2}),
        ("plan", {"options": ["a", "b", "c", "d"]}, {}),
        ("note", {"max_length": 100}, {}),
    ],
)
def test_a_change_of_mapping_or_type_makes_exactly_the_affected_attributes_due(
    tmp_path: Path, table: str, changes: dict[str, Any], due: dict[str, int]
) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x"), ("p2", "b", "2", "y")])
        attribute = {**here.config()["attributes"][table], **changes}
        here.changes = {"attributes": {table: {k: v for k, v in attribute.items() if v is not None}}}
        if "column" in changes:
            here.changes["source"] = {"ignore": [table]}
        summary = here.night()
        assert summary.diff is not None
        assert summary.diff["attributes"] == due
        assert here.night().calls["sent"] == 0


def test_full_sends_everything_and_renews_what_is_known(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x"), ("p2", "b", "2", "x")])
        here.server.stored["p1"]["plan"] = "c"  # somebody else writes too
        assert here.night().calls["sent"] == 0
        assert here.night(full_refresh=True).people["called"] == 2
        assert here.server.stored["p1"]["plan"] == "a"
        assert here.night().calls["sent"] == 0


def test_every_so_often_everything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with world(tmp_path) as here:
        here.changes = {"run": {"full_every": "7d"}}
        called = []
        for day in range(16):
            now = 1_800_000_000.0 + day * 86_400
            monkeypatch.setattr("importer.pipeline.open_snapshot.time.time", lambda now=now: now)
            called.append(here.night([("p1", "a", "1", "x"), ("p2", "b", "2", "x")]).people["called"])
        assert [day for day, people in enumerate(called) if people] == [0, 7, 14]


def test_a_run_without_the_flag_keeps_the_snapshot_true(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")])
        here.changes = {"run": {"changed_only": False}}
        assert here.night([("p1", "b", "1", "x")]).people["called"] == 1
        here.changes = {}
        assert here.night([("p1", "a", "1", "x")]).values["applied"] == 1
        assert here.server.stored["p1"]["plan"] == "a"


def test_what_cannot_be_compared_is_a_mistake_with_a_way_out(tmp_path: Path) -> None:
    data = mapping(tmp_path / "list.csv", "http://127.0.0.1:1")
    del data["destination"]["account"]
    with pytest.raises(ConfigError, match=r"destination\.account: missing"):
        configuration.parse(data)
    with world(tmp_path) as here, pytest.raises(ConfigError, match="--limit: not with changed_only"):
        here.night(limit=3)


def test_two_imports_that_write_the_same_attribute_to_one_account_are_refused(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")])
        other = {**here.config(), "name": "other", "run": {}}
        options = importer.Options(state_dir=here.state)
        with pytest.raises(ConfigError, match='"nights" writes plan, age, note to the same account'):
            importer.run(other, (), options)
        other["destination"]["account"] = "another"
        assert importer.run(other, (), options).exit_code == 0


def test_a_damaged_snapshot_is_never_read_as_known(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.night([("p1", "a", "1", "x")])
        (folder,) = (here.state / "snapshots").iterdir()
        for path in folder.glob("recent-*"):
            path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(StateError, match="the snapshot is damaged; delete this folder"):
            here.night()
        assert here.server.stored["p1"]["plan"] == "a"


def test_the_base_is_made_of_many_files_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importer.storage.snapshot.RECENT_PEOPLE", 10)
    monkeypatch.setattr("importer.storage.snapshot.GROUP_PEOPLE", 50)
    rows: List = [(f"p{n}", "abc"[n % 3], str(n), "x") for n in range(300)]
    with world(tmp_path) as here:
        here.night(rows)
        assert len(list((here.state / "snapshots").glob("*/base-*"))) == 8
        for night_ in range(4):  # few changes: recent; then many: a new base
            for n in range(0, 300, 100 if night_ < 3 else 2):
                rows[n] = (f"p{n}", "abc"[(n + night_ + 1) % 3], str(n), "x")
            assert here.night(rows).people["called"] == (3 if night_ < 3 else 150)
            assert here.night().calls["sent"] == 0
        assert {id_: current["plan"] for id_, current in here.server.stored.items()} == {
            r[0]: r[1] for r in rows
        }
