"""The TOML file: its sections, how it is loaded, and what the command line adds to it.

`from importer.config import Config, load, parse` loads pydantic and the destinations on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.config.loader import load, parse
    from importer.config.schema import Config

__all__ = ["Config", "load", "parse"]


def __getattr__(name: str) -> Any:
    """Loads a name on first use, so that the modules below stay light by themselves."""
    if name not in __all__:
        raise AttributeError(f"module 'importer.config' has no attribute {name!r}")
    import importlib

    home = "schema" if name == "Config" else "loader"
    return getattr(importlib.import_module(f"importer.config.{home}"), name)
