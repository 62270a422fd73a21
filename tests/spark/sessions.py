"""Sessions of Spark, as small as possible."""

import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCAL = "local[2,4]"
"""Two tasks at a time, each tried four times."""

PANDAS = "PySpark does not yet fully support pandas"
"""What pyspark says of pandas 3, which we do not use."""

QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Compiled once and simply: these JVMs end before more would be of use."""

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "3",
    "spark.sql.session.timeZone": "Asia/Kolkata",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": QUICK_JVM,
    "spark.executor.extraJavaOptions": QUICK_JVM,
    "spark.executorEnv.PYTHONPATH": str(ROOT),
    "spark.log.level": "ERROR",
}


def java() -> str:
    """The program that Spark starts; "" where there is none."""
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin/java" if home else shutil.which("java") or ""


def session(master: str = LOCAL, more: dict[str, str] | None = None) -> Any:
    """A session; the executors use this very Python."""
    from pyspark.sql import SparkSession

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", PANDAS, FutureWarning)
        builder = SparkSession.builder.master(master).appName("tests")
        for key, value in {**SETTINGS, **(more or {})}.items():
            builder = builder.config(key, value)
        return builder.getOrCreate()
