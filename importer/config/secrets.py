"""Secrets by reference: read when they are needed, and named in no message."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from importer.config.schema import Config
from importer.core.errors import ConfigError
from importer.destinations.base import Destination


def read_key(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that `api_key` refers to, without its final line end.

    ConfigError where the variable is not set, the file is missing or readable by others, or the key is empty
    or not of one line of printable ASCII. The message names the variable or file, never the key.
    """
    key = read_reference(config.destination.api_key, "the API key", environ)
    problem = config.build_destination().key_problem(key)
    if problem:
        raise ConfigError(f"{config.destination.api_key}: {problem}")
    return key


def read_reference(reference: str, what: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret that `env:NAME` or `file:PATH` refers to; `what` says in a ConfigError what it should be."""
    kind, _, place = reference.partition(":")
    secret = _of_environment(place, what, environ) if kind == "env" else _of_file(place)
    if not secret or not secret.isascii() or not secret.isprintable():
        key, found = what.rpartition(" ")[2], "found other characters" if secret else "found nothing"
        raise ConfigError(
            f"{reference}: expected a {key} of one line of printable ASCII characters, {found}."
        )
    return secret


def request_headers(
    config: Config, destination: Destination, key: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The headers of every request, those that the configuration refers to included; ConfigError as above."""
    secret = {
        name: read_reference(reference, f"the header {name}", environ)
        for name, reference in destination.secret_headers().items()
    }
    return {**destination.headers(key), **secret}


def secret_variables(config: Config) -> frozenset[str]:
    """The environment variables that hold secrets of this configuration."""
    notify = config.notify
    own = config.build_destination().secret_headers().values()
    references = [config.destination.api_key, notify.webhook or "", *notify.headers.values(), *own]
    return frozenset(r.removeprefix("env:") for r in references if r.startswith("env:"))


def _of_environment(name: str, what: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ConfigError(
            f"The environment variable {name} is not set; it should hold {what}. Set it, or write file:PATH."
        )
    return environ[name].strip()


def _is_credential(path: Path) -> bool:
    """Whether systemd gave the file to this service alone: its access list looks like a group's right."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def _of_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigError(
            f"{path}: the key file is missing or cannot be read as ASCII text; correct it or its path."
        ) from None
    if stat.S_IMODE(mode) & (0o007 if _is_credential(path) else 0o077):
        raise ConfigError(f"{path}: the key file is readable by others; run: chmod 600 {path}")
    return text
