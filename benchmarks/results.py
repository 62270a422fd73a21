"""The ratios of one run: printed beside the last committed ones, and kept as JSON.

`results.json` has one table of ratios for the quick run and one for the full run, each with its machine,
version, commit and day. `python -m docs.generate` draws the quick ones for the page on performance. A ratio
that is worse than the committed one by more than WORSE is a regression.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from importer.core.package import version

PATH = Path(__file__).parent / "results.json"
WORSE = 0.15


@dataclass(frozen=True)
class Ratio:
    """One figure beside that of another program in the same run. `more_is_better`: of rates, not of times."""

    name: str
    value: float
    more_is_better: bool = False


def committed(kind: str, path: Path = PATH) -> dict[str, float]:
    """The ratios that were kept last, by name; empty where there are none. `kind` is "quick" or "full"."""
    return dict(_read(path).get(kind, {}).get("ratios", {}))


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def keep(kind: str, ratios: Iterable[Ratio], path: Path = PATH) -> None:
    """Writes the ratios of this run in the place of the last ones of the same kind."""
    table = {
        "machine": describe(),
        "version": version(),
        "commit": _commit(),
        "day": datetime.now(UTC).date().isoformat(),
        "ratios": {ratio.name: round(ratio.value, 3) for ratio in ratios},
    }
    path.write_text(json.dumps({**_read(path), kind: table}, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _commit() -> str:
    """The commit of this tree, shortened; "" where it is no clone."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""


def compared(ratios: Iterable[Ratio], before: dict[str, float]) -> Iterator[str]:
    """A line of a table for each ratio: now, before, and a mark where it is a regression."""
    yield "| ratio | now | before | |"
    yield "|---|---|---|---|"
    for ratio in ratios:
        was = before.get(ratio.name)
        mark = "worse" if was is not None and is_worse(ratio, was) else ""
        yield f"| {ratio.name} | {ratio.value:.2f} | {'' if was is None else f'{was:.2f}'} | {mark} |"


def is_worse(ratio: Ratio, before: float) -> bool:
    """Whether it is a regression."""
    now, then = (before, ratio.value) if ratio.more_is_better else (ratio.value, before)
    return now > then * (1 + WORSE)
