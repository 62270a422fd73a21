"""The TOML file as one frozen, validated object; all mistakes are reported at once, none quotes a key."""

import ipaddress
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from importer import destinations
from importer.attributes import Attribute
from importer.destinations.base import Definition, Destination, Duration, IdentityField, Settings
from importer.errors import ConfigError

GONE = "\0gone"
"""The cell of a value that goes because its person is gone; no row of a source holds a NUL."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")


def _percent(value: Any) -> Any:
    """The number of a text like "30%"; a bare number could be a share or percent, so it is refused."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)%", value) if isinstance(value, str) else None
    if not found:
        raise ValueError('expected a share like "30%"')
    return float(found[1])


Percent = Annotated[float, BeforeValidator(_percent), PlainSerializer(lambda percent: f"{percent:.9g}%")]


class _Section(BaseModel):
    """A table of the file: unknown keys are errors, and no error repeats what was typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class SourceConfig(_Section):
    """`[source]`: where the list is and how its text reads."""

    path: str = Field(min_length=1)
    format: Literal["csv", "tsv", "parquet"] | None = None
    delimiter: str | None = Field(default=None, min_length=1)
    quote: str = Field(default='"', max_length=1)
    escape: str = Field(default='"', max_length=1)
    bare_quotes: Literal["reject", "keep"] = "reject"
    trailing_delimiter: bool = False
    encoding: str = "utf-8"
    skip_lines: int = Field(default=0, ge=0)
    header: bool = True
    columns: tuple[str, ...] | None = None
    null_values: tuple[str, ...] = ("",)
    clear_values: tuple[str, ...] = ()
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
        if not self.header and not self.columns and self.format != "parquet":
            raise ValueError("columns: missing; header = false needs columns = [...] in the file's order")
        if self.quote and self.escape not in (self.quote, "\\"):
            raise ValueError(r"escape: expected the quote itself (doubled quotes) or a backslash")
        return self


class IdentityConfig(_Section):
    """`[identity]`: the column that holds the distinct id."""

    column: str = Field(min_length=1)
    trim: bool = False


class DestinationConfig(_Section):
    """`[destination]`, the keys every vendor has; a vendor's own keys are in its `Settings`.

    Times are seconds, or texts like "90s", "15m", "2h". `retry_wait` bounds the first wait before a call is
    repeated, each later one may be twice as long; `give_up_after` is how long the destination may be down
    before the run stops with 5. `http_client` is `fast` (our own) or `plain` (httpx2).
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
    http_client: Literal["fast", "plain"] = "fast"

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
    """`[guards]`: what a list must look like before the first call, and whom to try first.

    `max_row_change` is a share of the last good run's rows; `max_blank_change` is in percentage points of an
    attribute's blank cells; `max_unknown_options` is a share of a choice's values. `canary` counts people.
    """

    max_age: Duration | None = None
    min_rows: int | None = Field(default=None, ge=1)
    max_row_change: Percent | None = None
    max_blank_change: Percent | None = None
    max_unknown_options: Percent | None = None
    canary: int | None = Field(default=None, ge=1)


class NotifyConfig(_Section):
    """`[notify]`: who is told when a night ends otherwise than the one before, and where metrics are left.

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
    full run is that old. `on_gone` says what becomes of people who are no longer in the list; where more than
    `max_gone` percent of the people known are gone, nothing is cleared and the run stops.
    """

    changed_only: bool = False
    full_every: Duration | None = None
    on_gone: Literal["ignore", "clear"] = "ignore"
    max_gone: Percent = 5.0


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
        """Attribute key → column name."""
        return {key: a.column or key for key, a in self.attributes.items()}

    @property
    def clear_marks(self) -> tuple[str, ...]:
        """Cells that ask for the stored value to be removed."""
        return (*self.source.clear_values, *([GONE] if self.run.on_gone == "clear" else []))

    @property
    def declared_columns(self) -> list[str]:
        """Every column the configuration reads, once each, the id's first."""
        naming = (field.column for field in self.identity_fields)
        latest = [self.source.latest_by] if self.source.latest_by else []
        return list(dict.fromkeys([self.identity.column, *naming, *self.columns.values(), *latest]))

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
                a.type,
                a.options,
                a.allow_custom,
                a.max_length,
                a.min,
                a.max,
                a.blank,
                a.operation,
                join=a.join,
                send_as=a.send_as,
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


