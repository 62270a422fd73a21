"""How the last run of an import ended, as an OpenMetrics text file for a node exporter's folder.

Gauges only: then the older text format, which a node exporter reads, means the same.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from importer.config.schema import Config
from importer.core.errors import StateError
from importer.storage import atomic_files
from importer.storage.run_history import RunHistory

_HELP = {
    "last_run_timestamp_seconds": "When the last run ended.",
    "last_success_timestamp_seconds": "When a run last went to its end (exit code 0 or 1).",
    "last_run_exit_code": "The exit code of the last run.",
    "last_run_duration_seconds": "How long the last run took.",
    "last_run_rows": "Rows of the last run by state; read is their sum.",
    "last_run_values": "Values of the last run by state; read is their sum.",
    "last_run_people": "People of the last run by state; read is their sum.",
    "last_run_attribute_values": "Values of the last run by attribute and state; read is their sum.",
    "last_run_attribute_blank": "Blank cells of the last run by attribute.",
    "last_run_source_rows": "Rows of the last run by source and state; read is their sum.",
    "last_run_source_values": "Values of the last run by source and state; read is their sum.",
    "last_run_calls": "Requests of the last run.",
    "last_run_peak_rss_bytes": "Most memory that the last run used.",
}


def text(
    config: Config, exit_code: int, at: float, known: RunHistory, summary: Mapping[str, Any] | None
) -> str:
    """The file's content; `at` is Unix time in seconds, `summary` None where a run never came to one."""
    labels = {"import": config.name, "destination": config.destination.type}
    if config.destination.account:
        labels["account"] = config.destination.account
    lines: list[str] = []
    for name, samples in _families(exit_code, at, known, summary or {}):
        lines += [f"# TYPE importer_{name} gauge", f"# HELP importer_{name} {_HELP[name]}"]
        lines += [f"importer_{name}{_labels(labels | more)} {value:.16g}" for more, value in samples]
    return "\n".join([*lines, "# EOF", ""])


Samples = list[tuple[dict[str, str], float]]


def _families(
    exit_code: int, at: float, known: RunHistory, summary: Mapping[str, Any]
) -> Iterator[tuple[str, Samples]]:
    yield "last_run_timestamp_seconds", [({}, round(at, 3))]
    if known.succeeded_at is not None:
        yield "last_success_timestamp_seconds", [({}, round(known.succeeded_at, 3))]
    yield "last_run_exit_code", [({}, exit_code)]
    if not summary:
        return
    yield "last_run_duration_seconds", [({}, _duration(summary))]
    for name in ("rows", "values", "people"):
        yield f"last_run_{name}", [({"state": state}, count) for state, count in summary[name].items()]
    yield from _parts(summary)
    yield "last_run_calls", [({"kind": kind}, count) for kind, count in summary["calls"].items()]
    yield "last_run_peak_rss_bytes", [({}, summary["peak_rss_bytes"])]


def _parts(summary: Mapping[str, Any]) -> Iterator[tuple[str, Samples]]:
    """The same counts by attribute and by source."""
    attributes, sources, states = summary["attributes"], summary["sources"], tuple(summary["values"])
    yield (
        "last_run_attribute_values",
        [({"attribute": a["attribute"], "state": state}, a[state]) for a in attributes for state in states],
    )
    yield "last_run_attribute_blank", [({"attribute": a["attribute"]}, a["blank"]) for a in attributes]
    for name, key in (("rows", "row_states"), ("values", "values")):
        yield (
            f"last_run_source_{name}",
            [({"source": s["path"], "state": state}, n) for s in sources for state, n in s[key].items()],
        )


def _duration(summary: Mapping[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(summary[name]) for name in ("started_at", "finished_at"))
    return (ended - began).total_seconds()


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(folder: Path, name: str, content: str) -> str:
    """Puts the file into the folder, whole or not at all; a sentence where it cannot be.

    It holds no value of a person, and the node exporter is another user: everybody may read it.
    """
    path = folder / f"importer-{name}.prom"
    try:
        atomic_files.write_bytes(path, content.encode(), mode=0o644)
    except StateError:
        return f"the metrics were not written: {path} cannot be"
    return ""
