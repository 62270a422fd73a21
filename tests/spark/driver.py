"""A program that imports a data frame, to be killed.

`python -m tests.spark.driver MASTER TABLE MAPPING FOLDER URL SETTINGS LAST`: mapping and settings as JSON;
`seal` as the last argument lets it wait where it would begin to send. The run is called `night`.
"""

import json
import sys
import time
from pathlib import Path

import importer.spark
from importer.pipeline import library
from tests.spark.people import options
from tests.spark.sessions import session


def main(master: str, table: str, mapping: str, folder: str, url: str, settings: str, last: str) -> None:
    if last == "seal":
        setattr(library, "resume", lambda *_, **__: time.sleep(3600))  # noqa: B010 - mypy refuses the short form
    df = session(master, json.loads(settings)).read.parquet(table).repartition(6)
    place = Path(folder)
    asked = options(place, url, run_id="night")
    importer.spark.run(df, json.loads(mapping), asked, staging=place / "staging")


if __name__ == "__main__":
    main(*sys.argv[1:])