def url_problem(url: str) -> str | None:
    """Why calls must not go to `url`, or None. Plain http is for loopback only: it would show the key."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected https://HOST, or http:// with a loopback host for tests"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "expected scheme, host and perhaps a path; no user, password, query or fragment"
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        return "plain http shows the key to the network; use https (http is for loopback only)"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(path: str | Path) -> Config:
    """The configuration of a TOML file; ConfigError names the file and every mistake in it."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file.") from None
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: cannot be read as a UTF-8 text file.") from None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at (.*?)\)", str(error))
        raise ConfigError(
            f"{path}: not valid TOML{f', {where[1]}' if where else ''}; check quotes and brackets there."
        ) from None
    return parse(data, path)


def parse(data: Mapping[str, Any], path: Path | None = None) -> Config:
    """The configuration of a mapping, with the same checks as a file; ConfigError lists every mistake."""
    mistakes: list[str] = []
    tables = {key: value for key, value in data.items() if key not in ("vendor", "path")}
    mistakes += [f"{key}: unknown key" for key in data if key not in tables]
    kind, vendor = _take_vendor(tables, mistakes)
    config: Config | None = None
    try:
        # TOML has arrays, the model has tuples: the strict mode of JSON input takes the one for the other.
        config = Config.model_validate(_tuples(tables))
        config = config.model_copy(update={"vendor": vendor, "path": path})
    except ValidationError as error:
        mistakes += [_sentence(e) for e in error.errors(include_url=False, include_input=False)]
    if config and kind and not mistakes:
        config = _with_vendor_defaults(config, kind)
        mistakes += config.build_destination().problems()
        mistakes += _column_mistakes(config)
        mistakes += diff_mistakes(config)
        if config.source.clear_values and not kind.clears:
            mistakes.append(f"source.clear_values: {kind.name} has no way to clear a value; leave it out")
    if mistakes or config is None:
        raise ConfigError(_listing(path, mistakes))
    return config


def _take_vendor(
    tables: dict[str, Any], mistakes: list[str]
) -> tuple[type[Destination] | None, dict[str, Any]]:
    """Splits `[destination]` into the common keys, left in `tables`, and the vendor's own, returned."""
    section = tables.get("destination")
    if not isinstance(section, dict) or not isinstance(section.get("type"), str):
        return None, {}
    try:
        kind = destinations.load(section["type"])
    except ConfigError as error:
        mistakes.append(str(error).rstrip("."))
        kind = None
    own: Iterable[str] = kind.settings_type.model_fields if kind else section
    vendor = {k: v for k, v in section.items() if k in own and k not in DestinationConfig.model_fields}
    tables["destination"] = {k: v for k, v in section.items() if k not in vendor}
    if kind:
        mistakes += _vendor_mistakes(kind.settings_type, vendor)
    return kind, vendor


def _vendor_mistakes(settings: type[Settings], vendor: Mapping[str, Any]) -> list[str]:
    try:
        settings.model_validate(vendor)
    except ValidationError as error:
        return [f"destination.{_sentence(e)}" for e in error.errors(include_url=False, include_input=False)]
    return []


def _with_vendor_defaults(config: Config, kind: type[Destination]) -> Config:
    section = config.destination
    if section.requests_per_second is None:
        ceiling = config.build_destination().requests_per_second
        section = section.model_copy(update={"requests_per_second": ceiling})
    if not section.base_url:
        section = section.model_copy(update={"base_url": config.build_destination().base_url()})
    return config.model_copy(update={"destination": section})


