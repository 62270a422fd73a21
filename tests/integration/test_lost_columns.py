"""A lost column is not a success: where nearly all values of an attribute are refused, the run says so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader as configuration
from importer.errors import GuardError
from importer.sandbox import faults
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.validate.value_shapes import ValueShapes, shape_of

KEY = "sk_test_columns"


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("COLUMNS_KEY", KEY)
    return {
        "name": "columns",
        "source": {"path": str(tmp_path / "people.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:COLUMNS_KEY", "requests_per_second": 0},
        "attributes": {"city": {"type": "free_text"}, "joined": {"type": "date"}},
    }


@pytest.fixture
def server(mapping: dict[str, Any]) -> Iterator[sandbox.SandboxServer]:
    with sandbox.running(configuration.parse(mapping), SandboxOptions(), KEY) as running:
        yield running


@pytest.fixture
def options(server: sandbox.SandboxServer, state_dir: Path) -> importer.Options:
    return importer.Options(state_dir=state_dir, base_url=server.url)


def _write(folder: Path, *dates: str) -> None:
    rows = "".join(f"{n},Cork,{date}\n" for n, date in enumerate(dates))
    (folder / "people.csv").write_text(f"id,city,joined\n{rows}")


def test_a_lost_column_stops_before_the_first_call(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options, tmp_path: Path
) -> None:
    _write(tmp_path, *["20.05.2024"] * 24, "2024-05-20", *[""] * 30)
    for summary in (importer.check(mapping, options=options), importer.run(mapping, options=options)):
        assert (summary.exit_code, summary.guards) == (6, ("max_attribute_rejects",))
        assert "24 of 25 values of joined are rejected" in summary.message
        assert 'they look like "99.99.9999"; at most 95%' in summary.message
        with pytest.raises(GuardError):
            summary.raise_for_status()
    assert server.stats.requests == 0
    allowed = importer.resume(options.state_dir or "", options=importer.Options(allow=tuple(summary.guards)))
    assert (allowed.exit_code, allowed.values["rejected"], len(server.stored)) == (1, 24, 55)


@pytest.mark.parametrize(
    ("dates", "limit"),
    [
        (["20.05.2024"] * 19, "95%"),  # too few to tell
        (["20.05.2024"] * 19 + ["2024-05-20"], "95%"),  # exactly as many as may be
        (["20.05.2024"] * 40, "100%"),
    ],
)
def test_less_is_no_lost_column(
    dates: list[str], limit: str, mapping: dict[str, Any], options: importer.Options, tmp_path: Path
) -> None:
    mapping["guards"] = {"max_attribute_rejects": limit}
    _write(tmp_path, *dates)
    assert importer.run(mapping, options=options).exit_code == 1


def test_blank_cells_that_are_rejected_lose_no_column(
    mapping: dict[str, Any], options: importer.Options, tmp_path: Path
) -> None:
    mapping["attributes"]["joined"]["blank"] = "reject"
    _write(tmp_path, *[""] * 100, *["2024-05-20"] * 20)
    assert importer.run(mapping, options=options).exit_code == 1


def test_a_column_that_the_destination_refuses_is_said(
    mapping: dict[str, Any], server: sandbox.SandboxServer, options: importer.Options, tmp_path: Path
) -> None:
    server.change(SandboxOptions(undefined=frozenset({"joined"})))
    _write(tmp_path, *["2024-05-20"] * 30)
    summary = importer.run(mapping, options=options)
    assert (summary.state, summary.exit_code) == ("finished", 1)
    assert "The destination rejected 30 of 30 values of joined." in summary.message
    kept = importer.Options(
        state_dir=options.state_dir, base_url=server.url, max_rejects=importer.RejectLimit(count=30)
    )
    again = importer.run(mapping, options=kept)
    assert (again.exit_code, again.message) == (0, "")


@pytest.mark.parametrize("status", [404, 401, 301])
@pytest.mark.parametrize("people", [1, 4])
def test_a_run_whose_every_call_was_refused_for_the_request_ends_with_4(
    status: int,
    people: int,
    mapping: dict[str, Any],
    server: sandbox.SandboxServer,
    options: importer.Options,
    tmp_path: Path,
) -> None:
    _write(tmp_path, *["2024-05-20"] * people)
    server.change(SandboxOptions(faults=(faults.parse_fault(f"{status}@1-:times=0"),)))
    summary = importer.run(mapping, options=options)
    assert (summary.state, summary.exit_code) == ("stopped", 4)
    assert (summary.values["rejected"], summary.values["not_attempted"]) == (0, 2 * people)
    server.change(SandboxOptions())
    assert importer.resume(options.state_dir or "").exit_code == 0
    assert len(server.stored) == people


def test_shapes_hide_what_a_value_says() -> None:
    values = pl.Series(["Zoë Ängström-99", "20.05.2024", "x" * 100])
    assert shape_of(values).to_list() == ["Aaa Aaaaaaaa-99", "99.99.9999", "a" * 30]
    shapes = ValueShapes()
    frame = pl.DataFrame({"attribute": ["a", "a", "b"], "value": ["1x", "2y", "3"], "stage": ["check"] * 3})
    shapes.add(frame)
    shapes.add(frame.with_columns(stage=pl.lit("read")))
    assert (shapes.text("a"), shapes.text("b"), shapes.text("c")) == ('"9a"', '"9"', "")
