"""A million rows: what executors read and check is what a plain run reads and checks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import importer
import importer.spark
from tests.spark.cluster import SETTINGS
from tests.spark.people import MILLION, differing, facts, left, mapping, options, rows
from tests.spark.sessions import session

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module", params=["local", "cluster"])
def started(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A session of this machine, then one of a cluster."""
    if request.param == "local":
        found = session()
    else:
        found = session(request.getfixturevalue("cluster").master, SETTINGS)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lake") / "million.parquet"
    rows(MILLION).write_parquet(path, row_group_size=MILLION // 8)
    return path


@pytest.fixture(scope="module")
def plain(million: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    asked = options(tmp_path_factory.mktemp("plain"), NOWHERE)
    return facts(importer.check(mapping(), str(million), asked), {})


@pytest.mark.parametrize("kind", ["table", "shuffled"])
def test_a_million_rows_are_the_same_people_rejects_and_counts(
    kind: str, started: Any, million: Path, plain: dict[str, Any], tmp_path: Path
) -> None:
    df = started.read.parquet(str(million))
    df = df.repartition(8).sortWithinPartitions("note") if kind == "shuffled" else df
    summary = importer.spark.check(df, mapping(), options(tmp_path, NOWHERE), staging=tmp_path / "staging")
    assert summary.rows["read"] > MILLION
    assert differing(facts(summary, {}), plain) == []
    assert left(tmp_path / "staging") == []
