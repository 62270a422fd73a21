"""Which addresses may be called, and which of them are of this machine alone."""

import ipaddress
from urllib.parse import urlsplit


def url_problem(url: str) -> str | None:
    """Why calls must not go to `url`, or None. Plain http is for loopback only: it would show the key."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # brackets that hold no address, a port that is no number
        return "not a URL; expected https://HOST"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "expected https://HOST, or http:// with a loopback host for tests"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "expected scheme, host and perhaps a path; no user, password, query or fragment"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "plain http shows the key to the network; use https (http is for loopback only)"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is of this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
