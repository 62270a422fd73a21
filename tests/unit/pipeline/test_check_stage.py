"""What a check counts in place of sending."""

from collections import Counter
from pathlib import Path

import pytest

from importer.chunk.tally import Tally
from importer.pipeline.check_stage import count_flags
from importer.reconcile.check_counts import CheckCounts
from importer.report.reject_files import RejectFiles
from importer.storage import flag_spool, spool
from importer.storage.flag_spool import FlagSpool
from importer.storage.run_folder import RunFolder
from importer.validate.validator import Validator
from tests.support.chunks import CONFIG, Row, batches

TABLE: list[Row] = [
    ("p1", "a", "1", "x"),
    ("p1", "off", "", "y"),
    *((f"q{n}", "b", "x", "z") for n in range(20)),
]


@pytest.mark.parametrize("many", [0, 10])
@pytest.mark.parametrize("chunk_bytes", [1, 8 << 20])
def test_every_row_and_value_is_counted_whatever_the_chunks(
    chunk_bytes: int, many: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(flag_spool, "MANY_REPEATED", many)
    monkeypatch.setattr(flag_spool, "MOST_EXTRA", 1)
    folder, counts = RunFolder(tmp_path), CheckCounts(CONFIG)
    folder.make_folders()
    flags, validator = FlagSpool(folder.spool, 3), Validator(CONFIG, 200, keeps_rows=False)
    for batch in batches(TABLE, 5):
        flags.add(counts.flags_of(validator.validate(batch, 0)))
    tally = Tally()
    count_flags(counts, flags, RejectFiles(folder), tally)
    assert tally.rows == Counter(not_attempted=22)
    assert tally.values == Counter(not_attempted=1 + 1 + 20 + 20, superseded=2, rejected=1 + 20)
    assert tally.people == Counter(not_attempted=21)
    assert sum(tally.values.values()) == validator.counts.values_read
    assert tally.reasons == Counter(), "what the check refuses is counted when it is read"
