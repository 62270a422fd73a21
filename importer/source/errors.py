"""What the libraries of this package raise, as one SourceError of one or two sentences."""

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from importer.core.errors import SourceError


@contextmanager
def named(path: str) -> Iterator[None]:
    """A SourceError of rows of `path`, with the path in front where its message does not begin with it."""
    try:
        yield
    except SourceError as error:
        if str(error).startswith(path):
            raise
        raise SourceError(f"{path}: {error}") from None


@contextmanager
def read_errors(path: str) -> Iterator[None]:
    """What fails while `path` is read, as SourceError; the libraries' own texts can quote cells."""
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; check [source] path.") from None
    except PermissionError:
        raise SourceError(f"{path}: not allowed to read it; check its permissions.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile):
        raise SourceError(f"{path}: the compressed stream is truncated or damaged; fetch it again.") from None
    except NotImplementedError:  # zipfile's word for it
        raise SourceError(
            f"{path}: packed by an unknown method; unpack it, or pack it with Deflate."
        ) from None
    except pl.exceptions.DuplicateError:
        raise SourceError(f"{path}: two columns have the same name; rename one of them.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(
            f"{path}: cannot be read ({type(error).__name__}); fetch or export it again."
        ) from None
    except (MemoryError, SourceError):
        raise
    except Exception as error:
        if type(error).__module__.startswith(("backports.zstd", "compression.zstd", "obstore", "_zstd")):
            raise SourceError(_library_message(path, error)) from None
        raise


def _library_message(path: str, error: Exception) -> str:
    name = type(error).__name__
    if name == "ZstdError":
        return f"{path}: the compressed stream is truncated or damaged; fetch it again."
    text = f"{name} {error}".lower()
    for pattern, words in _STORE_ERRORS:
        if re.search(pattern, text):
            return f"{path}: {words}."
    return f"{path}: the object store answered {name}; check the URL and the credentials."


_STORE_ERRORS = (
    (
        r"nosuchbucket|containernotfound|bucket does not exist",
        "there is no such bucket; check its name and region",
    ),
    (
        r"accessdenied|permissiondenied|authorizationfailure|\b403\b",
        "access is denied; give the credentials the right to read it",
    ),
    (
        r"unauthenticated|invalidaccesskeyid|signaturedoesnotmatch|expiredtoken|\b401\b",
        "the credentials are wrong or have expired; renew them",
    ),
    (r"credential|metadata|169\.254|imds", "no credentials were found; set them in the environment"),
    (r"notfound|nosuchkey|\b404\b", "there is no such object; check its name"),
    (r"certificate|tls|ssl", "the store's certificate is not trusted; check the endpoint and SSL_CERT_FILE"),
    (r"dns|resolve|lookup", "the store's host name is not known; check endpoint and region"),
    (r"timed? ?out|connect|network", "the store could not be reached; check the endpoint and the network"),
)
"""What the text of a store's error tells, and the next step. Its own words could hold names of others."""
