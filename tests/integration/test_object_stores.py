"""Lists in an object store, against an S3 server of their own (moto's): files, globs, folders, faults."""

import gzip
import io
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # only this test uses it
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from importer.core.errors import SourceError, StateError
from importer.pipeline.sources import refuse_changed
from importer.report.outcome_export import export
from importer.source.locate import expand
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.version import version_of
from importer.storage import snapshot_exports, state_folder
from importer.storage.snapshot import Snapshot
from importer.storage.staging import staging_of
from tests.support.mappings import config_of

CSV = b"id,n\n" + b"".join(b"%d,x%d\n" % (i, i) for i in range(2000))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="lists")
    table = io.BytesIO()
    pl.DataFrame({"id": range(2000), "n": [f"x{i}" for i in range(2000)]}).write_parquet(table)
    bodies = {"in/a.csv": CSV, "in/b.csv.gz": gzip.compress(CSV), "in/c.parquet": table.getvalue()}
    for key, body in {**bodies, "in/_SUCCESS": b"", "in/deep/d.csv": CSV}.items():
        client.put_object(Bucket="lists", Key=key, Body=body)
    return client


def rows(url: str) -> list[tuple[str, str]]:
    found = [row for batch in open_source(url, SourceOptions()).batches() for row in batch.cells.rows()]
    return [(str(one), other) for one, other in found]


EXPECTED = [(str(i), f"x{i}") for i in range(2000)]


@pytest.mark.parametrize("key", ["in/a.csv", "in/b.csv.gz", "in/c.parquet"])
def test_a_list_of_every_kind_is_read(key: str, bucket: Any) -> None:
    assert rows(f"s3://lists/{key}") == EXPECTED


def test_globs_and_folders_name_their_objects(bucket: Any) -> None:
    everything = [f"s3://lists/in/{name}" for name in ("a.csv", "b.csv.gz", "c.parquet")]
    assert expand(["s3://lists/in/"], base=Path()) == everything
    assert expand(["s3://lists/in/*.csv*"], base=Path()) == everything[:2]


def test_an_object_that_is_replaced_has_another_version(bucket: Any) -> None:
    before = version_of("s3://lists/in/a.csv")
    assert before is not None
    assert before.size == len(CSV)
    bucket.put_object(Bucket="lists", Key="in/a.csv", Body=CSV + b"x,y\n")
    assert version_of("s3://lists/in/a.csv") != before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://lists/in/none.csv", "there is no such object"),
        ("s3://lists/in/none.parquet", "there is no such object"),
        ("s3://no-such-bucket/in/a.csv", "there is no such bucket"),
        ("s3://no-such-bucket/in/a.parquet", "there is no such bucket"),
    ],
)
def test_what_is_not_there_is_said(url: str, message: str, bucket: Any) -> None:
    with pytest.raises(SourceError, match=message):
        rows(url)


def test_an_empty_folder_and_a_missing_bucket_hold_no_object(bucket: Any) -> None:
    with pytest.raises(SourceError, match="no object is found there"):
        expand(["s3://lists/none/"], base=Path())
    with pytest.raises(SourceError, match=r"no such bucket|no object is found|no such file"):
        expand(["s3://no-such-bucket/in/"], base=Path())


def test_a_store_that_does_not_answer_is_said(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="the store could not be reached"):
        rows("s3://lists/in/a.csv")


def test_a_table_of_outcomes_is_copied_and_replaced_by_a_later_attempt(bucket: Any, tmp_path: Path) -> None:
    def copied(*outcomes: str) -> set[str]:
        table = tmp_path / "-".join(outcomes)
        for outcome in outcomes:
            (table / f"outcome={outcome}").mkdir(parents=True)
            (table / f"outcome={outcome}" / "chunk-1.parquet").write_bytes(b"x")
        export(table, "night", "s3://lists/sync/")
        listed = bucket.list_objects_v2(Bucket="lists", Prefix="sync/")
        return {one["Key"] for one in listed["Contents"]}

    bucket.put_object(Bucket="lists", Key="sync/outcome=rejected/chunk-1.other.night.parquet", Body=b"y")
    other = "sync/outcome=rejected/chunk-1.other.night.parquet"
    assert copied("applied", "rejected") == {
        other,
        "sync/outcome=applied/chunk-1.night.parquet",
        "sync/outcome=rejected/chunk-1.night.parquet",
    }
    assert copied("applied") == {other, "sync/outcome=applied/chunk-1.night.parquet"}
    with pytest.raises(StateError, match=r"s3://none/x: the table of outcomes could not be copied there"):
        export(tmp_path / "applied", "night", "s3://none/x")


