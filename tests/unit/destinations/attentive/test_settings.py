"""Attentive's keys under `[destination]`: what they are unless set, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from importer.destinations.attentive.settings import Settings, User


def test_one_person_a_call_is_the_first_value() -> None:
    found = Settings(user=User(email="mail"))
    assert (found.mode, found.poll_seconds, found.job_deadline) == ("single", 30.0, 72_000.0)
    assert (found.user.phone, found.user.custom_identifiers, found.user.phone_ignore) == (None, {}, "")


@pytest.mark.parametrize(
    "user", [{"email": "a"}, {"phone": "a"}, {"client_user_id": "a"}, {"custom_identifiers": {"x": "a"}}]
)
def test_one_column_that_names_a_person_is_enough(user: dict[str, Any]) -> None:
    assert User.model_validate(user).model_dump(exclude_defaults=True) == user


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        (
            {},
            "expected at least one of email, phone, client_user_id, shopify_id, klaviyo_id and",
        ),
        ({"phone_ignore": " "}, "expected at least one of email, phone"),
        (
            {"phone": "a", "phone_ignore": "(0)"},
            "phone_ignore: expected characters that are no part of a number",
        ),
        (
            {"phone": "a", "phone_ignore": "+"},
            "phone_ignore: expected characters that are no part of a number",
        ),
        ({"email": ""}, "at least 1 character"),
        ({"email": "a", "fax": "b"}, "Extra inputs are not permitted"),
    ],
)
def test_what_names_nobody_or_is_unknown_is_refused(user: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        User.model_validate(user)


def test_durations_have_units_and_another_mode_is_refused() -> None:
    found = Settings.model_validate({"user": {"email": "a"}, "poll_seconds": "2m", "job_deadline": "1h"})
    assert (found.poll_seconds, found.job_deadline) == (120.0, 3600.0)
    with pytest.raises(ValidationError, match="'single' or 'bulk'"):
        Settings.model_validate({"user": {"email": "a"}, "mode": "both"})
