"""Customer lists into customer-engagement APIs, every row accounted for.

`importer.run(config, source)` is the command `importer run` as a function; `config` is a path, a mapping with
the keys of the TOML file, or an `importer.Config`; `source` is a path, a URL, a table, or several of them.
`await importer.arun(...)` is the same for a coroutine. The errors are in `importer.errors`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer import errors
    from importer.commands.explain import explain
    from importer.commands.verify import Verified, verify
    from importer.config.options import Options, RejectLimit
    from importer.config.schema import Config
    from importer.core.events import Event, Observer
    from importer.core.models import RunSummary
    from importer.pipeline.library import Progress, acheck, arun, check, resume, retry, run
    from importer.send.shutdown import StopRequest
    from importer.source.table import ArrowTable

__all__ = [
    "ArrowTable",
    "Config",
    "Event",
    "Observer",
    "Options",
    "Progress",
    "RejectLimit",
    "RunSummary",
    "StopRequest",
    "Verified",
    "acheck",
    "arun",
    "check",
    "errors",
    "explain",
    "resume",
    "retry",
    "run",
    "verify",
]

_HOMES = {
    "ArrowTable": "source.table",
    "Config": "config.schema",
    "Event": "core.events",
    "Observer": "core.events",
    "Options": "config.options",
    "RejectLimit": "config.options",
    "RunSummary": "core.models",
    "StopRequest": "send.shutdown",
    "Verified": "commands.verify",
    "explain": "commands.explain",
    "verify": "commands.verify",
}


def __getattr__(name: str) -> Any:
    """Loads the library on first use, so that `import importer.errors` is quick."""
    if name not in __all__:
        raise AttributeError(f"module 'importer' has no attribute {name!r}")
    import importlib

    if name == "errors":
        return importlib.import_module("importer.errors")
    return getattr(importlib.import_module(f"importer.{_HOMES.get(name, 'pipeline.library')}"), name)
