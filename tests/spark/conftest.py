"""A Spark session on this machine: two tasks at a time, each tried four times.

Without pyspark or Java these tests are skipped with a word; where CI=true they fail, so that CI never passes
because it could not run them.
"""

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PANDAS = "PySpark does not yet fully support pandas"
"""What pyspark says of pandas 3, which we do not use."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.spark)
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{PANDAS}:FutureWarning"))


def missing() -> str:
    """What these tests lack; "" where they can run."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: see CONTRIBUTING.md, Checks"
    return "" if shutil.which("java") or os.environ.get("JAVA_HOME") else "there is no Java on this machine"


def session(name: str) -> Any:
    """A session as small as possible; the executors use this very Python."""
    from pyspark.sql import SparkSession

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "3",
        "spark.sql.session.timeZone": "Asia/Kolkata",
        "spark.driver.memory": "1g",
        "spark.log.level": "ERROR",
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", PANDAS, FutureWarning)
        builder = SparkSession.builder.master("local[2,4]").appName(name)
        for key, value in settings.items():
            builder = builder.config(key, value)
        return builder.getOrCreate()


@pytest.fixture(autouse=True, scope="session")
def _can_run() -> None:
    if lack := missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(lack)


@pytest.fixture(scope="session")
def spark(_can_run: None) -> Iterator[Any]:
    started = session("tests")
    yield started
    started.stop()
