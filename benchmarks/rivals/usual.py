"""The script a data engineer would write: polars, httpx, a semaphore, gather.

    python usual.py LIST URL

Run by the benchmark in an environment of its own. Prints rows and seconds as JSON.
"""

import asyncio
import json
import sys
import time

import httpx
import polars as pl

IN_FLIGHT = 64


async def send(client: httpx.AsyncClient, turn: asyncio.Semaphore, row: dict[str, object]) -> None:
    """One person's call; whatever is not a success stops the script."""
    body = {
        "distinctId": row.pop("customer_id"),
        "attributes": {key: value for key, value in row.items() if value is not None},
    }
    async with turn:
        response = await client.post("/api/v1/attributes/values/batch", json=body)
        response.raise_for_status()
        answer = response.json()
        assert answer["applied"] == len(body["attributes"])


async def main() -> None:
    """Reads the list and sends one call a row."""
    path, url = sys.argv[1:]
    began = time.perf_counter()
    frame = pl.read_csv(path, schema_overrides={"customer_id": pl.String})
    frame = frame.with_columns(pl.col("topics").str.split("|"))
    turn = asyncio.Semaphore(IN_FLIGHT)
    headers = {"Authorization": "Bearer sk_test_benchmark"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        await asyncio.gather(*(send(client, turn, row) for row in frame.iter_rows(named=True)))
    print(json.dumps({"rows": frame.height, "seconds": time.perf_counter() - began}))


asyncio.run(main())
