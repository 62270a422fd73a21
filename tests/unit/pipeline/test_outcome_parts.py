"""The values that no chunk has: those that the check refused."""

from pathlib import Path

from importer.core.outcome_table import scan_outcomes
from importer.pipeline.outcome_parts import put_check_rejects
from importer.report.outcome_files import OutcomeFiles
from tests.support.stages import staged


def test_values_that_the_check_refused_have_their_line_and_the_hash_of_their_row(tmp_path: Path) -> None:
    with staged(tmp_path, text="id,plan,age\np1,off,x\n,a,1\np2,a,1\np3,off,1\n") as it:
        read, files = it.read(), OutcomeFiles(it.spec.folder)
        for _ in range(2):  # each attempt writes them
            put_check_rejects(files, it.spec, read.result)
        table = scan_outcomes(files.folder).sort("row", "attribute").collect()
    assert table.select("row", "line", "distinct_id", "attribute", "stage", "outcome").rows() == [
        (1, 2, "p1", "age", "check", "rejected"),
        (1, 2, "p1", "plan", "check", "rejected"),
        (4, 5, "p3", "plan", "check", "rejected"),
    ]
    assert table["reason"].unique().to_list() == ["attribute_value_invalid"]
    first, second, third = table["fingerprint"]
    assert first == second != third
    assert None not in (first, third)


def test_a_damaged_part_leaves_the_others(tmp_path: Path) -> None:
    with staged(tmp_path) as it:
        read, files = it.read(), OutcomeFiles(it.spec.folder)
        for path in it.spec.folder.work.glob("batch-*.parquet"):
            path.write_bytes(b"damaged")
        put_check_rejects(files, it.spec, read.result)
    assert files.counts().total() == 0
