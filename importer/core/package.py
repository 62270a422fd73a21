"""What the installed package says of itself: its version, and how one of its extras is installed."""

import json
from functools import cache
from importlib import metadata
from urllib.parse import unquote, urlsplit

NAME = "customer-importer"
_UNKNOWN_PLACE = "PATH-TO-CHECKOUT-OR-WHEEL"


@cache
def version() -> str:
    """The version of the package's metadata; "0" where the code runs without being installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "0"


def install_command(extra: str) -> str:
    """The command that adds an extra to this installation, from the checkout or wheel that it came from.

    It never names the package alone: an index may hold another one of that name.
    """
    place, editable = _origin()
    return f'python -m pip install {"-e " if editable else ""}"{place}[{extra}]"'


def _origin() -> tuple[str, bool]:
    """Where the package was installed from, and whether as an editable checkout (PEP 610)."""
    try:
        text = metadata.distribution(NAME).read_text("direct_url.json") or "{}"
    except metadata.PackageNotFoundError:
        text = "{}"
    data = json.loads(text)
    parts = urlsplit(data.get("url", ""))
    if parts.scheme != "file":
        return _UNKNOWN_PLACE, False
    return unquote(parts.path), bool(data.get("dir_info", {}).get("editable"))
