"""The command line and each destination over real sockets, beside the oracle: a plain reading of the list.

What else every destination has to keep is in `importer.testing`. A new destination needs no line here: its
example in `config/` names the columns of the sample list, and the lists below are made of those.
"""

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer import destinations
from importer.config import loader as configuration
from importer.config.schema import Config
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.testing.values import bad, good, plain
from tests.support.examples import EXAMPLES, HEADER, KEY, KEY_NAME, as_oracle
from tests.support.oracle.program import Result, importer, toml
from tests.support.oracle.reading import Declared, Expected, expect, read

QUICK: dict[str, Any] = {
    "requests_per_second": 0,
    "connect_timeout": 2.0,
    "read_timeout": 1.0,
    "retry_wait": 0.01,
    "max_in_flight": 8,
}


@pytest.fixture(autouse=True)
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP client of a test: `fast`, where the test names no other."""
    monkeypatch.setitem(QUICK, "http_client", getattr(request, "param", "fast"))


ON_BOTH = [*((name, "fast") for name in EXAMPLES), ("vevee", "httpx"), ("attentive-bulk", "httpx")]
"""A client knows no destination. Two stand for all: one call a person, and jobs that are polled."""


def test_every_destination_has_an_example() -> None:
    assert {configuration.load(path).destination.type for path in EXAMPLES.values()} == set(
        destinations.names()
    )


# --- lists in the shape of the sample, by what the example declares


@dataclass(frozen=True)
class Example:
    """One example of `config/`, its attributes and the columns that name a person to the destination."""

    name: str
    data: Mapping[str, Any]

    @classmethod
    def load(cls, name: str) -> "Example":
        data = tomllib.loads(EXAMPLES[name].read_text("utf-8"))
        kept = {k: a for k, a in data["attributes"].items() if a.get("operation", "set") == "set"}
        dropped = [a.get("column", k) for k, a in data["attributes"].items() if k not in kept]
        source = data["source"] | {"ignore": [*data["source"].get("ignore", ()), *dropped]}
        destination = data["destination"] | QUICK | {"api_key": f"env:{KEY_NAME}"}
        return cls(
            name, {**data, "attributes": kept, "source": source, "destination": destination | quick(name)}
        )

    @property
    def attributes(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(self.data["attributes"])

    @property
    def declared(self) -> Declared:
        attributes = tuple(as_oracle(key, a) for key, a in self.attributes.items())
        return Declared(self.data["identity"]["column"], attributes)

    def row(self, person: str, number: int) -> dict[str, str]:
        """A row in which everything is good."""
        row = dict.fromkeys(HEADER, "")
        for key, a in self.attributes.items():
            row[a.get("column", key)] = good(a, number)
        named = {"email": f"p{number}@example.com", "phone": f"+1202555{number:04}"}
        return row | named | {self.declared.id_column: person}

    def text(self, source: Path, url: str) -> str:
        tables = {**self.data, "source": self.data["source"] | {"path": str(source)}}
        tables["destination"] = tables["destination"] | {"base_url": url}
        name = tables.pop("name")
        keyed = {f"attributes.{json.dumps(k)}": a for k, a in tables.pop("attributes").items()}
        lines = [f"name = {toml(name)}"]
        for title, table in (tables | keyed).items():
            lines += ["", f"[{title}]", *(f"{k} = {toml(v)}" for k, v in table.items())]
        return "\n".join(lines) + "\n"


def quick(name: str) -> dict[str, Any]:
    """What an example's destination waits for, made short; calls of two people where that is a setting."""
    kind = configuration.load(EXAMPLES[name]).build_destination()
    changes = {"poll_seconds": 0.05, "people_per_call": 2}
    return {key: value for key, value in changes.items() if key in type(kind.settings).model_fields}


@dataclass
class Stage:
    """A list, its configuration and the server it goes to."""

    folder: Path
    example: Example
    server: SandboxServer
    config: Config

    def write(self, rows: Sequence[Mapping[str, str]]) -> Expected:
        """Writes the list and returns what a plain reading makes of it."""
        source = self.folder / "list.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, HEADER)
            lines.writeheader()
            lines.writerows(rows)
        return expect(read(source)[1], self.example.declared)

    def run(self, *words: object, key: str = KEY) -> Result:
        flags = words or ("run", self.folder / "import.toml", "--run-id", "r")
        return importer(*flags, cwd=self.folder, env={KEY_NAME: key})

    def plain(self, stored: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, object]]:
        """Stored or expected values in one form: destinations differ in how they write a type."""
        attributes = self.example.attributes
        return {
            p: {k: plain(attributes[k], v) for k, v in current.items()}
            for p, current in stored.items()
            if current
        }

    def assert_stored(self, expected: Expected) -> None:
        assert self.plain(self.server.stored) == self.plain(expected.stored)


@contextmanager
def stage(folder: Path, name: str, **options: Any) -> Iterator[Stage]:
    example, config = Example.load(name), folder / "import.toml"
    config.write_text(example.text(folder / "list.csv", "http://127.0.0.1:1"), "utf-8")
    loaded = configuration.load(config)
    with sandbox.running(loaded, SandboxOptions(**options), KEY) as server:
        config.write_text(example.text(folder / "list.csv", server.url), "utf-8")
        yield Stage(folder, example, server, configuration.load(config))


IDS = ("000123", "9007199254740993001", "päivi-🎂", "名前 9", "a/b?c=d&e#f%20", "x" * 100)


@pytest.mark.parametrize(("name", "client"), ON_BOTH, indirect=["client"])
def test_a_list_arrives_whatever_the_ids_are(name: str, tmp_path: Path) -> None:
    with stage(tmp_path, name) as here:
        rows = [here.example.row(person, n) for n, person in enumerate(IDS)]
        rows += [here.example.row(f"p{n}", n) for n in range(20, 40)]
        twice = here.example.row("p21", 70) | {"email": rows[7]["email"], "phone": rows[7]["phone"]}
        expected = here.write([*rows, twice])
        assert here.run("check", here.folder / "import.toml").code == 0
        assert here.server.stats.requests == 0
        result = here.run()
        assert result.code == 0, result.err
        here.assert_stored(expected)
        summary = result.summary("r")
        assert (summary["people"]["called"], summary["rows"]["read"]) == (len(rows), len(rows) + 1)
        assert summary["values"] == expected.values
        assert summary["confirms"] == here.config.build_destination().confirms
        if here.config.build_destination().reads_back:
            back = here.run("verify", "r")
            assert (back.code, f"{len(rows)} people read back" in back.out) == (0, True), back.out + back.err


@pytest.mark.parametrize("name", EXAMPLES)
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_exactly_the_bad_values_are_rejected(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bad")
    with stage(folder, name) as here:
        rows = []
        for n in range(data.draw(st.integers(4, 20))):
            row = here.example.row(f"p{n}", n)
            for key, a in here.example.attributes.items():
                column, wrong = a.get("column", key), bad(a)
                choices = ["good", "good", "blank", *(["bad"] if wrong else [])]
                chosen = "good" if column in ("email", "phone") else data.draw(st.sampled_from(choices))
                row[column] = {"good": row[column], "blank": "", "bad": wrong or ""}[chosen]
            rows.append(row)
        expected = here.write(rows)
        result = here.run()
        assert result.code == bool(expected.rejects), result.err
        here.assert_stored(expected)
        found = {(int(r["row"]), r["attribute"], r["reason"]) for r in result.reject_lines("r")}
        assert found == {(r.row, r.attribute, r.reason) for r in expected.rejects}
        assert result.summary("r")["values"] == expected.values
