"""What a URL names, as far as no store is asked. tests/integration/test_object_stores.py asks one."""

import io

import pytest

from importer.source import object_store
from importer.source.object_store import URL, ObjectStream, expand_url, is_plain_http


@pytest.mark.parametrize("url", ["s3://b/k", "S3://b/k", "s3a://b/k", "gs://b/k", "az://b/k", "abfss://b/k"])
def test_a_url_of_a_store_is_told_from_a_path(url: str) -> None:
    assert URL.match(url)


@pytest.mark.parametrize(
    "path", ["list.csv", "/s3/list.csv", "s3:list.csv", "https://host/list.csv", "C:\\list.csv"]
)
def test_any_other_text_is_no_url_of_a_store(path: str) -> None:
    assert not URL.match(path)


def test_a_url_without_a_pattern_names_itself_and_asks_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "store_of", None)
    assert expand_url("s3://bucket/folder/list.csv") == ["s3://bucket/folder/list.csv"]


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [("http://127.0.0.1:9000", True), ("HTTP://store", True), ("https://store", False), ("", False)],
)
def test_an_endpoint_without_tls_is_used_only_where_the_user_names_it(
    endpoint: str, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert is_plain_http() == plain


def test_an_object_in_pieces_of_any_size_is_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pieces:
        """The one answer of the library that the stream looks at."""

        def get(self, store: object, key: str) -> "Pieces":
            assert (store, key) == ("store", "key")
            return self

        def stream(self, min_chunk_size: int) -> list[bytes]:
            assert min_chunk_size > 0
            return [b"id,n\n", b"1", b",a\n2,b\n"]

    monkeypatch.setattr(object_store, "store_of", lambda _: ("store", "key"))
    monkeypatch.setattr(object_store, "obstore", Pieces)
    with io.BufferedReader(ObjectStream("s3://bucket/key"), 4) as stream:
        assert stream.read(3) == b"id,"
        assert stream.read() == b"n\n1,a\n2,b\n"
        assert stream.read() == b""
