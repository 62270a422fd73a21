"""What a check counts in place of sending."""

from collections import Counter
from pathlib import Path

import pytest

from importer.chunk.tally import Tally
from importer.pipeline.check_stage import count_flags
from importer.reconcile.check_counts import CheckCounts
from importer.report.reject_files import RejectFiles
from importer.storage import spool
from importer.storage.run_folder import RunFolder
from importer.storage.spool import SpoolWriter
from importer.validate.validator import Validator
from tests.support.chunks import CONFIG, Row, batches

TABLE: list[Row] = [
    ("p1", "a", "1", "x"),
    ("p1", "off", "", "y"),
    *((f"q{n}", "b", "x", "z") for n in range(20)),
]


@pytest.mark.parametrize("chunk_bytes", [1, 8 << 20])
def test_every_row_and_value_is_counted_whatever_the_chunks(
    chunk_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "CHUNK_BYTES", chunk_bytes)
    folder, counts = RunFolder(tmp_path), CheckCounts(CONFIG)
    folder.make_folders()
    writer, validator = SpoolWriter(folder.spool), Validator(CONFIG, 200, keeps_rows=False)
    for batch in batches(TABLE, 5):
        writer.add(counts.flags_of(validator.validate(batch, 0)), 0)
    tally, read = Tally(), writer.finish()
    assert (len(read.plan()) > 1) == (chunk_bytes == 1)
    count_flags(counts, read, RejectFiles(folder), tally)
    assert tally.rows == Counter(not_attempted=22)
    assert tally.values == Counter(not_attempted=1 + 1 + 20 + 20, superseded=2, rejected=1 + 20)
    assert tally.people == Counter(not_attempted=21)
    assert sum(tally.values.values()) == validator.counts.values_read
    assert tally.reasons == Counter(), "what the check refuses is counted when it is read"
