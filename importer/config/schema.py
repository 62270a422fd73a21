"""The sections and keys of a configuration, as frozen, validated objects."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from importer import destinations
from importer.config.attribute import Attribute, Column
from importer.config.urls import url_problem
from importer.core.config_types import Duration
from importer.destinations.base import Definition, Destination, IdentityField

GONE = "\0gone"
"""The cell of a value to clear because its person left the list; no row of a source holds a NUL."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")


def _percent(value: Any) -> Any:
    """The number of a text like "30%"; a bare number could be a share or percent, so it is refused."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)%", value) if isinstance(value, str) else None
    if not found:
        raise ValueError('expected a share like "30%"')
    return float(found[1])


Percent = Annotated[
    float,
    BeforeValidator(_percent),
    PlainSerializer(lambda percent: f"{percent:.9g}%"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9.]+%$"}),
]


class _Section(BaseModel):
    """A table of the file: unknown keys are errors, and no error repeats what was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class SourceConfig(_Section):
    """`[source]`: where the list is and how its text reads."""

    path: str = ""
    format: Literal["csv", "tsv", "jsonl", "parquet", "xlsx"] | None = None
    sheet: str | None = Field(default=None, min_length=1)
    delimiter: str | None = Field(default=None, min_length=1)
    quote: str = Field(default='"', max_length=1)
    escape: str = Field(default='"', max_length=1)
    bare_quotes: Literal["reject", "keep"] = "reject"
    trailing_delimiter: bool = False
    encoding: str = "utf-8"
    skip_lines: int = Field(default=0, ge=0)
    skip_after_header: int = Field(default=0, ge=0)
    skip_footer: int = Field(default=0, ge=0)
    header: bool = True
    columns: tuple[str, ...] | None = None
    null_values: tuple[str, ...] = ("",)
    clear_values: tuple[str, ...] = ()
    trim: bool = True
    spreadsheet_text: Literal["keep", "unwrap"] = "keep"
    computed: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    where: str = ""
    latest_by: str | None = Field(default=None, min_length=1)
    latest_type: Literal["datetime", "date", "number"] = "datetime"
    latest_format: str | None = None

    @field_validator("clear_values")
    @classmethod
    def _not_blank(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value:
            raise ValueError('clear_values: "" is a blank cell; for that there is blank = "clear"')
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except (LookupError, ValueError):
            raise ValueError('not a text encoding; one such as "utf-8", "cp1252" or "utf-16"') from None
        return value

    @model_validator(mode="after")
    def _columns_without_header(self) -> Self:
        if self.header and self.columns is not None:
            raise ValueError("columns: only with header = false; with a header the names stand in the file")
        if self.latest_format is not None and (not self.latest_by or self.latest_type == "number"):
            raise ValueError("latest_format: only with latest_by, and not for a number")
        if not self.header and not self.columns and self.format not in ("parquet", "jsonl"):
            raise ValueError("columns: missing; header = false needs columns = [...] in the file's order")
        if self.quote and self.escape not in (self.quote, "\\"):
            raise ValueError(r"escape: expected the quote itself (doubled quotes) or a backslash")
        return self


PLACEHOLDERS = (
    *("null", "(null)", "<null>", "none", "nil", "undefined", "nan", "n/a", "na", "[object object]", r"\N"),
    *("#n/a", "#ref!", "#name?", "#value!", "#div/0!", "#num!", "#null!", "-", "--", "?"),
    *("anonymous", "guest", "unknown", "unidentified", "not_authenticated", "true", "false"),
    "00000000-0000-0000-0000-000000000000",
)
"""Texts that stand for no person. They are compared without case and without the blanks around an id."""


class IdentityConfig(_Section):
    """`[identity]`: the column that holds the distinct id."""

    column: Column
    trim: bool = False
    reject: tuple[str, ...] = PLACEHOLDERS


class DestinationConfig(_Section):
    """`[destination]`, the keys every vendor has; a vendor's own keys are in its `Settings`.

    Times are seconds, or texts like "90s", "15m", "2h". `retry_wait` bounds the first wait before a call is
    repeated, each later one may be twice as long; `give_up_after` is how long the destination may be down
    before the run stops with 5. `http_client` is `httpx` (httpx2), `fast` (our own, the extra `fast`) or
    `auto`: `httpx` up to 200 calls a second and through a proxy, else `fast` where it is installed.
    """

    type: str
    base_url: str = ""
    api_key: str
    requests_per_second: Annotated[float, Field(ge=0)] | None = None
    max_in_flight: int = Field(default=8, ge=1, le=1024)
    account: str | None = None
    connect_timeout: Duration = 10.0
    read_timeout: Duration = 30.0
    retry_attempts: int = Field(default=8, ge=1)
    retry_seconds: Duration = 300.0
    retry_wait: Duration = 0.5
    give_up_after: Duration = 900.0
    http_client: Literal["auto", "httpx", "fast"] = "auto"

    @field_validator("http_client", mode="before")
    @classmethod
    def _former_name(cls, value: Any) -> Any:
        return "httpx" if value == "plain" else value

    @field_validator("api_key")
    @classmethod
    def _reference_only(cls, value: str) -> str:
        if not _KEY_REFERENCE.fullmatch(value):
            raise ValueError(
                'a key itself is refused here, so that it cannot leak with the file; write "env:NAME" or '
                '"file:PATH"'
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        problem = url_problem(value) if value else None
        if problem:
            raise ValueError(problem)
        return value.rstrip("/")


class GuardsConfig(_Section):
    """`[guards]`: what a list must look like before the first call, and how many people are tried first.

    `max_row_change` is a share of the last good run's rows; `max_blank_change` is in percentage points of an
    attribute's blank cells; `max_unknown_options` is a share of a choice's values; `max_attribute_rejects` is
    a share of an attribute's values that are not blank. `canary` counts people.
    """

    max_age: Duration | None = None
    min_rows: int | None = Field(default=None, ge=1)
    max_row_change: Percent | None = None
    max_blank_change: Percent | None = None
    max_unknown_options: Percent | None = None
    max_attribute_rejects: Percent = 95.0
    canary: int | None = Field(default=None, ge=1)


class NotifyConfig(_Section):
    """`[notify]`: what is called when a run ends otherwise than the one before, and where metrics go.

    `webhook` and the values of `headers` are references, `env:NAME` or `file:PATH`: the URL of an incoming
    hook is a secret. `command` is an argument list. `metrics` is a folder.
    """

    webhook: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    command: tuple[str, ...] = ()
    timeout: Duration = 10.0
    metrics: str | None = None

    @field_validator("webhook")
    @classmethod
    def _webhook_by_reference(cls, value: str | None) -> str | None:
        if value is not None and not _KEY_REFERENCE.fullmatch(value):
            raise ValueError('the URL of a hook is a secret; write "env:NAME" or "file:PATH"')
        return value

    @field_validator("headers")
    @classmethod
    def _headers_by_reference(cls, value: dict[str, str]) -> dict[str, str]:
        for name, reference in value.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name):
                raise ValueError("expected names of letters, digits and dashes")
            if not _KEY_REFERENCE.fullmatch(reference):
                raise ValueError(f'{name} may be a secret; write "env:NAME" or "file:PATH"')
        return value

    @model_validator(mode="after")
    def _headers_go_to_the_webhook(self) -> Self:
        if self.headers and self.webhook is None:
            raise ValueError("headers: only with a webhook")
        return self


class RunConfig(_Section):
    """`[run]`: what a run sends of what the list says.

    `changed_only` sends what differs from the snapshot; `full_every` (seconds) sends everything once the last
    full run is that old. `on_gone` says what happens to people who are no longer in the list; where more than
    `max_gone` percent of the known people have left, nothing is cleared and the run stops. `outcomes` writes
    how each value ended as a table.
    """

    changed_only: bool = False
    full_every: Duration | None = None
    on_gone: Literal["ignore", "clear"] = "ignore"
    max_gone: Percent = 5.0
    outcomes: bool = False


class Config(_Section):
    """The whole file. `path` is where it was read from, None for a mapping given by a Python caller."""

    name: str
    source: SourceConfig
    identity: IdentityConfig
    destination: DestinationConfig
    attributes: dict[str, Attribute] = Field(min_length=1)
    guards: GuardsConfig = GuardsConfig()
    notify: NotifyConfig = NotifyConfig()
    run: RunConfig = RunConfig()
    vendor: dict[str, Any] = Field(default_factory=dict)
    path: Path | None = None

    @field_validator("name")
    @classmethod
    def _name_fits_a_folder(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("expected a letter or digit, then up to 63 of A-Z a-z 0-9 . _ -")
        return value

    @property
    def columns(self) -> dict[str, str]:
        """Attribute key → column name, made each time: for a single one take `column_of`."""
        return {key: self.column_of(key) for key in self.attributes}

    def column_of(self, key: str) -> str:
        """The name of an attribute's column."""
        return self.attributes[key].column or key

    @property
    def clearing_cells(self) -> tuple[str, ...]:
        """Cells that ask for the stored value to be removed."""
        return (*self.source.clear_values, *([GONE] if self.run.on_gone == "clear" else []))

    @property
    def declared_columns(self) -> list[str]:
        """Every column the configuration reads, once each, the id's first."""
        naming = (field.column for field in self.identity_fields)
        latest = [self.source.latest_by] if self.source.latest_by else []
        named = [self.identity.column, *naming, *self.columns.values(), *latest]
        return list(
            dict.fromkeys([*(n for n in named if n not in self.source.computed), *self.computed_from])
        )

    @property
    def computed_from(self) -> list[str]:
        """The columns of the source that the computed ones are made of."""
        if not self.source.computed:
            return []
        import polars as pl  # a command that reads no list starts without it

        try:
            found = [pl.sql_expr(sql).meta.root_names() for sql in self.source.computed.values()]
        except pl.exceptions.PolarsError:
            return []  # what is wrong is said where they are compiled
        return list(dict.fromkeys(name for names in found for name in names))

    @property
    def identity_fields(self) -> Sequence[IdentityField]:
        """The columns that name a person to the destination beside the distinct id."""
        return self.build_destination().identity_fields()

    @property
    def definitions(self) -> list[Definition]:
        """The attributes as a destination needs to know them."""
        return [
            Definition(
                key,
                a.sent_as_type,
                a.options,
                a.allow_custom,
                a.max_length,
                a.min,
                a.max,
                a.blank,
                a.operation,
                join=a.join,
                send_as=a.send_as,
                field=a.field,
            )
            for key, a in self.attributes.items()
        ]

    def as_mapping(self) -> dict[str, Any]:
        """The same configuration as plain data, as `parse` takes it; it refers to the key but holds none."""
        data = self.model_dump(mode="json", exclude={"path", "vendor"}, exclude_unset=True)
        data["destination"] |= {**self.vendor, "base_url": self.destination.base_url}
        data["destination"]["requests_per_second"] = self.destination.requests_per_second
        return data

    def build_destination(self) -> Destination:
        """The vendor's object; ConfigError where the configuration asks for what it cannot do."""
        kind = destinations.load(self.destination.type)
        return kind(kind.settings_type.model_validate(self.vendor), self.definitions)
