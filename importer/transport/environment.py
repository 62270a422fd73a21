"""What the environment says of connections: the proxy, and further CA certificates.

The modules for it are loaded where they are used: a check connects to nothing.
"""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from importer.core.errors import ConfigError

if TYPE_CHECKING:
    import ssl


def check_environment(base_url: str) -> None:
    """ConfigError where a proxy or a file of certificates is named that cannot be used for `base_url`."""
    proxy_for(base_url)
    if urlsplit(base_url).scheme == "https":
        tls_context()


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address (HTTPS_PROXY, NO_PROXY, ...), None = none.

    ConfigError where it is none that can be used. Its text is not quoted: it may hold a password.
    """
    import urllib.request

    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not _is_http_proxy(proxy):
        raise ConfigError(
            f"{parts.scheme.upper()}_PROXY: expected http://HOST:PORT or https://HOST:PORT, the address of "
            "an HTTP proxy; correct or unset it."
        )
    return proxy or None


def _is_http_proxy(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def tls_context() -> "ssl.SSLContext":
    """The CA certificates that are accepted: those of SSL_CERT_FILE where it is set, else the system's.

    Takes a tenth of a second. ConfigError where SSL_CERT_FILE names no readable file of certificates.
    """
    import ssl

    context = ssl.create_default_context()
    named = os.environ.get("SSL_CERT_FILE")
    if named and not _load(context, named):
        raise ConfigError(
            "SSL_CERT_FILE: expected a readable file of CA certificates in PEM; correct or unset it."
        )
    return context


def _load(context: "ssl.SSLContext", path: str) -> bool:
    """Whether all of a file is certificates; OpenSSL itself passes over a file that it cannot read."""
    try:
        text = Path(path).read_text("ascii")
        context.load_verify_locations(cadata=text)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return "-----BEGIN CERTIFICATE-----" in text


cached_tls_context = cache(tls_context)
"""The same, read once in a process."""
