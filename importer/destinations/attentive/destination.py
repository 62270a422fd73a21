"""Attentive: custom attributes, one person a call, or up to 256 people a job (`mode = "bulk"`).

Sources, read 2026-11-22 (own words; what is not documented is a setting):
custom attributes  https://docs.attentive.com/reference/postcustomattributes   body, types, names, statuses
the vendor's OpenAPI of v1 and v2, snapshot 2026-08-22   user object, `GET /v1/me`, read-back, bulk
bulk attributes    https://docs.attentive.com/reference/postbulkuserattributes   256 people, 1 MiB a record
rate limits        https://docs.attentive.com/docs/api-rate-limits   150 a second, x-ratelimit headers
A refusal (400) has no documented body: neither the value at fault nor a reason is ever named.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, cast
from urllib.parse import quote

from importer.core.models import Answer, Call, Classification, Encoding, Update, Verdict
from importer.destinations import base
from importer.destinations.attentive import fields
from importer.destinations.attentive.bulk import (
    bulk_calls,
    classify_poll,
    classify_results,
    classify_submit,
    records_of,
)
from importer.destinations.attentive.endpoints import (
    BULK,
    CUSTOM,
    JOB,
    JOB_TAKES,
    ME,
    NAME_MAX,
    OK,
    RECORD_MAX,
    STOPS,
    USERS_MAX,
    stop,
    transient,
)
from importer.destinations.attentive.identity import identity_fields, user_json
from importer.destinations.attentive.key_check import classify_key_check
from importer.destinations.attentive.settings import Settings
from importer.destinations.attentive.single import classify_person_call, first_value_call, person_call
from importer.destinations.base import IdentityField, RateHint
from importer.destinations.responses import TRANSIENT_STATUS, json_of


class Destination(base.Destination):
    """Attentive custom attributes: a 200 confirms a whole call, the results of a job each record."""

    name = "attentive"
    confirms = "call"
    default_base_url = "https://api.attentivemobile.com"
    distinct_id_max = 100
    requests_per_second = 150
    clears = False
    fixes_types = True
    splits = True
    reads_back = True
    encoding = Encoding(datetime="%Y-%m-%dT%H:%M:%S", datetime_utc="%Y-%m-%dT%H:%M:%SZ", empty_list=False)
    settings_type: ClassVar[type[base.Settings]] = Settings

    def __init__(self, settings: base.Settings, definitions: Sequence[base.Definition]) -> None:
        super().__init__(settings, definitions)
        if self._own.mode == "bulk":
            self.confirms, self.people_per_call, self.requests_per_second = "job", USERS_MAX, 100
            self.polls_per_second, self.takes_fields, self.text_max = 100, True, RECORD_MAX
        self._standard = {d.key: d.field for d in definitions if d.field is not None}
        self._fields = tuple(identity_fields(self._own.user))

    @property
    def _own(self) -> Settings:
        return cast(Settings, self.settings)

    @property
    def job_deadline(self) -> float:
        """How long a job is polled, in seconds, as set."""
        return self._own.job_deadline

    @property
    def job_takes(self) -> float | None:
        """Typically up to 12 hours; the first 10,000 records of a day about 4."""
        return JOB_TAKES if self._own.mode == "bulk" else None

    def identity_fields(self) -> Sequence[IdentityField]:
        """Phone, e-mail, client user id, custom identifiers, as far as the configuration names a column."""
        return self._fields

    def problems(self) -> Iterable[str]:
        """Attentive takes scalars only, has no documented way to clear one, and one operation."""
        yield from fields.problems(self.definitions) if self.takes_fields else ()
        if self._own.mode == "single":
            for name in ("shopify_id", "klaviyo_id"):
                if getattr(self._own.user, name):
                    yield f'destination.user.{name}: attentive takes it only with mode = "bulk"'
        for d in self.definitions:
            place = f"attributes.{d.key}"
            if d.operation != "set":
                yield f'{place}.operation: attentive has "set" only'
            if d.blank == "clear":
                yield f'{place}.blank: attentive has no documented way to clear an attribute; take "skip"'
            if d.type == "multi_choice" and d.join is None:
                yield (
                    f"{place}.join: attentive refuses lists; declare what stands between options, such as "
                    'join = ", "'
                )
            if len(d.key) > NAME_MAX:
                yield f"{place}: longer than the {NAME_MAX} characters of an attribute's name"

    def key_problem(self, key: str) -> str | None:
        """No form of key is documented."""
        return None

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token, JSON both ways."""
        return {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def check_key(self) -> Call:
        """`GET /v1/me`."""
        return Call("GET", ME, b"", ())

    def calls(self, updates: Sequence[Update]) -> Sequence[Call]:
        """One call a person, or one job for all of them."""
        if self._own.mode == "bulk":
            records = [r for u in updates for r in records_of(u, self._user(u, bulk=True), self._standard)]
            return list(bulk_calls(records))
        return [person_call(self._user(u), u, part) for u in updates for part in u.parts]

    def _user(self, update: Update, *, bulk: bool = False) -> str:
        return user_json(self._fields, update.user, bulk=bulk)

    def first_value(self, update: Update) -> Call | None:
        """The value in a call of its own, in `bulk` mode too: a job may take hours.

        None where the person has no name that such a call knows.
        """
        user = self._user(update)
        return first_value_call(user, update.parts[0].members) if user != "{}" else None

    def classify(self, call: Call, answer: Answer) -> Classification:
        """By status; only a 2xx that is plainly an API's counts as success."""
        if call.path == ME:
            return classify_key_check(answer)
        if call.path == BULK:
            return classify_submit(call, answer, self._own.poll_seconds)
        if call.path.startswith(JOB):
            return classify_poll(call, answer)
        if call.path != CUSTOM:
            return classify_results(call, answer, self._own.poll_seconds)
        return classify_person_call(call, answer)

    def rate_hint(self, answer: Answer) -> RateHint | None:
        """`x-ratelimit-limit` is the limit of a second; where `-remaining` is 0, that second is used up."""
        limit, left = (_number(answer.headers.get(f"x-ratelimit-{n}", "")) for n in ("limit", "remaining"))
        if limit is None and left is None:
            return None
        return RateHint(limit or None, 0 if left == 0 else None, 1.0)

    def read_back(self, update: Update) -> Call | None:
        """By phone, else by e-mail; nobody else can be read."""
        for index, one in enumerate(self._fields):
            if one.name in ("phone", "email") and update.user[index]:
                text = quote(update.user[index], safe="")
                return Call("GET", f"{CUSTOM}?{one.name}={text}", b"", ())
        return None

    def shows(self, key: str) -> bool:
        """Custom attributes only."""
        return key not in self._standard

    def read(self, call: Call, answer: Answer) -> Mapping[str, Any] | Classification:
        """A list of name and value; every value comes back as text."""
        body = json_of(answer.body)
        if answer.status == OK and isinstance(body, list):
            named = [v for v in body if isinstance(v, dict) and isinstance(v.get("name"), str)]
            return {v["name"]: v.get("value") for v in named}
        if answer.status in STOPS:
            return stop(answer)
        if answer.status in TRANSIENT_STATUS:
            return transient(answer)
        return Classification(Verdict.REFUSED, reason=f"http_{answer.status}", message="not readable")

    def is_stored(self, sent: Any, stored: Any) -> bool:
        """What is read back is text, whatever was sent."""
        if not isinstance(stored, str):
            return False
        if isinstance(sent, bool):
            return stored.lower() == str(sent).lower()
        if isinstance(sent, str):
            return sent == stored
        try:
            return Decimal(stored) == Decimal(str(sent))
        except InvalidOperation:
            return False


def _number(text: str) -> int | None:
    """None for what is no number of a limit; Python refuses to read thousands of digits as one."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


DESTINATION = Destination
