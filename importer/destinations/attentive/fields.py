"""Attentive's standard fields, which a record of a bulk job has beside its custom attributes.

Names and types are those of the vendor's OpenAPI of v2, snapshot 2026-08-22, and of
https://docs.attentive.com/reference/postbulkuserattributes. They take priority over custom attributes.
"""

from collections.abc import Iterator, Mapping, Sequence

from importer.destinations.base import Definition

_TEXTS = ("free_text", "single_choice")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "firstName": _TEXTS,
    "lastName": _TEXTS,
    "demographic.language": _TEXTS,
    "demographic.dateOfBirth": ("date",),
    "demographic.age": ("number",),
    "demographic.organization": _TEXTS,
    "demographic.title": _TEXTS,
    "demographic.website": _TEXTS,
    "location.address1": _TEXTS,
    "location.address2": _TEXTS,
    "location.city": _TEXTS,
    "location.state": _TEXTS,
    "location.zip": _TEXTS,
    "location.latitude": _TEXTS,
    "location.longitude": _TEXTS,
    "location.country": _TEXTS,
    "location.region": _TEXTS,
    "location.timezone": _TEXTS,
    "locale.language": _TEXTS,
    "locale.country": _TEXTS,
}
"""Each field and the types that an attribute may have which is sent as this field."""


def problems(definitions: Sequence[Definition]) -> Iterator[str]:
    """Fields that there are not, that fit no type, or that two attributes share."""
    seen: dict[str, str] = {}
    for d in definitions:
        if d.field is None:
            continue
        place = f"attributes.{d.key}.field"
        if d.field not in FIELDS:
            yield f"{place}: attentive has no such field; one of {', '.join(FIELDS)}"
        elif d.type not in FIELDS[d.field]:
            yield f"{place}: {d.field} is only for type = {' or '.join(FIELDS[d.field])}"
        elif d.field in seen:
            yield f"{place}: attributes.{seen[d.field]} is sent as {d.field} already"
        seen.setdefault(d.field, d.key)


def nested(values: Mapping[str, str]) -> Iterator[str]:
    """Field → JSON value, as JSON members: fields of one group stand in one object."""
    groups: dict[str, list[str]] = {}
    for field, value in values.items():
        group, _, name = field.rpartition(".")
        groups.setdefault(group, []).append(f'"{name}":{value}')
    for group, members in groups.items():
        yield from members if not group else [f'"{group}":{{{",".join(members)}}}']
