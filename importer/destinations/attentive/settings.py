"""Attentive's own keys under `[destination]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Field as Key

from importer.core.config_types import Duration
from importer.destinations import base


class User(BaseModel):
    """`[destination.user]`: the columns that name a person to Attentive; a person needs one of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    email: str | None = Key(default=None, min_length=1)
    phone: str | None = Key(default=None, min_length=1)
    client_user_id: str | None = Key(default=None, min_length=1)
    shopify_id: str | None = Key(default=None, min_length=1)
    klaviyo_id: str | None = Key(default=None, min_length=1)
    custom_identifiers: dict[str, str] = Key(default_factory=dict)
    phone_ignore: str = ""

    @model_validator(mode="after")
    def _name_a_person(self) -> "User":
        named = (self.email, self.phone, self.client_user_id, self.shopify_id, self.klaviyo_id)
        if not (any(named) or self.custom_identifiers):
            raise ValueError(
                "expected at least one of email, phone, client_user_id, shopify_id, klaviyo_id and "
                "custom_identifiers, each naming a column"
            )
        if any(c.isdigit() or c == "+" for c in self.phone_ignore):
            raise ValueError(
                'phone_ignore: expected characters that are no part of a number, such as " ()-."'
            )
        return self


class Settings(base.Settings):
    """Attentive's own keys.

    `poll_seconds` is the time before the first poll of a job; the intervals after it grow. `job_deadline` is
    how long one attempt of a run polls one job: the vendor takes some 12 hours for a large list.
    """

    mode: Literal["single", "bulk"] = "single"
    user: User
    poll_seconds: Duration = 30.0
    job_deadline: Duration = 20 * 3600.0
