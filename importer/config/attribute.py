"""`[attributes.KEY]`: one attribute as declared at the destination."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from importer.config.date_patterns import format_problem

_CHOICES = ("single_choice", "multi_choice")


def check_pattern(pattern: str) -> None:
    """ValueError where polars cannot use the pattern, such as one with look-around."""
    import polars as pl  # a command that reads no configuration starts without it

    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.PolarsError:
        raise ValueError("pattern: not a regular expression that Rust's regex takes") from None


class Attribute(BaseModel):
    """`[attributes.KEY]`: one attribute as declared at the destination."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)

    column: str | None = Field(default=None, min_length=1)
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
    true_values: tuple[str, ...] = ("true", "1", "yes")
    false_values: tuple[str, ...] = ("false", "0", "no")
    map: dict[str, str] = Field(default_factory=dict)
    join: str | None = Field(default=None, min_length=1)
    send_as: Literal["text", "number"] | None = None
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
        if self.pattern is not None:
            check_pattern(self.pattern)
        if self.type == "multi_choice" and self.format not in (None, "json"):
            raise ValueError('format: "json" is the only format of a multi_choice')
        if self.format == "json" and self.type != "multi_choice":
            raise ValueError(
                'format: "json" is only for type = multi_choice; a date has a pattern such as %Y-%m-%d'
            )
        if self.type == "boolean" and (unknown := self._map_meanings_unknown()):
            raise ValueError(f"map: {unknown} is none of true_values and false_values")
        if self.type in _CHOICES and not self.options and not self.allow_custom:
            raise ValueError("options: missing; a choice needs options = [...] or allow_custom = true")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min: greater than max, so no number would fit")
        if self.type == "number" and self.decimal == self.thousands:
            raise ValueError("thousands: the same mark as decimal, so 1.234 could be two numbers")
        return self

    def _map_meanings_unknown(self) -> str | None:
        words = {word.lower() for word in (*self.true_values, *self.false_values)}
        return next((repr(m) for m in self.map.values() if m.lower() not in words), None)

    @model_validator(mode="after")
    def _format_has_signs(self) -> Self:
        if self.type in ("date", "datetime") and self.format is not None:
            problem = format_problem(self.format)
            if problem:
                raise ValueError(f"format: {problem}")
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
