"""What makes two runs the same import, and two destinations the same account.

Files of the state folder are named by these digests: what goes into them must stay as it is, or what an
earlier version has kept is not found again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from importer.config.schema import Config


def import_id(config: Config) -> str:
    """The import's name and 12 hexadecimal digits: the same name, destination, base URL and account."""
    return f"{config.name}-{_digest([config.name, *_parts(config)])[:12]}"


def account_digest(config: Config, scope: Sequence[str] = ()) -> str:
    """64 hexadecimal digits that stand for the account of a destination, or for a `scope` inside of it."""
    return _digest([*_parts(config), *scope])


def of_destination(destination: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells two accounts apart, from the `[destination]` of a run's configuration."""
    return tuple(str(destination.get(key) or "") for key in ("type", "base_url", "account"))


def _parts(config: Config) -> list[str]:
    section = config.destination
    return [section.type, section.base_url, section.account or ""]


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
