"""A list that lies in a lake: read and checked by Apache Spark where it lies, sent by the calling process.

`importer.spark.run(df, config, staging=PLACE)` is `importer.run` for a Spark data frame. It needs the extra
`spark`.
"""

from importer.spark.changes import changed
from importer.spark.library import check, resume, run

__all__ = ["changed", "check", "resume", "run"]
