"""`changed_only` where columns name a person to the destination: another address is another person there."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from importer.chunk.identity_rows import IdentityRows
from importer.core.models import RunSummary
from importer.testing import DestinationContract, Stage
from importer.values import row_hash

EXAMPLE = Path(__file__).parents[2] / "config" / "attentive.toml"
Rows = Sequence[Mapping[str, str]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with DestinationContract().staged(tmp_path, EXAMPLE) as stage:
        data = dict(stage.data)
        stage.data = data | {
            "run": {"changed_only": True},
            "destination": {**data["destination"], "account": "test"},
        }
        yield stage


@pytest.fixture
def rows(stage: Stage) -> list[dict[str, str]]:
    return DestinationContract().rows(stage, ["p1", "p2", "p3"])


def night(stage: Stage, rows: Rows, name: str) -> RunSummary:
    summary = stage.run(rows, run_id=name)
    assert (summary.exit_code, summary.message) == (0, "")
    return summary


def test_a_person_with_another_address_is_written_again_and_nobody_else(
    stage: Stage, rows: list[dict[str, str]]
) -> None:
    assert night(stage, rows, "n1").people["called"] == 3
    assert night(stage, rows, "n2").people["called"] == 0
    rows[1]["email"] = "new@example.com"
    again = night(stage, rows, "n3")
    assert again.people["called"] == 1
    assert again.values["applied"] == len(stage.attributes)
    assert night(stage, rows, "n4").people["called"] == 0


def test_an_address_that_was_not_known_counts_as_the_same_and_is_known_from_then_on(
    stage: Stage, rows: list[dict[str, str]]
) -> None:
    """As after an upgrade from a version whose snapshot does not say what named a person."""

    def without_hashes(_: IdentityRows, found: pl.DataFrame) -> pl.DataFrame:
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IdentityRows, "with_hashes", without_hashes)
        patch.setattr(row_hash, "_NAMING", "")
        assert night(stage, rows, "n1").people["called"] == 3
    rows[0]["email"] = "new@example.com"
    assert night(stage, rows, "n2").people["called"] == 0
    rows[1]["email"] = "newer@example.com"
    assert night(stage, rows, "n3").people["called"] == 1
    assert night(stage, rows, "n4").people["called"] == 0


def test_another_value_is_sent_alone_where_the_address_is_the_same(
    stage: Stage, rows: list[dict[str, str]]
) -> None:
    night(stage, rows, "n1")
    rows[2][stage.column("postal_code")] = "01067"
    changed = night(stage, rows, "n2")
    assert (changed.people["called"], changed.values["applied"]) == (1, 1)
