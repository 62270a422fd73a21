"""Configuration files, and the program run as a user runs it: a process, its streams, its files."""

import csv
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support import warm
from tests.support.oracle.reading import (
    PEOPLE_STATES,
    ROW_STATES,
    VALUE_STATES,
    Attribute,
    Declared,
    Expected,
    Reject,
)
from tests.support.oracle.replies import KEY

ROOT = Path(__file__).resolve().parents[3]
KEY_NAME = "ORACLE_API_KEY"

REJECTS_HEADER = [
    "file",
    "row",
    "line",
    "distinct_id",
    "attribute",
    "value",
    "stage",
    "reason",
    "message",
    "status",
    "attempts",
    "at",
]
SUMMARY_KEYS = {
    "run_id",
    "name",
    "destination",
    "account",
    "confirms",
    "state",
    "exit_code",
    "started_at",
    "finished_at",
    "sources",
    "limited",
    "rows",
    "values",
    "people",
    "calls",
    "adjusted",
    "attributes",
    "format_version",
    "rejects",
    "warnings",
    "seconds",
    "requests_per_second",
    "peak_rss_bytes",
}


def toml(value: Any) -> str:
    """A value as TOML; tables are written by `config_text`."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def attribute_keys(a: Attribute) -> dict[str, Any]:
    """The keys of one `[attributes.KEY]` that are not the default."""
    found: dict[str, Any] = {"type": a.type}
    if a.column:
        found["column"] = a.column
    if a.options:
        found["options"] = a.options
    if a.allow_custom:
        found["allow_custom"] = True
    found |= {k: v for k in ("max_length", "min", "max") if (v := getattr(a, k)) is not None}
    if a.separator != "|":
        found["separator"] = a.separator
    if a.format:
        found["format"] = a.format
    if a.blank != "skip":
        found["blank"] = a.blank
    return found


def config_text(
    declared: Declared,
    path: object,
    base_url: str,
    *,
    name: str = "customers",
    source: Mapping[str, Any] | None = None,
    destination: Mapping[str, Any] | None = None,
) -> str:
    """A whole configuration file; `source` and `destination` add or replace keys of those tables."""
    tables: dict[str, Mapping[str, Any]] = {
        "source": {"path": str(path)} | dict(source or {}),
        "identity": {"column": declared.id_column},
        "destination": {
            "type": "vevee",
            "base_url": base_url,
            "api_key": f"env:{KEY_NAME}",
            "requests_per_second": 0,
            "max_in_flight": 8,
        }
        | dict(destination or {}),
    }
    tables["source"] = _source_defaults(declared) | dict(tables["source"])
    tables |= {f"attributes.{json.dumps(a.key)}": attribute_keys(a) for a in declared.attributes}
    lines = [f"name = {toml(name)}"]
    for title, table in tables.items():
        lines += ["", f"[{title}]", *(f"{k} = {toml(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _source_defaults(declared: Declared) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if declared.null_values != ("",):
        found["null_values"] = declared.null_values
    if declared.ignore:
        found["ignore"] = declared.ignore
    if declared.delimiter != ",":
        found["delimiter"] = declared.delimiter
    return found


@dataclass(frozen=True)
class Result:
    """What one command did: exit code, streams, and the state folder it was given."""

    code: int
    out: str
    err: str
    state: Path

    def run_dir(self, run_id: str) -> Path:
        """The folder of one run."""
        return self.state / "runs" / run_id

    def summary(self, run_id: str) -> dict[str, Any]:
        """summary.json as `--json` prints it: the contract's keys, without the two of the file itself."""
        found: dict[str, Any] = json.loads((self.run_dir(run_id) / "summary.json").read_text("utf-8"))
        assert found.pop("state_version") == 1
        assert re.fullmatch("[0-9a-f]{8}", found.pop("checksum"))
        missing = SUMMARY_KEYS - found.keys()
        assert not missing, f"summary.json lacks {sorted(missing)}"
        assert_books(found)
        return found

    def reject_lines(self, run_id: str) -> list[dict[str, str]]:
        """rejects.csv, every column."""
        with (self.run_dir(run_id) / "rejects.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found = list(reader)
        assert list(reader.fieldnames or []) == REJECTS_HEADER
        return found

    def rejects(self, run_id: str) -> list[Reject]:
        """rejects.csv, the columns an oracle can know, in the file's order."""
        return [as_reject(line) for line in self.reject_lines(run_id)]

    def rejected_rows(self, run_id: str) -> list[Path]:
        """The files of rejected_rows/, in their order."""
        return sorted((self.run_dir(run_id) / "rejected_rows").iterdir())


def as_reject(line: Mapping[str, str]) -> Reject:
    """One line of rejects.csv. Of a row set aside the contract fixes neither id nor value, nor whether a
    missing id is the reader's find or the check's.
    """
    place = Path(line["file"]).name, int(line["row"]), int(line["line"] or 0)
    if line["attribute"]:
        return Reject(
            *place, line["distinct_id"], line["attribute"], line["value"], line["stage"], line["reason"]
        )
    stage = "read" if line["reason"].startswith("distinct_id_") else line["stage"]
    return Reject(*place, "", "", "", stage, line["reason"])


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The least a process needs, the key, and nothing of the caller's proxies or settings."""
    names = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_CONFIG")  # the last so that its lines count
    kept = {k: v for k in names if (v := os.environ.get(k)) is not None}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", KEY_NAME: KEY} | dict(extra or {})


def importer(
    *arguments: object,
    cwd: Path,
    state: Path | None = None,
    env: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    timeout: float = 120.0,
    stdin: str = "",
) -> Result:
    """Runs `python -m importer ARGUMENTS` to its end, under an umask of 0, and never leaves it behind.

    A process of its own, forked from one that has loaded the program where nothing differs by it.
    """
    state = state or cwd / ".importer"
    if not stdin:
        variables = {k: v for k, v in environment(env).items() if k not in without}
        code, out, err = warm.run([*map(str, arguments)], cwd, variables, timeout)
        return Result(code, out.decode(), err.decode(), state)
    with start(*arguments, cwd=cwd, env=env, without=without) as process:
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Result(process.returncode, out.decode(), err.decode(), state)


def killed(
    *arguments: object, cwd: Path, end: Callable[[], bool], env: Mapping[str, str] | None = None
) -> Result:
    """Runs the program as `importer` does, and kills it once `end()` is true, unless it ends before."""
    code, out, err = warm.killed([*map(str, arguments)], cwd, environment(env), end)
    return Result(code, out.decode(), err.decode(), cwd / ".importer")


def start(
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> "subprocess.Popen[bytes]":
    """Starts the program in a process group of its own."""
    variables = {k: v for k, v in environment(env).items() if k not in without}
    return subprocess.Popen(
        [sys.executable, "-m", "importer", *map(str, arguments)],
        cwd=cwd,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=0,
    )


def assert_books(summary: Mapping[str, Any]) -> None:
    """`read` is the sum of the other states, for rows, values and people."""
    for part, states in (("rows", ROW_STATES), ("values", VALUE_STATES), ("people", PEOPLE_STATES)):
        counts = summary[part]
        assert set(counts) == {"read", *states}, part
        assert counts["read"] == sum(counts[s] for s in states), (part, counts)
    assert sum(source["rows"] for source in summary["sources"]) == summary["rows"]["read"]
    for part, name in (("rows", "row_states"), ("values", "values")):
        for state, count in summary[part].items():
            assert sum(source[name][state] for source in summary["sources"]) == count, (part, state)
    for state, count in summary["values"].items():
        assert sum(attribute[state] for attribute in summary["attributes"]) == count, state
    for attribute in summary["attributes"]:
        assert attribute["read"] == sum(attribute[s] for s in VALUE_STATES), attribute
        assert attribute["rejected"] == sum(attribute["rejected_by"].values()), attribute
        assert all(count >= 0 for count in attribute["rejected_by"].values()), attribute
    for stage in ("check",):
        lines = sum(r["count"] for r in summary["rejects"] if r["stage"] == stage and r["attribute"])
        assert lines >= sum(attribute["rejected_by"][stage] for attribute in summary["attributes"])
    assert sum(attribute["adjusted"] for attribute in summary["attributes"]) == summary["adjusted"]


def assert_as_expected(result: Result, run_id: str, expected: Expected) -> dict[str, Any]:
    """Counts and rejects of a run are the oracle's; returns the summary."""
    summary = result.summary(run_id)
    assert summary["values"] == expected.values
    assert summary["rows"] == expected.rows
    assert summary["people"] == expected.people
    assert summary["adjusted"] == expected.adjusted
    assert_same_rejects(result.rejects(run_id), expected.rejects)
    counted = {(r["stage"], r["reason"], r["attribute"]): r["count"] for r in summary["rejects"]}
    lines = result.reject_lines(run_id)
    for (stage, reason, attribute), count in counted.items():
        same = [x for x in lines if (x["stage"], x["reason"], x["attribute"]) == (stage, reason, attribute)]
        assert len(same) == count, (stage, reason, attribute)
    assert sum(counted.values()) in (len(lines), len(lines) - summary["adjusted"])
    assert [r["count"] for r in summary["rejects"]] == sorted(counted.values(), reverse=True)
    return summary


def assert_same_rejects(found: Sequence[Reject], expected: Sequence[Reject]) -> None:
    """The same lines, by file and row; `*` as an expected reason stands for any word."""

    def sortable(r: Reject) -> tuple[str, int, str, str]:
        return r.file, r.row, r.attribute, r.stage

    assert [(r.file, r.row) for r in found] == sorted((r.file, r.row) for r in found), "not in order"
    mine, theirs = sorted(expected, key=sortable), sorted(found, key=sortable)
    wild = {sortable(r) for r in mine if r.reason == "*"}
    theirs = [replace(r, reason="*", value="") if sortable(r) in wild and r.reason else r for r in theirs]
    missing, unexpected = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
    assert not missing, f"{missing.total()} missing: {list(missing)[:3]}; found {list(unexpected)[:3]}"
    assert not unexpected, f"{unexpected.total()} unexpected: {list(unexpected)[:3]}"


def assert_private(state: Path) -> None:
    """The state folder and everything in it is its owner's alone, and git does not see it."""
    assert (state / ".gitignore").read_text().strip() == "*"
    for path in [state, *state.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path.relative_to(state)}: {mode:o}"
