"""A program that imports a data frame, to be killed: `python -m tests.spark.driver TABLE FOLDER URL RUN`."""

import sys
from pathlib import Path

import importer.spark
from tests.spark.conftest import session
from tests.spark.people import mapping, options


def main(table: str, folder: str, url: str, run_id: str) -> None:
    df = session("driver").read.parquet(table).repartition(6)
    place = Path(folder)
    asked = options(place, url, run_id=run_id)
    importer.spark.run(df, mapping(), asked, staging=place / "staging")


if __name__ == "__main__":
    main(*sys.argv[1:])
