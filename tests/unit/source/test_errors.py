"""What fails while a source is read is one sentence that quotes no cell."""

import gzip
import zlib

import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.errors import named, read_errors

SECRET = "ana@example.com"


def said(error: BaseException) -> str:
    """What a user reads of an error, which never holds the error's own text."""
    with pytest.raises(SourceError) as caught, read_errors("list.csv"):
        raise error
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(SECRET), "list.csv: no such file; check [source] path."),
        (PermissionError(SECRET), "list.csv: not allowed to read it; check its permissions."),
        (EOFError(SECRET), "list.csv: the compressed stream is truncated or damaged; fetch it again."),
        (zlib.error(SECRET), "list.csv: the compressed stream is truncated or damaged; fetch it again."),
        (
            gzip.BadGzipFile(SECRET),
            "list.csv: the compressed stream is truncated or damaged; fetch it again.",
        ),
        (OSError(5, SECRET), "list.csv: cannot be read (OSError); fetch or export it again."),
        (
            pl.exceptions.DuplicateError(SECRET),
            "list.csv: two columns have the same name; rename one of them.",
        ),
        (
            pl.exceptions.ComputeError(SECRET),
            "list.csv: cannot be read (ComputeError); fetch or export it again.",
        ),
    ],
)
def test_an_error_of_a_file_is_said_with_the_next_step(error: Exception, sentence: str) -> None:
    assert said(error) == sentence


@pytest.mark.parametrize("error", [SourceError("list.csv: said already."), MemoryError(), KeyError("x")])
def test_any_other_error_goes_on_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, read_errors("list.csv"):
        raise error
    assert caught.value is error


def error_of_library(module: str, name: str, text: str) -> Exception:
    """An error as a library raises it: of its own class, with texts that it chose."""
    kind: type[Exception] = type(name, (Exception,), {"__module__": module})
    return kind(text)


def test_a_damaged_zstd_stream_is_a_damaged_stream() -> None:
    for module in ("backports.zstd", "compression.zstd", "_zstd"):
        error = error_of_library(module, "ZstdError", SECRET)
        assert said(error) == "list.csv: the compressed stream is truncated or damaged; fetch it again."


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("NotFoundError", "NoSuchBucket", "there is no such bucket; check its name and region"),
        (
            "GenericError",
            "HTTP status 403 Forbidden",
            "access is denied; give the credentials the right to read it",
        ),
        ("UnauthenticatedError", "x", "the credentials are wrong or have expired; renew them"),
        ("GenericError", "ExpiredToken", "the credentials are wrong or have expired; renew them"),
        ("GenericError", "no Credentials", "no credentials were found; set them in the environment"),
        ("NotFoundError", "key x", "there is no such object; check its name"),
        (
            "GenericError",
            "invalid peer certificate",
            "the store's certificate is not trusted; check the endpoint and SSL_CERT_FILE",
        ),
        ("GenericError", "dns error", "the store's host name is not known; check endpoint and region"),
        (
            "GenericError",
            "operation timed out",
            "the store could not be reached; check the endpoint and the network",
        ),
        (
            "OddError",
            "?",
            "the object store answered OddError; check the URL and the credentials",
        ),
    ],
)
def test_an_error_of_an_object_store_is_said_in_our_words(name: str, text: str, words: str) -> None:
    error = error_of_library("obstore.exceptions", name, f"{text} {SECRET}")
    assert said(error) == f"list.csv: {words}."


def test_an_error_of_rows_names_the_source_once() -> None:
    for message in ("list.csv: no.", "no."):
        with pytest.raises(SourceError) as caught, named("list.csv"):
            raise SourceError(message)
        assert str(caught.value) == "list.csv: no."
