"""How the sandbox behaves, as its caller sets it."""

from collections.abc import Iterator
from dataclasses import dataclass

from importer.config.urls import is_loopback
from importer.core.errors import ConfigError
from importer.sandbox.faults import RETRY_AFTER, Fault


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox behaves; ConfigError where something cannot be.

    `latency` is in seconds, from a request's arrival to its answer. `rate_limit` is an unannounced limit in
    requests per second, 0 = none: a sliding window as long as `rate_window` seconds that counts what was let
    through; 0 seconds lets no burst through at all. It answers 429, with `rate_retry_after` as in `Fault`.
    After `quota` stored writes every further one is answered with the vendor's quota. `archived` and
    `undefined` name attributes of the config that the destination shall have archived, or not know at all.
    `log` is how many of the latest requests are remembered. `port` 0 takes any free one.
    """

    faults: tuple[Fault, ...] = ()
    latency: float = 0.0
    rate_limit: float = 0.0
    rate_window: float = 1.0
    rate_retry_after: str | None = None
    quota: int | None = None
    seed: int = 0
    archived: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    log: int = 0
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ConfigError(f"sandbox: {problem}.")

    def _problems(self) -> Iterator[str]:
        if not is_loopback(self.host):
            yield "host: expected a loopback address such as 127.0.0.1; the sandbox is not for the network"
        if not 0 <= self.port < 1 << 16:
            yield "port: expected 0 (any free one) to 65535"
        if min(self.latency, self.rate_limit, self.rate_window, self.quota or 0, self.log) < 0:
            yield "latency, rate limit, rate window, quota and log cannot be negative"
        if self.rate_retry_after is not None and not RETRY_AFTER.fullmatch(self.rate_retry_after):
            yield "rate_retry_after: expected seconds (2) or a date so many seconds ahead (date:2)"
        if sum(f.share for f in self.faults) > 1 + 1e-9:
            yield "the shares of the faults add up to more than 1"