def test_fingerprints_are_put_under_the_name_of_the_import(bucket: Any, tmp_path: Path) -> None:
    state_folder.prepare(tmp_path / "state")
    known = Snapshot(tmp_path / "state", config_of(), lambda _: ())
    url = snapshot_exports.export(known, tmp_path / "state", "s3://lists/known")
    body = bucket.get_object(Bucket="lists", Key=url.removeprefix("s3://lists/"))["Body"].read()
    assert pl.read_parquet(io.BytesIO(body)).schema == snapshot_exports.EXPORT_COLUMNS
    with pytest.raises(StateError, match=r"s3://none/.*: the store did not take the file"):
        snapshot_exports.export(known, tmp_path / "state", "s3://none")


class Gateway(ThreadingHTTPServer):
    """Hands requests on to the store, with one fault.

    `refused`: the key is unknown. `overloaded`: 503. `cut`: every body ends in its middle. `cut once`: the
    first one does.
    """

    daemon_threads = True

    def __init__(self, store: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store
        self.fault = ""
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.server.fault == "overloaded":
            self._answer(503, {}, b"")
        elif self.server.fault == "refused":
            self._answer(403, {}, b"<Error><Code>InvalidAccessKeyId</Code></Error>")
        else:
            self._hand_on()

    def _hand_on(self) -> None:
        kept = ("range", "authorization", "x-amz-date", "x-amz-content-sha256", "if-match")
        headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
        request = urllib.request.Request(self.server.store + self.path, method=self.command, headers=headers)
        with urllib.request.urlopen(request) as answer:
            self._answer(answer.status, dict(answer.headers), answer.read())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        dropped = ("connection", "transfer-encoding", "date", "server")
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.fault.startswith("cut") and len(body) > 1:
            self.server.fault = "" if self.server.fault == "cut once" else "cut"
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)


@pytest.fixture(scope="module")
def gateways(endpoint: str) -> Iterator[Gateway]:
    with Gateway(endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(gateways: Gateway, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """One for the module, with a bucket of its own: polars keeps the endpoint of each bucket."""
    bucket.create_bucket(Bucket="faulty")
    for key in ("in/a.csv", "in/c.parquet"):
        bucket.copy_object(Bucket="faulty", Key=key, CopySource=f"lists/{key}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", gateways.url)
    gateways.fault = ""
    return gateways


@pytest.mark.parametrize("key", ["in/a.csv", "in/c.parquet"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("refused", "the credentials are wrong or have expired; renew them"),
        ("overloaded", "the store was tried several times and is overloaded"),
        ("cut", "the connection broke off again and again"),
    ],
)
def test_a_fault_of_the_store_is_said(fault: str, words: str, key: str, gateway: Gateway) -> None:
    gateway.fault = fault
    with pytest.raises(SourceError, match=words):
        rows(f"s3://faulty/{key}")


@pytest.mark.parametrize("key", ["in/a.csv", "in/c.parquet"])
def test_an_object_that_is_cut_off_once_is_read_to_its_end(key: str, gateway: Gateway) -> None:
    gateway.fault = "cut once"
    assert rows(f"s3://faulty/{key}") == EXPECTED
    assert gateway.fault == ""


def test_missing_credentials_are_said(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceError, match="no credentials were found; set them in the environment"):
        rows("s3://faulty/in/a.csv")


def test_an_object_that_is_replaced_while_it_is_read_stops_the_run(bucket: Any) -> None:
    source = open_source("s3://lists/in/a.csv", SourceOptions())
    refuse_changed([source])
    bucket.put_object(Bucket="lists", Key="in/a.csv", Body=CSV.replace(b"x", b"y"))
    with pytest.raises(SourceError, match="changed while it was read, so nothing was sent"):
        refuse_changed([source])


def test_pieces_of_a_cluster_are_handed_over_in_an_object_store(bucket: Any, tmp_path: Path) -> None:
    staging = staging_of("s3://lists/staging", "night")
    (tmp_path / "local" / "spool").mkdir(parents=True)
    (tmp_path / "local" / "spool" / "segment-00000").write_bytes(b"rows")
    (tmp_path / "local" / "piece.json").write_bytes(b"{}")
    for name in ("one", "other"):
        staging.publish(tmp_path / "local", name)
    assert staging.read_seal() is None
    staging.write_seal({"rows": 3})
    assert (staging.read_seal(), list(staging.pieces())) == ({"rows": 3}, ["one", "other"])
    staging.fetch("one", tmp_path / "fetched")
    assert (tmp_path / "fetched" / "spool" / "segment-00000").read_bytes() == b"rows"
    staging.remove("other")
    assert list(staging.pieces()) == ["one"]
    staging.begin_job("first")
    staging.begin_job("second")
    assert (staging.has_job("first"), staging.has_job("second")) == (False, True)
    staging.end_job("second")
    assert not staging.has_job("second")
    assert list(staging.pieces()) == ["one"]
    staging.clear()
    assert "Contents" not in bucket.list_objects_v2(Bucket="lists", Prefix="staging/")
