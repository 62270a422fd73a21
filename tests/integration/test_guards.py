"""Each guard: tripped before (or within a few calls of) the first harm, and the way on."""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import pytest

import importer
from importer.cli import main
from importer.config import loader as configuration
from importer.config import schema
from importer.core.errors import ConfigError, SourceError
from importer.core.guard_names import GUARD_NAMES
from importer.core.models import RunSummary
from importer.pipeline import guards
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.source import object_store, version
from importer.validate.read_result import ReadSource
from importer.validate.validator import Validator

KEY = "sk_test_guards"


@dataclass
class Night:
    """One import in a folder of its own, with a sandbox to write to."""

    folder: Path
    url: str
    server: sandbox.SandboxServer
    mapping: dict[str, Any]

    def write(self, rows: int, line: Callable[[int], str] = lambda n: f"p{n},pro,m{n}@x.org,math") -> None:
        lines = "".join(f"{line(n)}\n" for n in range(rows))
        (self.folder / "list.csv").write_text("id,plan,email,topics\n" + lines)

    def guard(self, **keys: Any) -> None:
        self.mapping["guards"] = keys

    def options(self, **changes: Any) -> importer.Options:
        return importer.Options(state_dir=self.folder / "state", base_url=self.url, **changes)

    def run(self, **changes: Any) -> RunSummary:
        return importer.run(self.mapping, (), self.options(**changes))

    def go_on(self, summary: RunSummary, *allow: str) -> RunSummary:
        return importer.resume(self.folder / "state", summary.run_id, importer.Options(allow=allow))

    def calls(self) -> int:
        return self.server.stats.requests


@pytest.fixture(scope="module")
def server() -> Iterator[sandbox.SandboxServer]:
    declared = configuration.parse(mapping_of(Path()))
    with sandbox.running(declared, SandboxOptions(), KEY) as running:
        yield running


