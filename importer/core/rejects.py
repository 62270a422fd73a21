"""A refused value or row: its reason, and the columns in which every stage writes it down."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

INVALID = "attribute_value_invalid"
TOO_LONG = "attribute_value_too_long"
NOT_DECLARED = "option_not_declared"
BLANK = "attribute_value_blank"
NULL_MEMBER = "list_member_null"
EMPTY_LIST = "list_empty"
SEVERAL = "several_values"
PATTERN = "pattern_not_matched"

REJECTS: Mapping[str, pl.DataType] = {
    "order": pl.Int64(),
    "position": pl.Int32(),
    "line": pl.Int64(),
    "distinct_id": pl.String(),
    "attribute": pl.String(),
    "value": pl.String(),
    "stage": pl.String(),
    "reason": pl.String(),
    "message": pl.String(),
    "status": pl.Int32(),
    "attempts": pl.Int32(),
    "at": pl.String(),
}
"""The columns of a rejects frame. `position` orders the lines of one row: the row itself is -1, then the
attributes as declared. `at` is empty until the report is written for what was never sent."""

EARLIER_STAGES = {"trim": "adjust"}
"""Stages by the name that an earlier version has written, each with its name now."""


def stage_now(stage: str) -> str:
    """The name of a stage that any version has written."""
    return EARLIER_STAGES.get(stage, stage)


TIME_INVALID = "row_time_invalid"
"""A row that cannot be put in order among the rows of its person."""

SET_ASIDE_FREE = "header_repeated"
"""The one reason that is no fault of a customer's row: it never makes a run exit 1."""


def rejects_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the columns of REJECTS, in their order; what it lacks is null (`position`: -1)."""
    lacking = [
        pl.lit(-1 if name == "position" else None, kind).alias(name)
        for name, kind in REJECTS.items()
        if name not in frame.columns
    ]
    return frame.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in REJECTS.items())


REPORT_COLUMNS = (
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
)
"""The columns of `rejects.csv`."""


def read_reject_file(path: Path) -> pl.DataFrame:
    """The lines of a `rejects.csv`, every column as text; no rows where there is no such file."""
    if not path.exists():
        return pl.DataFrame(schema=dict.fromkeys(REPORT_COLUMNS, pl.String))
    return pl.read_csv(path, infer_schema=False).fill_null("")
