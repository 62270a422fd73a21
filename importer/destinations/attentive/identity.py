"""The columns that name a person to Attentive, and how they are written."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from importer.destinations.attentive.settings import User
from importer.destinations.base import IdentityField

_IDS = {"client_user_id": "clientUserId", "shopify_id": "shopifyId", "klaviyo_id": "klaviyoId"}
"""Settings of `[destination.user]` and what the vendor calls them; the last two in bulk records only."""


def identity_fields(user: User) -> Iterator[IdentityField]:
    """Each is written as this vendor documents it: E.164, an address, ids of at most 100 characters."""
    if user.phone:
        expected = "a phone number in E.164, such as +13115552368,"
        yield IdentityField("phone", user.phone, r"^\+[1-9][0-9]{6,14}$", 16, expected, user.phone_ignore)
    if user.email:
        pattern = r"^[^\s@\x00-\x1f,;<>\"]+@[^\s@\x00-\x1f,;<>\"]+\.[^\s@.\x00-\x1f,;<>\"]+$"
        yield IdentityField("email", user.email, pattern, 100, "an e-mail address", fold_case=True)
    own = {name: getattr(user, name) for name in _IDS}
    names = {**own, **user.custom_identifiers}
    for name, column in names.items():
        if column:
            yield IdentityField(name, column, r"^[^\x00-\x1f]+$", 100, "an id of at most 100 characters")


def user_json(fields: Sequence[IdentityField], texts: Sequence[str], *, bulk: bool = False) -> str:
    """The user object: of a single call, or the identifiers of a bulk record. Nothing else belongs to it."""
    user: dict[str, Any] = {}
    ids: dict[str, Any] = {}
    for one, text in zip(fields, texts, strict=True):
        if not text:
            continue
        if one.name in ("phone", "email"):
            user[one.name] = text
        elif one.name in _IDS:
            if bulk or one.name == "client_user_id":
                ids[_IDS[one.name]] = text
        else:
            named = {"key" if bulk else "name": one.name, "value": text}
            ids.setdefault("customIdentifiers", []).append(named)
    if bulk:
        user |= ids
    elif ids:
        user["externalIdentifiers"] = ids
    return json.dumps(user, ensure_ascii=False, separators=(",", ":"))