@pytest.fixture
def night(server: sandbox.SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.setenv("GUARDS_KEY", KEY)
    server.change(SandboxOptions())
    night = Night(tmp_path, server.url, server, mapping_of(tmp_path))
    night.write(40)
    return night


def mapping_of(folder: Path) -> dict[str, Any]:
    choice = {"options": ["pro", "free"]}
    return {
        "name": "nightly",
        "source": {"path": str(folder / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:GUARDS_KEY", "requests_per_second": 5000},
        "attributes": {
            "plan": {"type": "single_choice", **choice},
            "email": {"type": "free_text"},
            "topics": {"type": "multi_choice", "options": ["math", "art"]},
        },
    }


def too_old(night: Night) -> None:
    night.guard(max_age="26h")
    then = time.time() - 27 * 3600
    os.utime(night.folder / "list.csv", (then, then))


def too_short(night: Night) -> None:
    night.guard(min_rows=100)


def shrunk(night: Night) -> None:
    night.guard(max_row_change="30%")
    assert night.run().exit_code == 0
    night.write(20)


def grown(night: Night) -> None:
    night.guard(max_row_change="30%")
    assert night.run().exit_code == 0
    night.write(80)


def blank(night: Night) -> None:
    night.guard(max_blank_change="10%")
    assert night.run().exit_code == 0
    night.write(40, lambda n: f"p{n},pro,{'' if n % 5 < 2 else 'm@x.org'},math")


def blank_where_cleared(night: Night) -> None:
    night.mapping["attributes"]["email"]["blank"] = "clear"
    blank(night)


def unknown_choice(night: Night) -> None:
    night.guard(max_unknown_options="5%")
    night.write(40, lambda n: f"p{n},{'premium' if n % 10 == 0 else 'pro'},m@x.org,math")


def unknown_where_custom(night: Night) -> None:
    night.mapping["attributes"]["plan"]["allow_custom"] = True
    unknown_choice(night)


def unknown_topics(night: Night) -> None:
    night.guard(max_unknown_options="5%")
    night.write(40, lambda n: f"p{n},pro,m@x.org,{'math|chess' if n % 10 == 0 else 'math'}")


TRIPS: dict[Callable[[Night], None], tuple[str, str]] = {
    too_old: ("max_age", r"1 d 3 h ago; at most 1 d 2 h"),
    too_short: ("min_rows", r"40 rows where at least 100"),
    shrunk: ("max_row_change", r"20 rows where run \S+ had 40; at most 30%"),
    grown: ("max_row_change", r"80 rows where run \S+ had 40"),
    blank: ("max_blank_change", r"email is 40.0% blank where run \S+ had 0.0%; at most 10 points"),
    blank_where_cleared: ("max_blank_change", r"email is 40.0% blank"),
    unknown_choice: ("max_unknown_options", r"10.0% of the values of plan"),
    unknown_where_custom: ("max_unknown_options", r"10.0% of the values of plan"),
    unknown_topics: ("max_unknown_options", r"10.0% of the values of topics"),
}


@pytest.mark.parametrize("prepare", TRIPS, ids=lambda prepare: prepare.__name__)
def test_a_guard_trips_before_the_first_call_and_shows_the_way_on(
    prepare: Callable[[Night], None], night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    name, said = TRIPS[prepare]
    prepare(night)
    before = night.calls()
    stopped = night.run(run_id="tonight")
    assert (stopped.state, stopped.exit_code, tuple(stopped.guards)) == ("stopped", 6, (name,))
    assert re.search(said, stopped.message), stopped.message
    assert night.calls() == before
    again = night.go_on(stopped)
    assert (again.exit_code, night.calls()) == (6, before), "only --allow goes on"
    capsys.readouterr()
    assert main.main(["report", "tonight", "--state-dir", str(night.folder / "state")]) == 0
    way = capsys.readouterr().out.strip().splitlines()[-1]
    words = way.partition("importer resume")[2].split()
    assert main.main(["resume", *words, "--quiet"]) in (0, 1), way
    assert night.calls() > before


def test_what_was_allowed_is_the_measure_of_the_next_night(night: Night) -> None:
    shrunk(night)
    assert night.run().exit_code == 6
    assert night.run(allow=("max_row_change",)).exit_code == 0
    assert night.run().exit_code == 0


def test_a_night_that_was_stopped_is_no_measure(night: Night) -> None:
    night.guard(max_row_change="30%", min_rows=10)
    assert night.run().exit_code == 0
    night.write(5)
    assert set(night.run().guards) == {"min_rows", "max_row_change"}
    night.write(41)
    assert night.run().exit_code == 0


def test_part_of_a_list_is_no_measure(night: Night) -> None:
    night.guard(max_row_change="30%", min_rows=30)
    assert night.run().exit_code == 0
    assert night.run(limit=3).exit_code == 0
    assert night.run().exit_code == 0


def test_check_applies_them_too_and_remembers_nothing(night: Night) -> None:
    night.guard(min_rows=100)
    checked = importer.check(night.mapping, (), night.options())
    assert (checked.exit_code, tuple(checked.guards)) == (6, ("min_rows",))
    assert not (night.folder / "state" / "imports").exists()


def test_a_source_that_changes_while_it_is_read(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = Validator.validate

    def append(validator: Validator, batch: Any, source: int) -> Any:
        with (night.folder / "list.csv").open("a") as file:
            file.write("p999,pro,late@x.org,math\n")
        return validate(validator, batch, source)

    before = night.calls()
    monkeypatch.setattr(Validator, "validate", append)
    with pytest.raises(SourceError, match="changed while it was read"):
        night.run()
    assert night.calls() == before
    monkeypatch.undo()
    monkeypatch.setenv("GUARDS_KEY", KEY)
    assert night.run().exit_code == 0


def test_an_object_has_the_age_its_store_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    store = obstore.store.MemoryStore()
    obstore.put(store, "list.csv", b"id\n1\n")
    monkeypatch.setattr(object_store, "store_of", lambda url: (store, url.rpartition("/")[2]))
    first = version.version_of("s3://bucket/list.csv")
    assert first is not None
    assert abs(first.modified - time.time()) < 60
    assert version.version_of("s3://bucket/list.csv") == first
    obstore.put(store, "list.csv", b"id\n2\n")
    assert version.version_of("s3://bucket/list.csv") != first
    assert version.version_of("s3://bucket/none.csv") is None


def test_an_age_that_is_not_known_trips() -> None:
    opened = ReadSource("s3://bucket/list.csv", "csv", 1, None, b"", b"\n", None)
    assert list(guards._too_old([opened], 1.0, time.time())) == [
        "the age of s3://bucket/list.csv is not known"
    ]


# ------------------------------------------------------------------- while sending


def test_a_canary_that_is_refused_as_a_whole_spares_the_rest(night: Night) -> None:
    night.guard(canary=5)
    refused = faults.parse_fault("400:times=0")
    night.server.change(SandboxOptions(faults=(refused,)))
    before = night.calls()
    stopped = night.run()
    assert (stopped.exit_code, tuple(stopped.guards)) == (6, ("canary",)), stopped
    assert "none of the first" in stopped.message
    assert night.calls() - before == 5
    assert night.go_on(stopped).exit_code == 6
    assert night.calls() - before == 5
    night.server.change(SandboxOptions())
    done = night.go_on(stopped, "canary")
    assert done.state == "finished"
    assert (done.people["called"], done.rows["applied"], done.rows["rejected"]) == (40, 35, 5)


def test_a_canary_is_judged_by_the_reject_limit_too(night: Night) -> None:
    night.guard(canary=5)
    night.server.change(SandboxOptions(undefined=frozenset({"plan"})))
    before = night.calls()
    stopped = night.run(max_rejects=importer.RejectLimit(percent=2))
    assert (stopped.exit_code, tuple(stopped.guards)) == (6, ("canary",))
    assert night.calls() - before <= 5


def test_a_canary_that_is_well_costs_nothing(night: Night) -> None:
    night.guard(canary=5)
    before = night.calls()
    summary = night.run()
    assert (summary.exit_code, summary.calls["sent"], night.calls() - before) == (0, 40, 40)
    assert (summary.people["called"], summary.values["applied"]) == (40, 120)


@pytest.mark.parametrize("size", [39, 40, 41, 1000])
def test_a_canary_as_large_as_the_list(night: Night, size: int) -> None:
    night.guard(canary=size)
    summary = night.run()
    assert (summary.exit_code, summary.calls["sent"], summary.values["applied"]) == (0, 40, 120)


def test_the_reject_limit_stops_within_a_few_calls(night: Night) -> None:
    night.write(400)
    night.server.change(SandboxOptions(undefined=frozenset({"plan"})))
    before = night.calls()
    stopped = night.run(max_rejects=importer.RejectLimit(count=3), rate=200)
    assert stopped.exit_code == 6
    assert night.calls() - before <= 4 + 8


# ------------------------------------------------------------------- the configuration


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max_row_change", 30, "like"),
        ("max_row_change", "thirty", "like"),
        ("max_age", "yesterday", "number"),
        ("min_rows", 0, "expected at least 1"),
        ("canary", 0, "expected at least 1"),
        ("max_rows", 10, "unknown key"),
    ],
)
def test_mistakes_in_the_table_are_named(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"guards\.{key}: .*{said}"):
        configuration.parse(mapping_of(Path()) | {"guards": {key: value}})


def test_a_run_keeps_its_guards() -> None:
    keys = {"max_age": "26h", "max_row_change": "33.5%", "canary": 100}
    config = configuration.parse(mapping_of(Path()) | {"guards": keys})
    assert configuration.parse(config.as_mapping()).guards == config.guards


def test_every_guard_can_be_allowed() -> None:
    assert set(GUARD_NAMES) == {*schema.GuardsConfig.model_fields, "strict", "max_gone"}


def test_unknown_options_are_a_share_of_the_whole_list_where_only_changed_rows_are_looked_at(
    night: Night,
) -> None:
    """Without custom options no unchanged row has an unknown one."""
    night.mapping["run"] = {"changed_only": True}
    night.mapping["destination"]["account"] = "guards"
    night.guard(max_unknown_options="30%")
    assert night.run().exit_code == 0
    night.write(40, lambda n: f"p{n},{'premium' if n < 10 else 'pro'},m{n}@x.org,math")
    quarter = night.run()
    assert (quarter.exit_code, quarter.values["rejected"], quarter.rows["unchanged"]) == (1, 10, 30)
    night.write(40, lambda n: f"p{n},{'premium' if n < 20 else 'pro'},m{n}@x.org,math")
    half = night.run()
    assert half.exit_code == 6
    assert "50.0% of the values of plan" in half.message


def test_custom_options_of_unchanged_rows_count_too(night: Night) -> None:
    night.mapping["run"] = {"changed_only": True}
    night.mapping["destination"]["account"] = "custom"
    night.mapping["attributes"]["plan"]["allow_custom"] = True
    night.write(40, lambda n: f"p{n},{'premium' if n < 20 else 'pro'},m{n}@x.org,math")
    with sandbox.running(configuration.parse(night.mapping), SandboxOptions(), KEY) as own:
        night.url = own.url
        assert night.run().exit_code == 0
        night.guard(max_unknown_options="30%")
        assert "50.0% of the values of plan" in night.run().message
