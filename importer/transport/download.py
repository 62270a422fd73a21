"""Fetches one file from an address that the destination named, such as the results of a job.

It is not the destination's own address, so nothing of ours goes there: no key, no cookie, and no redirect is
followed. The name is looked up here, and the connection goes to exactly that address, which must be a public
one, unless the destination itself is on this machine (a sandbox). A proxy looks names up itself: then only
the name can be checked, and literal addresses are refused.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from importer.config.urls import is_loopback
from importer.core.errors import RefusedError
from importer.core.models import Answer
from importer.transport.client import Endpoint, user_agent
from importer.transport.environment import cached_tls_context, proxy_for
from importer.transport.errors import TransportError

MAX_FILE = 32 << 20
"""Longest file that is read, in bytes; what is longer is cut."""

MAX_SECONDS = 300.0
"""Longest time for one file, in seconds."""

_REFUSED = (
    "the destination names a place for its results that is not a public https address, so it is not fetched; "
    "nothing is lost: their values are unconfirmed."
)
_OVERHEAD = 1 << 20  # bytes of head, chunk sizes and trailers beside the file itself
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")


async def fetch(url: str, endpoint: Endpoint) -> Answer:
    """The answer to a plain GET, its body cut at MAX_FILE.

    RefusedError where the address must not be asked, TransportError where no usable answer came.
    """
    import httpx2

    from importer.transport.httpx_client import BoundedTransport, read_body

    place = _Place.of(url, local=is_loopback(urlsplit(endpoint.base_url).hostname or ""))
    proxy = proxy_for(url)
    if proxy:
        place.require_name()
    target = url if proxy else await place.pinned()
    timeout = httpx2.Timeout(endpoint.read_timeout, connect=endpoint.connect_timeout)
    headers = {"Host": place.authority, "User-Agent": user_agent(), "Accept-Encoding": "identity"}
    transport = BoundedTransport(MAX_FILE + _OVERHEAD, cached_tls_context(), proxy)
    try:
        async with (
            asyncio.timeout(MAX_SECONDS),
            httpx2.AsyncClient(timeout=timeout, trust_env=False, transport=transport) as client,
            client.stream(
                "GET", target, headers=headers, extensions={"sni_hostname": place.host}
            ) as response,
        ):
            body = await read_body(response.aiter_raw(), MAX_FILE)
            return Answer(response.status_code, response.headers, body)
    except (httpx2.TransportError, httpx2.InvalidURL, TimeoutError):
        raise TransportError("the results of a job could not be fetched") from None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file is: on this machine where `local`, else at a public address."""

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
        place = cls(url, parts.hostname, port, parts.netloc, local)
        if (address := _literal(parts.hostname)) is not None:
            place._require(address)
        return place

    def require_name(self) -> None:
        """RefusedError for a literal address of another machine, which a proxy may not be asked for."""
        if _literal(self.host) is not None and not self.local:
            raise RefusedError(_REFUSED)

    async def pinned(self) -> str:
        """The URL with the host's address in place of its name; each address of the host must be allowed."""
        addresses = await _look_up(self.host, self.port)
        for address in addresses:
            self._require(ipaddress.ip_address(address.split("%", maxsplit=1)[0]))
        first = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        return urlsplit(self.url)._replace(netloc=f"{first}:{self.port}").geturl()

    def _require(self, address: "_Address") -> None:
        if not all(one.is_loopback if self.local else _is_public(one) for one in _all_of(address)):
            raise RefusedError(_REFUSED)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _literal(host: str) -> _Address | None:
    """The address that a host is written as, None where it is a name."""
    try:
        return ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return None


def _is_public(address: _Address) -> bool:
    return address.is_global and not address.is_multicast


def _all_of(address: _Address) -> Iterator[_Address]:
    """The address, and the IPv4 address inside it: a gateway may send the packets there."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped or address.sixtofour:
        yield address.ipv4_mapped or address.sixtofour  # type: ignore[misc]  # one of them is there
    elif address.teredo:
        yield from address.teredo
    elif any(address in network for network in _NAT64) or (address in _COMPATIBLE and int(address) > 1):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


async def _look_up(host: str, port: int) -> Sequence[str]:
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise TransportError("the host of a job's results was not found", connected=False) from None
    return [str(entry[4][0]) for entry in found]
