"""Spark on this machine: in one process, and as a cluster.

Without pyspark or Java these tests are skipped with a word; where CI=true they fail, so that CI never passes
because it could not run them.
"""

import faulthandler
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.spark.cluster import Cluster, running
from tests.spark.people import KEY, MILLION, PEOPLE
from tests.spark.sessions import PANDAS, java, session
from tests.spark.tables import Table, written

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.spark)
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{PANDAS}:FutureWarning"))


def missing() -> str:
    """What these tests lack; "" where they can run."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: see CONTRIBUTING.md, Checks"
    return "" if java() else "there is no Java on this machine"


@pytest.fixture(autouse=True, scope="session")
def _can_run() -> None:
    if lack := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lack)


@pytest.fixture(autouse=True)
def _no_time_limit() -> None:
    """That of the other tests (`faulthandler_timeout`) is too short where the machine has much else to do."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def spark(_can_run: None) -> Iterator[Any]:
    """A session of this machine. A process has one at a time, so it ends with its module."""
    started = session()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def cluster(_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A standalone cluster. One session at a time: each takes all of its cores."""
    with running(tmp_path_factory.mktemp("spark") / "cluster") as started:
        yield started


@pytest.fixture(
    scope="session",
    params=[pytest.param(PEOPLE, id="quick"), pytest.param(MILLION, id="million", marks=pytest.mark.slow)],
)
def table(
    _can_run: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Table]:
    """A list, and what a plain run of it comes to."""
    faulthandler.cancel_dump_traceback_later()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_TEST_KEY", KEY)
        yield written(tmp_path_factory.mktemp("lake"), request.param)
