"""A preview shows every row of the first people, what becomes of each cell, and the requests of a run."""

from pathlib import Path
from typing import Any

import pytest

from importer.commands.preview import preview
from importer.config import parse
from importer.config.options import Options

LIST = """\
id,plan,age,tags,note
u1,pro,7,a|x,first
u2,gold,,,
u1,free,,N/A,
,pro,1,a,nobody
u3,pro,9,a,later
"""


def shown(tmp_path: Path, people: int, content: str = LIST, **changes: Any) -> list[str]:
    (tmp_path / "list.csv").write_text(content)
    found: dict[str, Any] = {
        "name": "n",
        "source": {"path": str(tmp_path / "list.csv"), "null_values": ["", "N/A"]},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:NOT_NEEDED"},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "free"]},
            "age": {"type": "number"},
            "tags": {"type": "multi_choice", "options": ["a", "b"]},
            "note": {"type": "free_text", "blank": "clear"},
        },
    }
    found |= changes
    used = {*found["attributes"], *found["destination"].get("user", {}).values()}
    found["source"]["ignore"] = [name for name in ("plan", "age", "tags", "note") if name not in used]
    return list(preview(parse(found), (), Options(), people))


def test_every_cell_has_its_fate(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    assert shown(tmp_path, 2) == [
        '"u1"',
        f"  {path} row 1, line 2",
        '    plan  "pro"  superseded by another row of this person',
        '    age   "7" → 7',
        '    tags  "a|x" → ["a"]  without x, not declared',
        '    note  "first"  superseded by another row of this person',
        f"  {path} row 3, line 4",
        '    plan  "free" → "free"',
        "    age   blank, left alone",
        '    tags  "N/A", left alone',
        "    note  blank → the stored value is removed",
        "",
        '"u2"',
        f"  {path} row 2, line 3",
        ('    plan  "gold"  rejected: attribute_value_invalid, expected one of the options: "pro", "free"'),
        "    age   blank, left alone",
        "    tags  blank, left alone",
        "    note  blank → the stored value is removed",
        "",
        "requests, without the key",
        "  POST https://www.vevee.org/api/v1/attributes/values/batch",
        '  {"distinctId":"u1","attributes":{"plan":"free","age":7,"tags":["a"]}}',
        "  DELETE https://www.vevee.org/api/v1/attributes/values",
        '  {"distinctId":"u1","attribute":"note"}',
        "  DELETE https://www.vevee.org/api/v1/attributes/values",
        '  {"distinctId":"u2","attribute":"note"}',
    ]


def test_people_are_shown_in_the_order_of_the_list_and_no_more_than_asked_for(tmp_path: Path) -> None:
    assert [line for line in shown(tmp_path, 9) if line.startswith('"')] == ['"u1"', '"u2"', '"u3"']
    assert [line for line in shown(tmp_path, 1) if line.startswith('"')] == ['"u1"']


def test_an_id_that_is_resolved_first_is_a_placeholder(tmp_path: Path) -> None:
    destination = {"type": "engagelab", "api_key": "env:NOT_NEEDED"}
    lines = shown(tmp_path, 1, destination=destination, attributes={"age": {"type": "number"}})
    lines = lines[lines.index("") + 1 :]
    assert lines[0] == "requests that resolve the ids; RESOLVED_ID below stands for what they answer"
    assert '"u1"' in lines[2]
    assert '"euid":RESOLVED_ID' in lines[-1]


def test_a_person_whom_the_destination_could_not_tell_is_not_sent(tmp_path: Path) -> None:
    destination = {"type": "attentive", "api_key": "env:NOT_NEEDED", "user": {"email": "note"}}
    lines = shown(tmp_path, 1, destination=destination, attributes={"age": {"type": "number"}})
    assert '  rejected: identity_invalid, expected an e-mail address in column "note"' in lines
    assert lines[-2:] == ["requests, without the key", "  none"]


def test_a_list_without_people_says_so(tmp_path: Path) -> None:
    content = "id,plan,age,tags,note\n,pro,1,a,x\n"
    assert shown(tmp_path, 3, content) == ["preview: no row has a usable id"]


@pytest.mark.parametrize("people", [1, 3])
def test_no_cell_moves_the_cursor(people: int, tmp_path: Path) -> None:
    content = 'id,plan,age,tags,note\nu1,pro,,,"\x1b[2J\nx"\n'
    text = "\n".join(shown(tmp_path, people, content))
    assert "\x1b" not in text
    assert "\\u001b[2J" in text
