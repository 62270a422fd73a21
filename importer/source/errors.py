"""What the libraries of this package raise, as one SourceError of one or two sentences."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from importer.core.errors import SourceError


@contextmanager
def read_errors(path: str) -> Iterator[None]:
    """What fails while `path` is read, as SourceError; the libraries' own texts can quote cells."""
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; check [source] path.") from None
    except PermissionError:
        raise SourceError(f"{path}: not allowed to read it; check its permissions.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise SourceError(f"{path}: the compressed stream is truncated or damaged; fetch it again.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"{path}: cannot be read ({type(error).__name__}); fetch or export it again."
        ) from None
    except (MemoryError, SourceError):
        raise
    except Exception as error:
        if type(error).__module__.startswith(("backports.zstd", "compression.zstd", "obstore", "_zstd")):
            raise SourceError(_library_message(path, type(error))) from None
        raise


def _library_message(path: str, kind: type[Exception]) -> str:
    if kind.__name__ == "ZstdError":
        return f"{path}: the compressed stream is truncated or damaged; fetch it again."
    return f"{path}: the object store answered {kind.__name__}; check the URL and the credentials."
