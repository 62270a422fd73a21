"""Lists at az:// URLs, against Azurite, the emulator of Azure's blob storage.

`npm install azurite` in a folder of its own, then `PATH=FOLDER/node_modules/.bin:$PATH pytest -m slow
tests/long/test_azure.py`. Without it the tests are skipped.
"""

import base64
import gzip
import hmac
import io
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import obstore
import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source.locate import expand
from importer.source.object_store import store_of
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.version import version_of
from tests.support.disturbed_runs import until

pytestmark = pytest.mark.slow

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What every Azurite has: learn.microsoft.com/azure/storage/common/storage-use-azurite."""

CSV = b"id,n\n" + b"".join(b"%d,x%d\n" % (i, i) for i in range(2000))
EXPECTED = [(str(i), f"x{i}") for i in range(2000)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        until(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
        server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def lists(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container of its own for the test, with a list of each kind below `in/`; its URL."""
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    name = f"lists{datetime.now(UTC).strftime('%H%M%S%f')}"
    _make_container(endpoint, name)
    table = io.BytesIO()
    pl.DataFrame({"id": range(2000), "n": [f"x{i}" for i in range(2000)]}).write_parquet(table)
    bodies = {"a.csv": CSV, "b.csv.gz": gzip.compress(CSV), "c.parquet": table.getvalue(), "_SUCCESS": b""}
    for key, body in bodies.items():
        put(f"az://{name}/in/{key}", body)
    return f"az://{name}"


def put(url: str, body: bytes) -> None:
    store, key = store_of(url)
    obstore.put(store, key, body)


def _make_container(endpoint: str, name: str) -> None:
    """By a request signed with the key of the account, as Azure's page on Shared Key describes it."""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": now, "x-ms-version": "2021-08-06"}
    lines = [f"{header}:{value}" for header, value in headers.items()]
    signed = "\n".join(["PUT", *[""] * 11, *lines, f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"])
    digest = hmac.digest(base64.b64decode(KEY), signed.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def rows(url: str) -> list[tuple[str, str]]:
    found = [row for batch in open_source(url, SourceOptions()).batches() for row in batch.cells.rows()]
    return [(str(one), other) for one, other in found]


def test_a_list_of_every_kind_is_read(lists: str) -> None:
    urls = [f"{lists}/in/{name}" for name in ("a.csv", "b.csv.gz", "c.parquet")]
    assert expand([f"{lists}/in/"], base=Path()) == urls
    assert expand([f"{lists}/in/*.csv*"], base=Path()) == urls[:2]
    assert [rows(url) == EXPECTED for url in urls] == [True] * 3


def test_an_object_that_is_replaced_has_another_version(lists: str) -> None:
    before = version_of(f"{lists}/in/a.csv")
    assert before is not None
    assert before.size == len(CSV)
    put(f"{lists}/in/a.csv", CSV + b"x,y\n")
    assert version_of(f"{lists}/in/a.csv") != before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{lists}/in/none.csv", "there is no such object"),
        ("{lists}/in/none.parquet", "there is no such object"),
        ("az://no-such-container/in/a.csv", "there is no such bucket"),
        ("az://no-such-container/in/a.parquet", "there is no such"),
    ],
)
def test_what_is_not_there_is_said(url: str, message: str, lists: str) -> None:
    with pytest.raises(SourceError, match=message):
        rows(url.format(lists=lists))


def test_wrong_and_missing_credentials_are_said(lists: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(SourceError, match="access is denied"):
        rows(f"{lists}/in/a.csv")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    with pytest.raises(SourceError, match="no credentials were found"):
        rows(f"{lists}/in/a.csv")


def test_a_store_that_does_not_answer_is_said(lists: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:9/{ACCOUNT}")
    with pytest.raises(SourceError, match="the store could not be reached"):
        rows(f"{lists}/in/a.csv")
