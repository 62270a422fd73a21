"""Bodies as JSON structures with placeholders: what they become, and how they are read again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.destinations.http.template import (
    ATTRIBUTES,
    DISTINCT_ID,
    PEOPLE,
    compiled,
    neighbours,
    problems,
    read,
)

PERSON = [DISTINCT_ID, ATTRIBUTES]
NESTED = {"type": "person", "who": {"id": DISTINCT_ID}, "what": [ATTRIBUTES], "n": 1.5, "on": True}
BESIDE = {"external_id": DISTINCT_ID, "*": ATTRIBUTES}


def filled(structure: Any, person: str, values: dict[str, Any]) -> Any:
    members = json.dumps(values, ensure_ascii=False)[1:-1]
    holes = {DISTINCT_ID: json.dumps(person, ensure_ascii=False), ATTRIBUTES: members}
    return json.loads(compiled(structure).fill(holes))


def test_placeholders_become_the_id_and_the_attributes() -> None:
    assert filled(NESTED, "a", {"age": 4}) == {
        "type": "person",
        "who": {"id": "a"},
        "what": [{"age": 4}],
        "n": 1.5,
        "on": True,
    }
    assert filled(BESIDE, "a", {"age": 4, "plan": "x"}) == {"external_id": "a", "age": 4, "plan": "x"}


def test_people_are_a_list_also_at_the_top() -> None:
    assert json.loads(compiled({"all": PEOPLE}).fill({PEOPLE: "1,2"})) == {"all": [1, 2]}
    assert json.loads(compiled(PEOPLE).fill({PEOPLE: '{"a":1}'})) == [{"a": 1}]


TEXTS = st.text(st.characters(codec="utf-8"))


@given(TEXTS, st.dictionaries(TEXTS.filter(lambda k: k != "external_id"), TEXTS, min_size=1))
def test_any_text_is_data_and_never_part_of_the_structure(person: str, values: dict[str, str]) -> None:
    for structure in (NESTED, BESIDE):
        body = filled(structure, person, values)
        assert read(structure, body) == {DISTINCT_ID: person, ATTRIBUTES: values}


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        ({"id": DISTINCT_ID}, 'expected "{attributes}" once, found it 0 times'),
        (
            {"id": DISTINCT_ID, "also": DISTINCT_ID, "a": ATTRIBUTES},
            'expected "{distinct_id}" once, found it 2',
        ),
        ({"id": "user-{distinct_id}", "a": ATTRIBUTES}, "{distinct_id} stands alone as a whole text"),
        ({"id": DISTINCT_ID, "a": ATTRIBUTES, "b": "{email}"}, "{email} is none that is known here"),
        ({"id": DISTINCT_ID, "a": ATTRIBUTES, "*": "x"}, 'the member "*" takes "{attributes}" only'),
    ],
)
def test_a_wrong_structure_is_said(structure: Any, said: str) -> None:
    found = list(problems(structure, PERSON))
    assert any(one.startswith(said) for one in found), found


def test_a_right_structure_has_no_problems() -> None:
    assert [*problems(NESTED, PERSON), *problems(BESIDE, PERSON), *problems({"x": [PEOPLE]}, [PEOPLE])] == []


def test_the_names_beside_the_attributes_are_known() -> None:
    assert (neighbours({"deep": [BESIDE]}), neighbours(NESTED)) == ({"external_id"}, set())


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"type": "person"},
        {**filled(NESTED, "a", {"age": 4}), "more": 1},
        {**filled(NESTED, "a", {"age": 4}), "type": "other"},
        {**filled(NESTED, "a", {"age": 4}), "what": []},
    ],
)
def test_a_body_of_another_structure_is_not_read(body: Any) -> None:
    assert read(NESTED, body) is None
