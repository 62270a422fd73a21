"""What `check` does in place of sending: it counts what was read."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from importer.chunk.tally import Tally
from importer.reconcile.check_counts import CheckCounts
from importer.reconcile.chunk_report import ChunkReport
from importer.report.reject_files import RejectFiles
from importer.storage.flag_spool import FlagSpool
from importer.storage.spool import ChunkPlan, SpoolWriter

THREADS = 2
"""Chunks that are counted at one time; each may take a chunk's bytes in memory."""


def count_flags(counts: CheckCounts, flags: FlagSpool, reports: RejectFiles, tally: Tally) -> None:
    """Adds to `tally` how the rows end whose flags were spooled."""
    numbers = itertools.count()

    def add(closed: ChunkReport) -> None:
        reports.add_chunk(next(numbers), closed.rejects, closed.kept)
        tally.add(closed.tally)

    repeated = SpoolWriter(flags.folder, flags.width)
    for rows in flags.single(repeated):
        add(counts.report_single(rows))
    spool = repeated.finish()

    def count(plan: ChunkPlan) -> ChunkReport:
        return counts.report(piece for _, piece in spool.read(plan))

    with ThreadPoolExecutor(THREADS, "counting") as threads:
        for closed in threads.map(count, spool.plan()):
            add(closed)
