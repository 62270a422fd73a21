"""The types email and phone: one address or one number in a cell, as destinations want it.

An address stays as it is written. A number is written in the form of E.164: +12025550143.
"""

from collections import Counter
from contextlib import suppress
from functools import lru_cache

import polars as pl

from importer.config.attribute import Attribute
from importer.core.errors import ConfigError
from importer.core.package import install_command
from importer.core.rejects import INVALID, SEVERAL, TOO_LONG
from importer.values.blanks import PATTERN as BLANK
from importer.values.cell_texts import as_text
from importer.values.typed_column import TypedColumn, checked, reasons_where

_LABEL = r"[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?"
_LOCAL = r"[^\x00-\x20\x7f@<>()\[\],;:\\\"\s]{1,64}"
_LAST_LABEL = r"(?:[\p{L}\p{M}]{2,}|(?i:xn--)[a-zA-Z0-9-]+)"
_EMAIL = rf"^{_LOCAL}@(?:{_LABEL}\.)+{_LAST_LABEL}$"
"""One address without quotation marks and comments; letters of every script (RFC 6531)."""

_EMAIL_LONGEST = 254
"""RFC 5321, 4.5.3.1.3, less the angle brackets."""

_PHONE = r"^[+(]?[0-9][0-9 ()./\x{a0}\x{2010}-\x{2015}-]*$"
_INTERNATIONAL = r"^\+"
NATIONAL = r"^[(]?[0-9][0-9 ()./\x{a0}\x{2010}-\x{2015}-]{4,}$"
"""A number that names no country."""

_SEVERAL_PHONES = r"[0-9][0-9 ().-]{3,}\s*(?:[;,|/]|:::|\bor\b)\s*[+(]?[0-9][0-9 ().-]{3,}"


def type_email(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One e-mail address, upper and lower case as they are.

    With a character of no width inside, two addresses would look the same: that is none.
    """
    text = as_text(column)
    good = text.str.contains(_EMAIL) & ~text.str.contains(BLANK)
    good &= text.str.len_bytes() <= _EMAIL_LONGEST
    several = ~good & (text.str.count_matches("@", literal=True) > 1) if not good.all() else None
    return _typed(attribute, text, text.set(~good, None), several)


def type_phone(attribute: Attribute, column: pl.Series) -> TypedColumn:
    """One phone number in the form of E.164; a national one only where `region` is declared.

    A number is good where its country has numbers of its length: lists of valid numbers grow out of date.
    ConfigError where the extra `phone` is not installed.
    """
    text = as_text(column)
    distinct = text.drop_nulls().unique()
    few = len(distinct) <= _FEW
    parsed = (
        _remembered(attribute.region, tuple(distinct.sort())) if few else _parsed(attribute.region, distinct)
    )
    value = text.rename("text").to_frame().join(parsed, on="text", how="left", maintain_order="left")["value"]
    value = value.rename(text.name)
    several = text.str.contains(_SEVERAL_PHONES) if value.null_count() > text.null_count() else None
    return _typed(attribute, text, value, several)


_FEW = 1000


@lru_cache(maxsize=16)
def _remembered(region: str | None, texts: tuple[str, ...]) -> pl.DataFrame:
    """One batch after another may hold the same few texts."""
    return _parsed(region, pl.Series("text", texts, dtype=pl.String))


def _parsed(region: str | None, distinct: pl.Series) -> pl.DataFrame:
    """`text` and `value`, null where it is no number."""
    may_be = distinct.str.contains(_PHONE) & (distinct.str.contains(_INTERNATIONAL) | (region is not None))
    texts = distinct.filter(may_be).to_list()
    values = [_e164(text, region) for text in texts]
    return pl.DataFrame({"text": texts, "value": values}, schema={"text": pl.String, "value": pl.String})


def _e164(text: str, region: str | None) -> str | None:
    try:
        import phonenumbers  # an extra, and slow to load
    except ImportError:
        raise ConfigError(
            f'type = "phone" needs the library phonenumbers: {install_command("phone")}'
        ) from None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


_MOSTLY = 0.9


def region_of(texts: pl.Series) -> str | None:
    """The country of nearly all numbers that name one, as `region` writes it; None where they differ.

    None, too, where there is no such number, or the extra `phone` is not installed.
    """
    try:
        import phonenumbers
    except ImportError:
        return None
    found = Counter[str | None]()
    for text in texts.filter(texts.str.contains(_INTERNATIONAL)):
        with suppress(phonenumbers.NumberParseException):
            found[phonenumbers.region_code_for_number(phonenumbers.parse(text))] += 1
    region, count = next(iter(found.most_common(1)), (None, 0))
    return region if count >= _MOSTLY * found.total() else None


def _typed(attribute: Attribute, text: pl.Series, value: pl.Series, several: pl.Series | None) -> TypedColumn:
    typed = checked(text, value, INVALID)
    if typed.reason is not None and several is not None:
        both = several.fill_null(value=False) & typed.reason.is_not_null()
        typed = TypedColumn(value, typed.present, typed.reason.set(both, SEVERAL))
    if attribute.max_length is None:
        return typed
    long = (typed.value.str.len_chars() > attribute.max_length).fill_null(value=False)
    if not long.any():
        return typed
    reason = reasons_where(long.rename(text.name), TOO_LONG)
    assert reason is not None
    reason = reason if typed.reason is None else typed.reason.zip_with(~long, reason)
    return TypedColumn(typed.value.set(long, None), typed.present, reason)
