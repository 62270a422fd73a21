"""The columns that name a person to Attentive: which texts fit, and how the user object is written."""

import json
import re
from typing import Any

import pytest

from importer.destinations.attentive.identity import identity_fields, user_json
from importer.destinations.attentive.settings import User

EVERY_ONE = User(
    email="mail",
    phone="mobile",
    client_user_id="id",
    custom_identifiers={"loyalty": "card", "shop": "number"},
    phone_ignore=" ()-.",
)
FIELDS = tuple(identity_fields(EVERY_ONE))


def test_each_column_is_one_field_in_a_fixed_order() -> None:
    assert [(field.name, field.column) for field in FIELDS] == [
        ("phone", "mobile"),
        ("email", "mail"),
        ("client_user_id", "id"),
        ("loyalty", "card"),
        ("shop", "number"),
    ]


def test_a_column_that_is_not_configured_is_no_field() -> None:
    assert [field.name for field in identity_fields(User(email="mail"))] == ["email"]


def test_only_an_address_is_the_same_in_upper_case_and_only_a_number_has_characters_to_ignore() -> None:
    assert [field.name for field in FIELDS if field.fold_case] == ["email"]
    assert [(field.name, field.ignore) for field in FIELDS if field.ignore] == [("phone", " ()-.")]


def test_each_field_has_its_longest_text_and_says_what_is_expected() -> None:
    assert [(field.max_length, field.expected) for field in FIELDS] == [
        (16, "a phone number in E.164, such as +13115552368,"),
        (100, "an e-mail address"),
        *[(100, "an id of at most 100 characters")] * 3,
    ]


@pytest.mark.parametrize(
    ("field", "text", "fits"),
    [
        ("phone", "+13115552368", True),
        ("phone", "+1234567", True),
        ("phone", "+123456789012345", True),
        ("phone", "+1234567890123456", False),
        ("phone", "+123456", False),
        ("phone", "+0311555236", False),
        ("phone", "13115552368", False),
        ("email", "a@example.com", True),
        ("email", "ü@exämple.com", True),
        ("email", "a@localhost", False),
        ("email", "a@@example.com", False),
        ("email", "a@example.com,b@example.com", False),
        ("email", "a b@example.com", False),
        ("email", "Ann <a@example.com>", False),
        ("email", "a@example.", False),
        ("client_user_id", "0042 x", True),
        ("client_user_id", "a\tb", False),
        ("loyalty", "é", True),
        ("loyalty", "", False),
    ],
)
def test_a_text_fits_as_the_vendor_documents_it(field: str, text: str, fits: bool) -> None:
    pattern = next(one.pattern for one in FIELDS if one.name == field)
    assert (re.fullmatch(pattern, text) is not None) == fits


TEXTS = ("+13115552368", "ü@example.com", "42", "L7", "S9")
CONTACT: dict[str, Any] = {"phone": "+13115552368", "email": "ü@example.com"}


def test_a_single_call_has_its_ids_under_external_identifiers() -> None:
    text = user_json(FIELDS, TEXTS)
    assert json.loads(text) == {
        **CONTACT,
        "externalIdentifiers": {
            "clientUserId": "42",
            "customIdentifiers": [
                {"name": "loyalty", "value": "L7"},
                {"name": "shop", "value": "S9"},
            ],
        },
    }
    assert text.startswith('{"phone":"+13115552368","email":"ü@example.com",')


def test_a_bulk_record_has_its_ids_beside_the_address_and_calls_their_names_keys() -> None:
    assert json.loads(user_json(FIELDS, TEXTS, bulk=True)) == {
        **CONTACT,
        "clientUserId": "42",
        "customIdentifiers": [{"key": "loyalty", "value": "L7"}, {"key": "shop", "value": "S9"}],
    }


@pytest.mark.parametrize("bulk", [False, True])
def test_a_blank_text_is_left_out(bulk: bool) -> None:
    assert user_json(FIELDS, ("", "a@example.com", "", "", ""), bulk=bulk) == '{"email":"a@example.com"}'


def test_a_field_without_its_text_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="shorter"):
        user_json(FIELDS, ("+13115552368",))


def test_ids_of_shops_stand_in_a_bulk_record_only() -> None:
    fields = tuple(identity_fields(User(email="mail", shopify_id="shop", klaviyo_id="k")))
    texts = ("a@example.com", "345678901", "a1b2")
    assert json.loads(user_json(fields, texts, bulk=True)) == {
        "email": "a@example.com",
        "shopifyId": "345678901",
        "klaviyoId": "a1b2",
    }
    assert json.loads(user_json(fields, texts)) == {"email": "a@example.com"}
