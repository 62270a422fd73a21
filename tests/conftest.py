"""What every test shares: no network beyond loopback, no state outside its own folder, no chance."""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

# The same examples on every machine and every day; speed is no property of a shared CI machine.
# No `explain`: it runs a failing example, a whole import perhaps, dozens of times more for a hint.
settings.register_profile(
    "importer",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.load_profile("importer")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are cores: a third of the time, tests wait for answers and for limits.

    A process without work takes tests from another one: the slow tests stand together, at the end.
    """
    if config.option.dist == "no":  # `--dist` in the settings would need `-n` for every run
        config.option.dist = "worksteal"
    return (os.cpu_count() or 1) + 1


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


class NetworkForbiddenError(AssertionError):
    """A test tried to leave the machine. Not an OSError, so that no retry can swallow it."""


def _is_local(host: object) -> bool:
    """True for a loopback address, `localhost`, and no host at all (which means this machine)."""
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """No connection and no name look-up beyond loopback, for the whole session.

    Names under `.invalid` may be looked up: they exist nowhere (RFC 6761).
    """
    resolve = socket.getaddrinfo

    def guarded(name: str) -> Any:
        original = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
                raise NetworkForbiddenError(f"a test connects to {address[0]}; only loopback is allowed")
            return original(self, address)

        return connect

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not name.endswith(".invalid") and not _is_local(name) and not _is_address(name):
            raise NetworkForbiddenError(f"a test looks up {name}; only loopback is allowed")
        return resolve(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, not there yet; commands use it without being told."""
    folder = tmp_path / "state"
    monkeypatch.setenv("IMPORTER_STATE_DIR", str(folder))
    return folder
