"""A draft reads its list, declares every column, and is a configuration as it stands."""

import re
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from importer import destinations
from importer.commands.init import Wishes, draft
from importer.config import parse
from importer.core.errors import ConfigError, SourceError

CASE = """\
customer_id,E-Mail,plan,visits,born,vip,tags
1,a@example.com,pro,"1,034",2001-01-31,yes,x|y
2,b@example.com,free,600,2002-01-31,no,x
3,c@example.com,free,5000,2003-01-31,no,y
"""


def lines(tmp_path: Path, content: str | bytes, name: str = "people.csv", **wishes: Any) -> list[str]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(draft(str(path), Wishes(**wishes)))


def table(tmp_path: Path, content: str | bytes, name: str = "people.csv", **wishes: Any) -> dict[str, Any]:
    return tomllib.loads("\n".join(lines(tmp_path, content, name, **wishes)))


def test_a_draft_is_a_configuration(tmp_path: Path) -> None:
    found = table(tmp_path, CASE)
    config = parse(found)
    assert config.destination.type == "vevee"
    assert found["source"] == {"path": str(tmp_path / "people.csv"), "ignore": []}
    assert found["identity"] == {"column": "customer_id"}
    assert {key: a.type for key, a in config.attributes.items()} == {
        "E-Mail": "email",
        "plan": "free_text",
        "visits": "number",
        "born": "date",
        "vip": "boolean",
        "tags": "free_text",
    }


@pytest.mark.parametrize("destination", destinations.own_names())
def test_each_destination_takes_its_draft(destination: str, tmp_path: Path) -> None:
    content = CASE + "".join(f"{n},d{n}@example.com,pro,7,,,x|y\n" for n in range(4, 30))
    config = parse(table(tmp_path, content, destination=destination))
    assert config.destination.type == destination
    assert config.attributes["tags"].type == "multi_choice"


def test_the_columns_that_name_a_person_are_found(tmp_path: Path) -> None:
    found = table(tmp_path, CASE, destination="attentive")
    assert found["destination"]["user"] == {"client_user_id": "customer_id", "email": "E-Mail"}


def test_an_unknown_destination_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vevee"):
        lines(tmp_path, CASE, destination="veve")


def test_every_line_that_is_switched_off_can_be_switched_on(tmp_path: Path) -> None:
    """Each other way in place of the drafted one is a configuration too."""
    found = lines(tmp_path, CASE + "4,x@example.com,pro,1,,,\n" + "5,,,0,,,\n")
    starts = [n for n, line in enumerate(found) if line == "# or:"]
    assert starts
    for start in starts:
        end = next(n for n in range(start + 1, len(found) + 1) if not found[n : n + 1] or not found[n])
        title = max(n for n in range(start) if found[n].startswith("[attributes."))
        kept = [line for line in found[title + 1 : start] if line.startswith("column")]
        on = [line.removeprefix("# ") for line in found[start + 1 : end] if line != "# or:"]
        changed = [*found[: title + 1], *kept, *on, *found[end:]]
        parse(tomllib.loads("\n".join(changed)))


def test_at_vevee_a_comment_tells_properties_of_a_person_from_attributes(tmp_path: Path) -> None:
    def says_so(destination: str) -> bool:
        return "identify" in "\n".join(lines(tmp_path, CASE, destination=destination))

    assert says_so("vevee")
    assert not says_so("engagelab")


def test_the_id_may_be_named(tmp_path: Path) -> None:
    found = table(tmp_path, CASE, id_column="E-Mail")
    assert found["identity"] == {"column": "E-Mail"}
    assert found["attributes"]["customer_id"] == {"type": "free_text"}


def test_a_doubtful_id_is_asked_about(tmp_path: Path) -> None:
    assert "Is this the one?" in "\n".join(lines(tmp_path, "name,code\nAna,x1\nBo,x2\n"))
    assert "Is this the one?" not in "\n".join(lines(tmp_path, CASE))


