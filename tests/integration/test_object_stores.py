"""Lists in an object store, against an S3 server of their own (moto's): files, globs, folders, faults."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # only this test uses it
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from importer.core.errors import SourceError, StateError
from importer.report.outcome_export import export
from importer.source.locate import expand
from importer.source.options import SourceOptions
from importer.source.reader import open_source
from importer.source.version import version_of

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
        ("s3://lists/in/none.csv", "no such file|no such object"),
        ("s3://lists/in/none.parquet", "no such file|no such object|cannot be read"),
        ("s3://no-such-bucket/in/a.csv", "no such bucket|no such file|no such object"),
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
