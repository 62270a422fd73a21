"""The keys of a declared HTTP API under `[destination]`."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from importer.destinations import base
from importer.destinations.http import template
from importer.destinations.http.json_path import PATH

_STATUS = re.compile("[1-5]([0-9][0-9]|xx)")
_HEADER = re.compile("[A-Za-z0-9-]+")
_REFERENCE = re.compile("(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")
_SECRET_NAME = re.compile("auth|key|token|secret|cookie|password|signature", re.IGNORECASE)
_OWN_HEADERS = frozenset(
    {"content-type", "content-length", "accept", "accept-encoding", "host", "user-agent"}
)


def _is_path(text: str) -> str:
    if not PATH.fullmatch(text):
        raise ValueError('expected names and positions joined by dots, such as "errors.0.reason", or "."')
    return text


def _is_status(text: str) -> str:
    if not _STATUS.fullmatch(text):
        raise ValueError('expected a status such as "201", or a class such as "2xx"')
    return text


JsonPath = Annotated[str, AfterValidator(_is_path)]
Status = Annotated[str, AfterValidator(_is_status)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AnswerRule(_Table):
    """One of `[[destination.answers]]`: what an answer means, by its status and a value in its JSON.

    `path` alone asks for any value there but null; with `equals` for this one.
    """

    status: tuple[Status, ...] = Field(min_length=1)
    means: Literal["done", "retry", "refused", "stop"]
    path: JsonPath | None = None
    equals: Any = None
    reason: JsonPath | None = None

    @model_validator(mode="after")
    def _equals_at_a_path(self) -> "AnswerRule":
        if self.compares and self.path is None:
            raise ValueError('equals: only with path; path = "." is the whole answer')
        return self

    @property
    def compares(self) -> bool:
        """Whether the value at `path` has to be `equals`."""
        return "equals" in self.model_fields_set


class RefusedList(_Table):
    """One of `[[destination.refused]]`: a list, in an answer that means `done`, of what was refused.

    `index` and `distinct_id` are paths in an entry; one of them names the person: by the place in the call,
    from 0, or by the id. `attribute` names one value of the person, where the entry does.
    """

    list: JsonPath
    index: JsonPath | None = None
    distinct_id: JsonPath | None = None
    attribute: JsonPath | None = None
    reason: JsonPath | None = None

    @model_validator(mode="after")
    def _names_a_person(self) -> "RefusedList":
        if (self.index is None) == (self.distinct_id is None):
            raise ValueError("expected one of index and distinct_id, by which an entry names its person")
        return self


class Settings(base.Settings):
    """A declared API. `body` is the JSON of a call, `person` an entry of its `"{people}"`.

    `clear_as` is what stands in place of a value that is to be removed; without it, nothing can be cleared.
    Of `answers` the first that fits counts. An answer that none fits is read by its status: 401 and 403 stop
    the run; 408, 425, 429, 500, 502, 503 and 504 repeat the call, and so does any 2xx; any other refuses it.
    """

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str
    body: Any
    person: Any = None
    people_per_call: int = Field(default=1, ge=1, le=10_000)
    body_bytes_max: int = Field(default=1_000_000, ge=1)
    distinct_id_max: int = Field(default=255, ge=1)
    auth_header: str = "Authorization"
    auth_scheme: str = "Bearer"
    headers: dict[str, str] = Field(default_factory=dict)
    date_format: str = "%Y-%m-%d"
    datetime_format: str = "%Y-%m-%dT%H:%M:%S"
    datetime_utc_format: str = "%Y-%m-%dT%H:%M:%SZ"
    clear_as: Literal["null", "empty_text"] | None = None
    answers: tuple[AnswerRule, ...] = Field(min_length=1)
    refused: tuple[RefusedList, ...] = ()

    def problems(self) -> Iterator[str]:
        """What does not fit together, each with the key where it is."""
        if not re.fullmatch(r"/[!-~]*", self.path):
            yield 'path: expected a path of ASCII characters that begins with "/"'
        if not any(rule.means == "done" for rule in self.answers):
            yield 'answers: expected at least one with means = "done"'
        yield from self._structure_problems()
        yield from self._header_problems()

    def _structure_problems(self) -> Iterator[str]:
        person = [template.DISTINCT_ID, template.ATTRIBUTES]
        if self.person is None:
            yield from (f"body: {found}" for found in template.problems(self.body, person))
            if self.people_per_call > 1:
                yield 'people_per_call: more than 1 needs person, and "{people}" in body'
            return
        yield from (f"body: {found}" for found in template.problems(self.body, [template.PEOPLE]))
        yield from (f"person: {found}" for found in template.problems(self.person, person))

    def _header_problems(self) -> Iterator[str]:
        for name in (self.auth_header, *self.headers):
            if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
                yield f"headers: {name if _HEADER.fullmatch(name) else 'a name'} cannot be set"
        for name, value in self.headers.items():
            is_reference = _REFERENCE.fullmatch(value) is not None
            if _SECRET_NAME.search(name) and not is_reference:
                yield f'headers: {name} may be a secret; write "env:NAME" or "file:PATH"'
            elif not is_reference and not re.fullmatch("[ -~]+", value):
                yield f"headers: {name}: expected one line of printable ASCII characters"

    @property
    def secret_headers(self) -> dict[str, str]:
        """The headers whose value is a reference."""
        return {name: value for name, value in self.headers.items() if _REFERENCE.fullmatch(value)}
