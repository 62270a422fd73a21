"""What `check` does in place of sending: it counts what was read."""

from concurrent.futures import ThreadPoolExecutor

from importer.chunk.tally import Tally
from importer.reconcile.check_counts import CheckCounts
from importer.reconcile.chunk_report import ChunkReport
from importer.report.reject_files import RejectFiles
from importer.storage.spool import ChunkPlan, Spool

THREADS = 2
"""Chunks that are counted at one time; each may take a chunk's bytes in memory."""


def count_flags(counts: CheckCounts, spool: Spool, reports: RejectFiles, tally: Tally) -> None:
    """Adds to `tally` how the rows of the spool end, where only their flags were spooled."""

    def count(plan: ChunkPlan) -> ChunkReport:
        closed = counts.report(piece for _, piece in spool.read(plan))
        reports.add_chunk(plan.number, closed.rejects, closed.kept)
        return closed

    with ThreadPoolExecutor(THREADS, "counting") as threads:
        for closed in threads.map(count, spool.plan()):
            tally.add(closed.tally)
