"""Whether this process may open enough files at once."""

from importer.core.errors import ConfigError
from importer.core.process import open_file_limit

LEAST = 32
"""What one run has open at once: journal, caches, locks, event loop, its list, a connection, the libraries'.

Below it polars and uvloop abort the process instead of raising an error.
"""


def require_open_files() -> None:
    """ConfigError where the limit of this process is lower than that."""
    limit = open_file_limit()
    if limit is not None and limit < LEAST:
        raise ConfigError(
            f"This process may open {limit} files at once; an import needs at least {LEAST}. Raise the limit "
            "(ulimit -n 1024), then run it again. Nothing was sent."
        )
