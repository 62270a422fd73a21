"""The same list by dlt: its CSV reader, a custom destination with one call a row, its widest settings.

    python dlt_import.py LIST URL

Run by the benchmark in an environment of its own. Prints rows and seconds as JSON.
"""

import json
import sys
import time

import dlt
import polars as pl
import requests

path, url = sys.argv[1:]
session = requests.Session()
session.headers["Authorization"] = "Bearer sk_test_benchmark"
sent = 0


@dlt.destination(
    batch_size=1, loader_file_format="typed-jsonl", name="vevee", skip_dlt_columns_and_tables=True
)
def vevee(items, table):  # noqa: ANN001, ANN201 - dlt's own signature
    """One call a row."""
    global sent  # noqa: PLW0603 - the destination is a function
    for row in items:
        attributes = {k: v for k, v in row.items() if v is not None and k != "customer_id"}
        body = {"distinctId": row["customer_id"], "attributes": attributes}
        session.post(f"{url}/api/v1/attributes/values/batch", json=body, timeout=30).raise_for_status()
        sent += 1


@dlt.resource(name="customers", max_table_nesting=0)
def customers():  # noqa: ANN201
    """The rows, read by polars."""
    yield pl.read_csv(path, schema_overrides={"customer_id": pl.String}).to_arrow().to_pylist()


began = time.perf_counter()
dlt.pipeline("benchmark", destination=vevee, pipelines_dir=sys.argv[0] + ".state").run(customers())
print(json.dumps({"rows": sent, "seconds": time.perf_counter() - began}))