def _column_mistakes(config: Config) -> Iterable[str]:
    for column in config.source.ignore:
        if column in config.declared_columns:
            yield f'source.ignore: "{column}" is ignored and declared at once; take it out of one of them'


def diff_mistakes(config: Config) -> Iterable[str]:
    """Why this configuration cannot send only what changed; nothing where it is not asked to."""
    if not config.run.changed_only:
        if config.run.on_gone == "clear":
            yield 'run.on_gone: "clear" needs changed_only = true, by which it is known who was there'
        return
    if config.run.on_gone == "clear" and not type(config.build_destination()).clears:
        yield f'run.on_gone: {config.destination.type} has no way to clear a value; take "ignore"'
    if not config.destination.account:
        yield (
            "destination.account: missing; changed_only needs it, so that the snapshots of two workspaces "
            'stay apart, e.g. account = "production"'
        )
    for key, attribute in config.attributes.items():
        if attribute.operation not in ("set", "delete"):
            yield (
                f'attributes.{key}.operation: "{attribute.operation}" cannot be compared with what was sent '
                "before, so it does not go with changed_only; import this attribute by a configuration of "
                "its own, without changed_only"
            )


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _sentence(error: ErrorDetails) -> str:
    """One mistake as `place: what is expected`; what was typed is never repeated, it could be a key."""
    place = ".".join(str(p) for p in error["loc"] if p != "[key]")
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return f"{place}: unknown key"
    if kind == "missing":
        return f"{place}: missing"
    text = message.removeprefix("Value error, ")
    if kind == "value_error" and re.match(r"[a-z_]+: ", text):
        return f"{place}.{text}"
    return f"{place}: {text[0].lower()}{text[1:]}"


def _listing(path: Path | None, mistakes: Sequence[str]) -> str:
    where = str(path) if path else "configuration"
    if len(mistakes) == 1:
        return f"{where}: {mistakes[0]}."
    return "\n".join([f"{where}: {len(mistakes)} mistakes:", *(f"  {m}" for m in mistakes)])


def read_key(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that `api_key` refers to, without its final line end.

    ConfigError where the variable is not set, the file is missing or readable by others, or the key is empty
    or not of one line of printable ASCII. The message names the variable or file, never the key.
    """
    key = read_reference(config.destination.api_key, "the API key", environ)
    problem = config.build_destination().key_problem(key)
    if problem:
        raise ConfigError(f"{config.destination.api_key}: {problem}")
    return key


def read_reference(reference: str, what: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that `env:NAME` or `file:PATH` refers to; `what` says in a ConfigError what it should be."""
    kind, _, place = reference.partition(":")
    secret = _of_environment(place, what, environ) if kind == "env" else _of_file(place)
    if not secret or not secret.isascii() or not secret.isprintable():
        key = what.rpartition(" ")[2]
        raise ConfigError(f"{reference}: expected a {key} of one line of printable ASCII characters.")
    return secret


def secret_variables(config: Config) -> frozenset[str]:
    """The environment variables that hold secrets of this configuration."""
    notify = config.notify
    references = [config.destination.api_key, notify.webhook or "", *notify.headers.values()]
    return frozenset(r.removeprefix("env:") for r in references if r.startswith("env:"))


def _of_environment(name: str, what: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ConfigError(f"The environment variable {name} is not set; it should hold {what}.")
    return environ[name].strip()


def _is_credential(path: Path) -> bool:
    """Whether systemd gave the file to this service alone: its access list looks like a group's right."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def _of_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{path}: the key file is missing or cannot be read as ASCII text.") from None
    if stat.S_IMODE(mode) & (0o007 if _is_credential(path) else 0o077):
        raise ConfigError(f"{path}: the key file is readable by others; run: chmod 600 {path}")
    return text
