"""Fetches one file from an address that the destination named, such as the results of a job.

It is not the destination's own address, so nothing of ours goes there: no key, no cookie, and no redirect is
followed. The name is looked up here and the connection made to exactly that address, which must be a public
one, unless the destination itself is on this machine (a sandbox).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from importer.config.urls import is_loopback
from importer.core.errors import RefusedError
from importer.core.models import Answer
from importer.transport.client import USER_AGENT, Endpoint, TransportError, context, proxy_for

MAX_FILE = 32 << 20
"""Longest file that is read, in bytes; what is longer is cut."""

_REFUSED = (
    "the destination names a place for its results that is not a public https address, so it is not fetched; "
    "nothing is lost: their values are unconfirmed."
)


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes a quarter of a second."""
    return context()


async def fetch(url: str, endpoint: Endpoint) -> Answer:
    """The answer to a plain GET, its body cut at MAX_FILE.

    RefusedError where the address must not be asked, TransportError where no usable answer came.
    """
    import httpx2

    place = _Place.of(url, local=is_loopback(urlsplit(endpoint.base_url).hostname or ""))
    proxy = proxy_for(url)
    target = url if proxy else await place.pinned()
    timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout)
    headers = {"Host": place.authority, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(endpoint.request_timeout),
            httpx2.AsyncClient(
                timeout=timeout, trust_env=False, proxy=proxy, verify=_certificates()
            ) as client,
            client.stream(
                "GET", target, headers=headers, extensions={"sni_hostname": place.host}
            ) as response,
        ):
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) >= MAX_FILE:
                    break
            return Answer(response.status_code, response.headers, bytes(body[:MAX_FILE]))
    except (httpx2.TransportError, httpx2.InvalidURL, TimeoutError):
        raise TransportError("the results of a job could not be fetched") from None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file is: `local` allows this machine and nothing else, else only public addresses count."""

    url: str
    host: str
    port: int
    authority: str
    local: bool

    @classmethod
    def of(cls, url: str, *, local: bool) -> "_Place":
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise RefusedError(_REFUSED) from None
        if not parts.hostname or parts.username or (parts.scheme != "https" and not local):
            raise RefusedError(_REFUSED)
        _require(parts.hostname, local=local)
        return cls(url, parts.hostname, port, parts.netloc, local)

    async def pinned(self) -> str:
        """The URL with the host's address in place of its name, every one of its addresses being allowed."""
        addresses = await _look_up(self.host, self.port)
        for address in addresses:
            _require(address, local=self.local)
        first = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        return urlsplit(self.url)._replace(netloc=f"{first}:{self.port}").geturl()


def _require(host: str, *, local: bool) -> None:
    """RefusedError for a literal address that must not be asked; a name is looked up first."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return
    if not (address.is_loopback if local else address.is_global and not address.is_multicast):
        raise RefusedError(_REFUSED)


async def _look_up(host: str, port: int) -> Sequence[str]:
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise TransportError("the host of a job's results was not found", connected=False) from None
    return [str(entry[4][0]) for entry in found]
