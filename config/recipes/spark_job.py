"""A table of a lake, every night: read and checked by a Spark cluster, sent by this process.

SPARK_REMOTE names a cluster that is reached by Spark Connect; without it, the session is one of this machine
or that of `spark-submit`. A job that was stopped may be started again on the same day: it goes on where it
stopped, and sends nothing twice.

    IMPORTER_CONFIG      the configuration
    IMPORTER_TABLE       the table, as `spark.read.table` takes it
    IMPORTER_STATE_DIR   on a disk of this machine that is there again the next night
    IMPORTER_STAGING     a folder or URL that this machine and the cluster can write to
"""

import os
import sys
from datetime import UTC, datetime

from pyspark.sql import SparkSession

import importer
import importer.spark
from importer.errors import ImporterError


def main() -> int:
    """The exit code is that of the command; docs/how-to/schedulers.md says what a scheduler does with it."""
    spark = SparkSession.builder.appName("importer").getOrCreate()
    people = spark.read.table(os.environ["IMPORTER_TABLE"])
    options = importer.Options(
        state_dir=os.environ["IMPORTER_STATE_DIR"],
        run_id=f"{datetime.now(UTC):%Y-%m-%d}",
        max_rejects=importer.RejectLimit.parse("1%"),
        max_duration=6 * 3600,
    )
    try:
        summary = importer.spark.run(
            people, os.environ["IMPORTER_CONFIG"], options, staging=os.environ["IMPORTER_STAGING"]
        )
    except ImporterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:
        spark.stop()
    print(summary.state, summary.values, summary.report)
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main())
