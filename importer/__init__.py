"""Customer lists into customer-engagement APIs, every row accounted for.

`importer.run(config, sources)` is the same function as the command `importer run`; `config` is a path, a
mapping with the keys of the TOML file, or an `importer.config.Config`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importer.config.options import Options, RejectLimit
    from importer.core.models import RunSummary
    from importer.pipeline.runner import check, resume, retry, run

__all__ = ["Options", "RejectLimit", "RunSummary", "check", "resume", "retry", "run"]

_HOMES = {"RunSummary": "core.models", "Options": "config.options", "RejectLimit": "config.options"}


def __getattr__(name: str) -> Any:
    """Loads the library on first use, so that `import importer.core.errors` stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'importer' has no attribute {name!r}")
    import importlib

    home = _HOMES.get(name, "pipeline.runner")
    return getattr(importlib.import_module(f"importer.{home}"), name)
