"""`[attributes.KEY]`: one attribute as declared at the destination."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from importer.config.date_patterns import format_problem

_CHOICES = ("single_choice", "multi_choice")


def check_pattern(pattern: str) -> None:
    """ValueError where polars cannot use the pattern, such as one with look-around."""
    import polars as pl  # a command that reads no configuration starts without it

    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError:
        raise ValueError(
            "pattern: not a regular expression as Rust has them, without look-around and back-references"
        ) from None


def check_zone(zone: str) -> None:
    """ValueError where there is no time zone of this name."""
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError('zone: not a time zone; one such as "Europe/Berlin"') from None


def _place(value: Any) -> Any:
    """A column given by its place, from 1, as the name that it is read by."""
    return f"#{value}" if type(value) is int and value > 0 else value


Column = Annotated[str, BeforeValidator(_place), Field(min_length=1)]
"""The name of a column, or its place in the file."""


class Attribute(BaseModel):
    """`[attributes.KEY]`: one attribute as declared at the destination."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)

    column: Column | None = None
    type: Literal[
        "free_text",
        "single_choice",
        "multi_choice",
        "number",
        "boolean",
        "date",
        "datetime",
        "email",
        "phone",
    ]
    options: tuple[str, ...] = ()
    allow_custom: bool = False
    max_length: int | None = Field(default=None, ge=1)
    min: float | None = None
    max: float | None = None
    trim: bool | None = None
    separator: str = Field(default="|", min_length=1)
    format: str | None = None
    pattern: str | None = Field(default=None, min_length=1, max_length=1000)
    region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    decimal: str = Field(default=".", min_length=1, max_length=1)
    thousands: str = Field(default="", max_length=1)
    units: tuple[str, ...] = ()
    parentheses: bool = False
    zone: str | None = None
    true_values: tuple[str, ...] = ("true", "1", "yes")
    false_values: tuple[str, ...] = ("false", "0", "no")
    map: dict[str, str] = Field(default_factory=dict)
    join: str | None = Field(default=None, min_length=1)
    send_as: Literal["text", "number"] | None = None
    field: str | None = Field(default=None, min_length=1)
    blank: Literal["skip", "clear", "reject"] = "skip"
    default: str | None = None
    operation: Literal["set", "increase", "add", "remove", "delete"] = "set"

    @property
    def sent_as_type(self) -> str:
        """The type as a destination knows it: an address and a phone number are texts."""
        return "free_text" if self.type in ("email", "phone") else self.type

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Self:
        for key, types in _BELONGS_TO.items():
            if key in self.model_fields_set and self.type not in types:
                raise ValueError(f"{key}: only for type = {' or '.join(types)}, not {self.type}")
        if self.type in _CHOICES and not self.options and not self.allow_custom:
            raise ValueError("options: missing; a choice needs options = [...] or allow_custom = true")
        if self.max_length is not None and any(len(option) > self.max_length for option in self.options):
            raise ValueError("max_length: less than the length of an option, which would never be sent")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min: greater than max, so no number would fit")
        if self.type == "number" and self.decimal == self.thousands:
            raise ValueError("thousands: the same mark as decimal, so 1.234 could be two numbers")
        return self

    @model_validator(mode="after")
    def _format_fits_the_type(self) -> Self:
        if self.type == "multi_choice" and self.format not in (None, "json"):
            raise ValueError('format: "json" is the only format of a multi_choice')
        if self.type == "date" and self.format in ("unix", "unix_ms"):
            raise ValueError(f'format: "{self.format}" is only for type = datetime: a second is no day')
        if self.type in ("date", "datetime") and self.format not in (None, "excel", "unix", "unix_ms"):
            problem = format_problem(self.format)
            if problem:
                raise ValueError(f"format: {problem}")
        return self

    @model_validator(mode="after")
    def _texts_have_a_meaning(self) -> Self:
        if self.pattern is not None:
            check_pattern(self.pattern)
        if self.zone is not None:
            check_zone(self.zone)
        if self.region == "UK":
            raise ValueError('region: "UK" is no country code of ISO 3166; write "GB"')
        if "" in self.units:
            raise ValueError("units: a unit is a text, not blank")
        words = {word.lower() for word in (*self.true_values, *self.false_values)}
        if self.type == "boolean" and any(meaning.lower() not in words for meaning in self.map.values()):
            raise ValueError(
                'map: expected meanings of true_values or false_values, like map = { "Ja" = "true" }'
            )
        return self

    @model_validator(mode="after")
    def _operation_fits_the_type(self) -> Self:
        types = _OPERATES_ON.get(self.operation)
        if types and self.type not in types:
            raise ValueError(f'operation: "{self.operation}" is only for type = {" or ".join(types)}')
        if self.default is not None and self.blank != "skip":
            raise ValueError(f'default: not with blank = "{self.blank}"; a cell with a default is not blank')
        if self.operation != "set" and self.blank == "clear":
            raise ValueError('blank: "clear" is only for operation = "set"')
        return self


_BELONGS_TO: Mapping[str, tuple[str, ...]] = {
    "options": _CHOICES,
    "allow_custom": _CHOICES,
    "max_length": ("free_text", "email", "phone", *_CHOICES),
    "region": ("phone",),
    "min": ("number",),
    "max": ("number",),
    "decimal": ("number",),
    "thousands": ("number",),
    "units": ("number",),
    "parentheses": ("number",),
    "zone": ("datetime",),
    "separator": ("multi_choice",),
    "join": ("multi_choice",),
    "send_as": ("free_text", "number"),
    "format": ("date", "datetime", "multi_choice"),
    "true_values": ("boolean",),
    "false_values": ("boolean",),
}

_OPERATES_ON: Mapping[str, tuple[str, ...]] = {
    "increase": ("number",),
    "add": ("multi_choice",),
    "remove": ("multi_choice",),
    "delete": ("free_text", "single_choice"),  # what a cell says does not matter: a "no" must not delete
}
