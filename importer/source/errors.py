"""What the libraries of this package raise, as one SourceError of one or two sentences."""

import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
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
    except (MemoryError, SourceError):
        raise
    except Exception as error:
        words = _words(error, is_object="://" in path)
        if words is None:
            raise
        raise SourceError(f"{path}: {words}.") from None


def _words(error: Exception, *, is_object: bool) -> str | None:
    """What has happened and the next step; None for an error that no library of this package raises."""
    for kinds, words in _COMPRESSION_ERRORS:
        if isinstance(error, kinds):
            return words
    if type(error).__name__ == "ZstdError":
        return _COMPRESSION_ERRORS[0][1]
    if type(error).__module__.startswith("obstore") or (is_object and isinstance(error, OSError)):
        return _store_words(error)
    for kinds, words in _FILE_ERRORS:
        if isinstance(error, kinds):
            return words.format(
                os.strerror(errno).lower() if (errno := getattr(error, "errno", 0)) else "damaged"
            )
    return None


_COMPRESSION_ERRORS: Sequence[tuple[tuple[type[Exception], ...], str]] = (
    (
        (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile),
        "the compressed stream is truncated or damaged; fetch it again",
    ),
    ((NotImplementedError,), "packed by an unknown method; unpack it, or pack it with Deflate"),
)
"""NotImplementedError is zipfile's word for such a method."""

_FILE_ERRORS: Sequence[tuple[tuple[type[Exception], ...], str]] = (
    ((FileNotFoundError,), "no such file; check [source] path"),
    ((PermissionError,), "not allowed to read it; check its permissions"),
    ((pl.exceptions.DuplicateError,), "two columns have the same name; rename one of them"),
    ((OSError, pl.exceptions.PolarsError), "cannot be read: {}; fetch or export it again"),
)


def _store_words(error: Exception) -> str:
    """From the text of an object store's error, which obstore and polars pass on, each as its own kind."""
    name = type(error).__name__
    text = f"{name} {error}".lower()
    if re.search(_NO_METADATA, text):
        return _NO_CREDENTIALS
    text = re.sub(_PLACES, "", text)
    for pattern, words in _STORE_ERRORS:
        if re.search(pattern, text):
            return words
    return f"the object store answered {name}; check the URL and the credentials"


_NO_METADATA = r"//169\.254\.|/latest/api/token|//metadata\.google"
"""The service of a cloud's own machines that gives them credentials."""

_NO_CREDENTIALS = "no credentials were found; set them in the environment"

_PLACES = r'https?://\S+|for path .*?(?=: error)|path: ".*?"'
"""Addresses and names of objects, which may hold any word; Rust writes a quotation mark in a name as \\"."""

_STORE_ERRORS = (
    (
        r"nosuchbucket|containernotfound|bucket does not exist",
        "there is no such bucket; check its name and region",
    ),
    (
        r"unauthenticated|invalidaccesskeyid|signaturedoesnotmatch|(?:expired|invalid)token|status code: 401",
        "the credentials are wrong or have expired; renew them",
    ),
    (
        r"accessdenied|permission|privileges|authorizationfailure|status code: 403",
        "access is denied; give the credentials the right to read it",
    ),
    (r"notfound|not found|nosuchkey|status code: 404", "there is no such object; check its name"),
    (
        r"status code: (?:429|5\d\d)",
        "the store was tried several times and is overloaded or out of order; run again later",
    ),
    (
        r"incompletebody|response body error|end of file|connection reset|connection closed|unexpectedeof",
        "the connection broke off again and again, or the object was replaced while it was read; run again",
    ),
    (r"credential|imds", _NO_CREDENTIALS),
    (r"certificate|tls|ssl", "the store's certificate is not trusted; check the endpoint and SSL_CERT_FILE"),
    (r"dns|resolve|lookup", "the store's host name is not known; check endpoint and region"),
    (r"timed? ?out|connect|network", "the store could not be reached; check the endpoint and the network"),
)
"""What the text of a store's error tells, and the next step. Its own words could hold names of others."""
