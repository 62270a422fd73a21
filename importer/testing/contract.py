"""What every destination has to keep, over real sockets: its simulator is served, and lists are imported.

The lists are made of what an example configuration declares; the importer runs in this process.
"""

import csv
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from importer.config import loader
from importer.config.options import Options
from importer.core.models import RunSummary
from importer.destinations.base import IdentityField
from importer.pipeline import library
from importer.sandbox import server
from importer.sandbox.faults import parse_fault
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from importer.testing.values import bad, good, meant, plain

KEY_NAME = "IMPORTER_CONTRACT_KEY"
QUICK: Mapping[str, Any] = {
    "api_key": f"env:{KEY_NAME}",
    "requests_per_second": 0,
    "connect_timeout": 2.0,
    "read_timeout": 10.0,
    "retry_wait": 0.01,
    "max_in_flight": 8,
}
"""What replaces keys of the example, so that the tests take little time."""

IDS = ("000123", "9007199254740993001", "päivi-🎂", "名前 9", "a/b?c=d&e#f%20", "x" * 100)
FAULTS = ("429/5 503/7 500/11", "truncate/5 html/7 wrong_json/11", "reset_after/5 reset_before/7 hang@3")
PEOPLE = 12

Rows = Sequence[Mapping[str, str]]


@dataclass
class Stage:
    """An example configuration, a folder for its lists, and the simulator that its calls go to."""

    folder: Path
    data: Mapping[str, Any]
    server: SandboxServer
    key: str

    @property
    def attributes(self) -> Mapping[str, Mapping[str, Any]]:
        """The declared attributes that are set; one that is added to, say, has no single right value."""
        return self.data["attributes"]  # type: ignore[no-any-return]

    def column(self, key: str) -> str:
        """The column of an attribute."""
        return str(self.attributes[key].get("column", key))

    def row(self, person: str, number: int, fields: Sequence[IdentityField]) -> dict[str, str]:
        """A row in which everything is good."""
        named = {one.column: _identity(one, number) for one in fields}
        values = {self.column(key): good(a, number) for key, a in self.attributes.items()}
        return {**values, **named, self.data["identity"]["column"]: person}

    def run(self, rows: Rows, key: str | None = None, run_id: str = "r") -> RunSummary:
        """Imports these rows with a key, by default the right one."""
        path = self.folder / f"{run_id}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, list(rows[0]))
            lines.writeheader()
            lines.writerows(rows)
        options = Options(state_dir=self.folder / "state", run_id=run_id, base_url=self.server.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(KEY_NAME, key or self.key)
            return library.run(self.data, str(path), options)

    def stored(self) -> dict[str, dict[str, object]]:
        """What the simulator holds, in one form; people without a value left out."""
        found = self.server.stored.items()
        return {p: {k: plain(self.attributes[k], v) for k, v in now.items()} for p, now in found if now}

    def expected(self, rows: Rows, rejected: frozenset[tuple[str, str]] = frozenset()) -> dict[str, Any]:
        """What has to be stored after `rows`: the last value of each attribute that is not blank or bad."""
        found: dict[str, dict[str, object]] = {}
        for row in rows:
            person = row[self.data["identity"]["column"]]
            for key, a in self.attributes.items():
                if row[self.column(key)] and (person, key) not in rejected:
                    found.setdefault(person, {})[key] = meant(a, row[self.column(key)])
        return found


def _identity(field: IdentityField, number: int) -> str:
    """A text by which the destination knows a person."""
    return {"email": f"p{number}@example.com", "phone": f"+1202555{number:04}"}.get(
        field.name, str(number + 1)
    )


class DestinationContract:
    """Subclass it in a test module, with a fixture `example` that returns an example configuration's path."""

    key = "sk_contract:secret"
    """A key as the destination expects it; the simulator takes this one."""
    wrong_key = "sk_revoked:secret"
    """Another one of the same form."""
    changes: Mapping[str, Any] = {"poll_seconds": 0.05, "people_per_call": 2}
    """Settings to replace, as far as the destination has them, so that a run takes several calls at once."""

    @pytest.fixture
    def example(self) -> Path:
        """The example; a subclass replaces this fixture."""
        raise NotImplementedError("a subclass has a fixture `example`: the path of an example configuration")

    @contextmanager
    def staged(self, folder: Path, example: Path, *faults: str) -> Iterator[Stage]:
        """The simulator of the example, with faults as `importer sandbox --fail` takes them."""
        data = _quick(example, self.changes)
        if any(fault.startswith("hang") for fault in faults):
            data["destination"]["read_timeout"] = 1.0
        options = SandboxOptions(faults=tuple(map(parse_fault, faults)))
        with server.running(loader.parse(data), options, self.key) as served:
            yield Stage(folder, data, served, self.key)

    def rows(self, stage: Stage, people: Sequence[str], first: int = 0) -> list[dict[str, str]]:
        """Good rows, one a person, numbered from `first`."""
        fields = loader.parse(stage.data).identity_fields
        return [stage.row(person, first + n, fields) for n, person in enumerate(people)]

    def some(self, stage: Stage) -> list[dict[str, str]]:
        """Good rows of a few people."""
        return self.rows(stage, [f"p{n}" for n in range(PEOPLE)])

    def test_a_list_arrives_whatever_the_ids_are(self, example: Path, tmp_path: Path) -> None:
        """Ids are text, and the last value of a person wins."""
        with self.staged(tmp_path, example) as stage:
            rows = [*self.rows(stage, IDS), *self.rows(stage, ["p1", "p2"], len(IDS))]
            twice = {**rows[-1], **{stage.column(k): good(a, 77) for k, a in stage.attributes.items()}}
            named = {one.column for one in loader.parse(stage.data).identity_fields}
            rows.append({**twice, **{column: rows[-1][column] for column in named}})
            summary = stage.run(rows)
            assert (summary.exit_code, summary.message) == (0, "")
            assert stage.stored() == stage.expected(rows)
            assert summary.people["called"] == len(rows) - 1

    def test_a_long_text_arrives(self, example: Path, tmp_path: Path) -> None:
        """Texts are not cut, and what is not ASCII counts in characters."""
        with self.staged(tmp_path, example) as stage:
            named = {one.column for one in loader.parse(stage.data).identity_fields}
            [row] = self.rows(stage, ["p1"])
            for key, a in stage.attributes.items():
                if a["type"] == "free_text" and stage.column(key) not in named:
                    row[stage.column(key)] = "ä" * a.get("max_length", 20_000)
            assert stage.run([row]).exit_code == 0
            assert stage.stored() == stage.expected([row])

    def test_a_wrong_key_costs_one_call(self, example: Path, tmp_path: Path) -> None:
        """A key that is refused ends the run with 4; with the right one it goes on."""
        with self.staged(tmp_path, example) as stage:
            rows = self.some(stage)
            summary = stage.run(rows, self.wrong_key)
            assert (summary.exit_code, stage.server.stats.requests, stage.stored()) == (4, 1, {})
            assert self.wrong_key not in summary.message
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(KEY_NAME, self.key)
                again = library.resume(stage.folder / "state", "r")
            assert (again.exit_code, stage.stored()) == (0, stage.expected(rows))

    @pytest.mark.parametrize("faults", FAULTS)
    def test_what_passes_leaves_no_trace(self, faults: str, example: Path, tmp_path: Path) -> None:
        """Throttling, a gateway's trouble, torn answers and lost connections are repeated, and no more."""
        with self.staged(tmp_path, example, *faults.split()) as stage:
            rows = self.some(stage)
            summary = stage.run(rows)
            assert (summary.exit_code, summary.message) == (0, "")
            assert stage.stored() == stage.expected(rows)
            # A machine that does much else may need a second for a good answer, too.
            assert summary.calls["retried"] >= sum(stage.server.stats.faults.values()) > 0

    def test_exactly_the_bad_values_are_rejected(self, example: Path, tmp_path: Path) -> None:
        """A bad value costs only itself, a blank one nothing."""
        with self.staged(tmp_path, example) as stage:
            named = {one.column for one in loader.parse(stage.data).identity_fields}
            rows, rejected = self.some(stage), set[tuple[str, str]]()
            for n, (row, (key, a)) in enumerate(
                (row, item) for row in rows[1::2] for item in stage.attributes.items()
            ):
                wrong = bad(a)
                if stage.column(key) in named or n % 3 == 0:
                    continue
                row[stage.column(key)] = (wrong or "") if n % 3 == 1 else ""
                if wrong and n % 3 == 1:
                    rejected.add((row[stage.data["identity"]["column"]], key))
            summary = stage.run(rows)
            assert summary.exit_code == bool(rejected)
            assert summary.values["rejected"] == len(rejected)
            assert stage.stored() == stage.expected(rows, frozenset(rejected))


def _quick(example: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The example as a mapping: attributes that are set, every column declared, short waits."""
    data = tomllib.loads(example.read_text("utf-8"))
    kept = {k: a for k, a in data["attributes"].items() if a.get("operation", "set") == "set"}
    kind = loader.load(example).build_destination()
    known = {key: value for key, value in changes.items() if key in type(kind.settings).model_fields}
    destination = data["destination"] | QUICK | known | {"base_url": data["destination"].get("base_url", "")}
    source = {key: value for key, value in data["source"].items() if key != "ignore"}
    return {**data, "attributes": kept, "destination": destination, "source": source}
