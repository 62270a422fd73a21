"""Attentive's standard fields: how they stand in a record."""

import json

import pytest

from importer.core.models import member_value
from importer.destinations.attentive.fields import FIELDS, nested, problems
from importer.destinations.base import Definition


def test_fields_of_a_group_stand_in_one_object() -> None:
    values = {
        "location.city": '"Bern"',
        "firstName": '"Ann"',
        "location.zip": '"3011"',
        "demographic.age": "41",
    }
    assert json.loads("{" + ",".join(nested(values)) + "}") == {
        "location": {"city": "Bern", "zip": "3011"},
        "firstName": "Ann",
        "demographic": {"age": 41},
    }


@pytest.mark.parametrize("key", ["plain", 'with "quotes": and colon', "naïve", "a\\b"])
def test_the_value_of_a_member_is_found_whatever_its_key_holds(key: str) -> None:
    member = f"{json.dumps(key, ensure_ascii=False)}:{json.dumps({'x': 1})}"
    assert json.loads(member_value(key, member)) == {"x": 1}


def test_every_field_takes_a_type_and_has_no_problem_then() -> None:
    definitions = [
        Definition(f"k{n}", types[0], field=name) for n, (name, types) in enumerate(FIELDS.items())
    ]
    assert list(problems(definitions)) == []
