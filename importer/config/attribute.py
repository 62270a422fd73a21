"""`[attributes.KEY]`: one attribute as declared at the destination."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_CHOICES = ("single_choice", "multi_choice")


class Attribute(BaseModel):
    """`[attributes.KEY]`: one attribute as declared at the destination."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)

    column: str | None = Field(default=None, min_length=1)
    type: Literal["free_text", "single_choice", "multi_choice", "number", "boolean", "date", "datetime"]
    options: tuple[str, ...] = ()
    allow_custom: bool = False
    max_length: int | None = Field(default=None, ge=1)
    min: float | None = None
    max: float | None = None
    separator: str = Field(default="|", min_length=1)
    format: str | None = None
    decimal: str = Field(default=".", min_length=1, max_length=1)
    thousands: str = Field(default="", max_length=1)
    true_values: tuple[str, ...] = ("true", "1", "yes")
    false_values: tuple[str, ...] = ("false", "0", "no")
    join: str | None = Field(default=None, min_length=1)
    send_as: Literal["text", "number"] | None = None
    blank: Literal["skip", "clear", "reject"] = "skip"
    operation: Literal["set", "increase", "add", "remove", "delete"] = "set"

    @model_validator(mode="after")
    def _keys_fit_the_type(self) -> Self:
        for key, types in _BELONGS_TO.items():
            if key in self.model_fields_set and self.type not in types:
                raise ValueError(f"{key}: only for type = {' or '.join(types)}, not {self.type}")
        if self.type in _CHOICES and not self.options and not self.allow_custom:
            raise ValueError("options: missing; a choice needs options = [...] or allow_custom = true")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min: greater than max, so no number would fit")
        if self.type == "number" and self.decimal == self.thousands:
            raise ValueError("thousands: the same mark as decimal, so 1.234 could be two numbers")
        return self

    @model_validator(mode="after")
    def _operation_fits_the_type(self) -> Self:
        types = _OPERATES_ON.get(self.operation)
        if types and self.type not in types:
            raise ValueError(f'operation: "{self.operation}" is only for type = {" or ".join(types)}')
        if self.operation != "set" and self.blank == "clear":
            raise ValueError('blank: "clear" is only for operation = "set"')
        return self


_BELONGS_TO: Mapping[str, tuple[str, ...]] = {
    "options": _CHOICES,
    "allow_custom": _CHOICES,
    "max_length": ("free_text", *_CHOICES),
    "min": ("number",),
    "max": ("number",),
    "decimal": ("number",),
    "thousands": ("number",),
    "separator": ("multi_choice",),
    "join": ("multi_choice",),
    "send_as": ("free_text", "number"),
    "format": ("date", "datetime"),
    "true_values": ("boolean",),
    "false_values": ("boolean",),
}

_OPERATES_ON: Mapping[str, tuple[str, ...]] = {
    "increase": ("number",),
    "add": ("multi_choice",),
    "remove": ("multi_choice",),
    "delete": ("free_text", "single_choice"),  # what a cell says does not matter: a "no" must not delete
}
