"""The tables of the reference are what the code says now."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from docs import generate
from docs.pictures import pictures
from importer.cli import arguments
from importer.config import schema
from importer.report import summary
from tests.docs.pages import DOCS, ROOT, title


@pytest.mark.parametrize("page", generate.pages(), ids=title)
def test_generated_tables_are_up_to_date(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generate.rendered(text) == text, "`python -m docs.generate` writes the tables again"


@pytest.mark.parametrize("chart", pictures(), ids=lambda path: path.name)
def test_charts_are_up_to_date(chart: Path) -> None:
    assert chart.read_text("utf-8") == pictures()[chart], "`python -m docs.generate` draws the charts again"


def test_every_table_stands_on_one_page() -> None:
    found = [name for page in generate.pages() for name in generate.names(page.read_text("utf-8"))]
    assert sorted(found) == sorted(generate.TABLES)


def test_an_empty_place_is_filled_and_the_text_around_it_stays() -> None:
    text = (
        "<!-- generated: identity -->\n\n<!-- end -->\n\nbetween\n\n<!-- generated: run -->\n<!-- end -->\n"
    )
    filled = generate.rendered(text)
    assert filled.count("| key |") == 2
    assert "<!-- end -->\n\nbetween\n\n<!-- generated: run -->" in filled


def test_every_section_of_the_configuration_has_a_table() -> None:
    sections = schema.Config.model_fields.keys() - {"name", "vendor", "path"}
    assert {
        re.sub("s$", "", name) if name == "attributes" else name for name in sections
    } <= generate.TABLES.keys()


def test_a_name_without_a_meaning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {**generate._meanings(), "identity": {"column": "The column"}}
    monkeypatch.setattr(generate, "_meanings", lambda: lacking)
    with pytest.raises(LookupError, match="trim"):
        generate.TABLES["identity"]()


def test_every_state_is_described() -> None:
    """The states table is written by hand: a state has a cell for each kind of thing that can be in it."""
    text = (DOCS / "reference" / "states.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    found = {row[0].strip("`"): row[1:] for row in rows}
    kinds = (summary.ROWS, summary.VALUES, summary.PEOPLE)
    assert found.keys() == {state for kind in kinds for state in kind} - {"read"}
    for state, cells in found.items():
        assert [bool(cell) for cell in cells] == [state in kind for kind in kinds], state


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    asked = [*project["project"]["dependencies"], *chain(*extras.values(), *groups.values())]
    names = {re.split(r"[^A-Za-z0-9._-]", d)[0] for d in asked if isinstance(d, str)}
    names.remove(project["project"]["name"])  # an extra that stands for others
    _, _, below = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Dependencies\n")
    rows = [line.split("|")[1] for line in below.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall("`([^`]+)`", row)} == names


def test_the_changelog_names_every_command_and_flag_that_was_renamed() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for old, new in arguments.RENAMED_COMMANDS.items():
        assert f"| command | `importer {old}` | `importer {new}` |" in text
    for old, new in arguments.RENAMED_FLAGS.items():
        assert f"| flag | `{old}` | `{new}` |" in text


def test_the_map_shows_the_packages_in_the_order_that_is_checked() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    shown = re.findall(
        r"^([a-z]+)  ", text.partition("## The map of the house")[2].partition("\n## ")[0], re.MULTILINE
    )
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    there = {path.parent.name for path in (ROOT / "importer").glob("*/__init__.py")}
    layers = [name.strip("()") for name in reversed(rules[0]["layers"])]
    assert shown == [name for name in layers if name in there]
