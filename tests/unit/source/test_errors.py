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
        (OSError(5, SECRET), "list.csv: cannot be read: input/output error; fetch or export it again."),
        (
            pl.exceptions.DuplicateError(SECRET),
            "list.csv: two columns have the same name; rename one of them.",
        ),
        (
            pl.exceptions.ComputeError(SECRET),
            "list.csv: cannot be read: damaged; fetch or export it again.",
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
            "Server returned non-2xx status code: 403 Forbidden",
            "access is denied; give the credentials the right to read it",
        ),
        (
            "PermissionDeniedError",
            "status code: 403 Forbidden: <Code>InvalidAccessKeyId</Code>",
            "the credentials are wrong or have expired; renew them",
        ),
        (
            "GenericError",
            "PUT http://169.254.169.254/latest/api/token status code: 403 Forbidden",
            "no credentials were found; set them in the environment",
        ),
        (
            "GenericError",
            "after 3 retries: status code: 503 Service Unavailable",
            "the store was tried several times and is overloaded or out of order; run again later",
        ),
        (
            "GenericError",
            "GET http://tls.example/permission-dns in 401.2ms, after 3 retries: status code: 503 Unavailable",
            "the store was tried several times and is overloaded or out of order; run again later",
        ),
        (
            "NotFoundError",
            'for path not "permission: tls.csv": Error: status code: 404 { path: "credential.csv", uri: None',
            "there is no such object; check its name",
        ),
        (
            "GenericError",
            "HTTP error: request or response body error",
            (
                "the connection broke off again and again, or the object was replaced while it was read; "
                "run again"
            ),
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


def test_what_polars_says_of_an_object_is_said_in_the_same_words() -> None:
    """It raises the errors of the operating system for an object, too."""
    for error, words in {
        FileNotFoundError("status code: 404 Not Found: NoSuchBucket"): "there is no such bucket",
        PermissionError("status code: 403 Forbidden: InvalidAccessKeyId"): "the credentials are wrong",
        OSError("object-store error: response body error"): "the connection broke off",
        pl.exceptions.ComputeError("out of specification"): "cannot be read: damaged",
    }.items():
        with pytest.raises(SourceError) as caught, read_errors("s3://lists/a.parquet"):
            raise error
        assert str(caught.value).startswith(f"s3://lists/a.parquet: {words}")


def test_an_error_of_rows_names_the_source_once() -> None:
    for message in ("list.csv: no.", "no."):
        with pytest.raises(SourceError) as caught, named("list.csv"):
            raise SourceError(message)
        assert str(caught.value) == "list.csv: no."