LIKE = """\
name = "nightly"
[source]
path = "other.csv"
ignore = ["born", "gone"]
[identity]
column = "Customer ID"
trim = true
[destination]
type = "engagelab"
api_key = "env:KEY"
data_center = "virginia"
[guards]
min_rows = 2
[attributes.address]
column = "e_mail"
type = "free_text"
max_length = 99
[attributes.plan]
type = "single_choice"
options = ["pro", "free"]
[attributes.points]
type = "number"
"""


def test_a_draft_like_a_configuration_takes_over_what_that_says_of_the_columns(tmp_path: Path) -> None:
    like = tmp_path / "nightly.toml"
    like.write_text(LIKE)
    found = table(tmp_path, CASE, like=like)
    parse(found)
    assert found["name"] == "nightly"
    assert found["guards"] == {"min_rows": 2}
    assert found["source"] == {"path": str(tmp_path / "people.csv"), "ignore": ["born"]}
    assert found["identity"] == {"column": "customer_id", "trim": True}
    assert found["destination"] == {"type": "engagelab", "api_key": "env:KEY", "data_center": "virginia"}
    assert found["attributes"]["address"] == {"column": "E-Mail", "type": "free_text", "max_length": 99}
    assert found["attributes"]["plan"] == {"type": "single_choice", "options": ["pro", "free"]}
    assert found["attributes"]["visits"] == {"type": "number", "thousands": ","}
    assert list(found["attributes"]) == ["address", "plan", "visits", "vip", "tags"]
    assert lines(tmp_path, CASE, like=like)[-1] == "# Not in this list: points"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("people.csv", "people"),
        ("my list (2).csv.gz", "my-list-2"),
        ("_.csv", "customers"),
        ("ä.csv", "customers"),
        ("a" * 80 + ".csv", "a" * 64),
    ],
)
def test_the_import_is_named_after_the_file(name: str, expected: str, tmp_path: Path) -> None:
    import gzip

    content = b"id,a\n1,2\n"
    packed = gzip.compress(content) if name.endswith(".gz") else content
    assert table(tmp_path, packed, name)["name"] == expected


def test_names_of_any_kind_make_a_draft_that_is_read_back(tmp_path: Path) -> None:
    names = ["id", 'a"b', "c\\d", "é ü", "x.y", "1", "a\x7fb", "two\nlines", "x y", "!"]
    path = tmp_path / "list.parquet"
    pl.DataFrame({name: ["1", "2"] for name in names}).write_parquet(path)
    config = parse(tomllib.loads("\n".join(draft(str(path)))))
    assert list(config.columns.values()) == names[1:]


def test_a_file_name_cannot_end_the_comment(tmp_path: Path) -> None:
    found = lines(tmp_path, "id,a\n1,2\n", "a\nb.csv")
    assert found[0] == "# Drafted from a\\x0ab.csv: read it, correct it, then: importer check FILE"
    assert re.fullmatch(r'path = ".*a\\nb\.csv"', found[5])


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv"):
        list(draft(str(tmp_path / "none.csv")))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"people\.csv"):
        lines(tmp_path, "")


def test_what_was_guessed_is_said_beside_it(tmp_path: Path) -> None:
    rows = "".join(f"{n},Hélène,{n}.5\n" for n in range(1, 12))
    found = lines(tmp_path, f"id,name,sum\n{rows}Total,,66\n".encode("cp1252"))
    [encoding] = [line for line in found if line.startswith("encoding")]
    assert encoding.startswith('encoding = "cp1252"  # guessed: ')
    [footer] = [line for line in found if line.startswith("skip_footer")]
    assert footer.startswith("skip_footer = 1  # so many rows at the end look like a total or a note")
    model = tmp_path / "like.toml"
    model.write_text('[source]\nencoding = "latin-1"\n', "utf-8")
    assert 'encoding = "latin-1"' in lines(tmp_path, CASE, like=model)
