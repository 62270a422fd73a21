"""EngageLab's contacts of a person, which are set by a call of their own, apart from the properties.

Source, read 2026-11-27: https://www.engagelab.com/docs/marketing-automation/rest-api/contact-setup shows the
body with `mobile_phone` and `email`, texts both, and the code 55014 for a contact that exists. The other two
names are in the manual of the vendor's SDK. How a contact is removed, no page says.
"""

from collections.abc import Iterable, Iterator, Sequence

from importer.core.models import SEPARATOR, Part, member_value
from importer.destinations.base import Definition

CONTACT = "/v1/user/contact"
CONTACTS = ("email", "mobile_phone", "landline_phone", "whatsapp_phone")


def problems(definitions: Iterable[Definition]) -> Iterator[str]:
    """Contacts that there are not, that are no texts, that two attributes share, or that would be cleared."""
    seen: dict[str, str] = {}
    for d in definitions:
        if d.field is None:
            continue
        place = f"attributes.{d.key}"
        if d.field not in CONTACTS:
            yield f"{place}.field: engagelab has no such contact; one of {', '.join(CONTACTS)}"
        elif d.field in seen:
            yield f"{place}.field: attributes.{seen[d.field]} is sent as {d.field} already"
        elif d.type not in ("free_text", "single_choice"):
            yield f"{place}.field: a contact is only for type = email, phone, free_text or single_choice"
        if d.operation != "set":
            yield f'{place}.operation: a contact has "set" only'
        if d.blank == "clear":
            yield f'{place}.blank: a contact cannot be cleared at EngageLab; take "skip"'
        seen.setdefault(d.field, d.key)


def without_contacts(part: Part, contacts: Iterable[str]) -> Part:
    """The part without the attributes that are contacts; without keys where all of them are."""
    members = part.members.split(SEPARATOR)
    left = [n for n, key in enumerate(part.keys) if key not in contacts]
    return Part(part.operation, tuple(part.keys[n] for n in left), SEPARATOR.join(members[n] for n in left))


def renamed(part: Part, fields: Sequence[str | None]) -> tuple[tuple[str, ...], list[str]]:
    """The keys of a part that are contacts, and their JSON members under the names of the contacts.

    `fields` are the contacts of the part's attributes, None for a property.
    """
    named = zip(part.keys, fields, part.members.split(SEPARATOR), strict=True)
    found = [(key, f'"{field}":{member_value(key, member)}') for key, field, member in named if field]
    return tuple(key for key, _ in found), [member for _, member in found]
