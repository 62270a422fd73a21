"""What the demo's sandbox does, and the key a sandbox takes."""

import os
from collections.abc import Mapping

from importer import destinations
from importer.config.schema import Config
from importer.config.secrets import read_key
from importer.core.errors import ConfigError
from importer.sandbox.faults import Fault
from importer.sandbox.options import SandboxOptions


def key_for(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """The key the configuration refers to where it can be read, else the vendor's `default_key`."""
    try:
        return read_key(config, environ)
    except ConfigError:
        return default_key(config)


def demo_options(config: Config) -> SandboxOptions:
    """How the vendor's sandbox behaves in the demo: one attribute of the sample list is refused."""
    vendor = destinations.load_sandbox(config.destination.type)
    faults = tuple(Fault(kind, every=1, times=0) for kind in vendor.demo_faults)
    lacking = frozenset({"legacy_score"})
    if vendor.demo_lacks == "archived":
        return SandboxOptions(faults, archived=lacking)
    return SandboxOptions(faults, undefined=lacking)


def default_key(config: Config) -> str:
    """The key that the vendor's sandbox takes where no other is given."""
    return destinations.load_sandbox(config.destination.type).default_key
