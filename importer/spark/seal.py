"""What turns the pieces of a cluster into a run: once all tasks have ended, those that count are named."""

from collections.abc import Sequence

from importer.core.errors import StateError
from importer.spark.piece import Job, Written
from importer.storage.staging import Staging, staging_of


def seal(job: Job, pieces: Sequence[Written]) -> None:
    """Records the pieces, one for each partition, and removes what other attempts have left.

    Where the run is sealed already, its first seal stays. StateError where a piece is missing.
    """
    staging = staging_of(job.location, job.run_id)
    if staging.read_seal() is None:
        _require_all(staging, pieces)
        ordered = sorted(pieces, key=lambda one: one.partition)
        named = [{"name": one.name, "rows": one.rows} for one in ordered]
        rows = sum(one.rows for one in ordered)
        seal = {"made_with": dict(job.made_with), "snapshot": job.snapshot, "rows": rows, "pieces": named}
        staging.write_seal(seal)
    staging.end_job(job.token)  # first: a task that ends between these two lines removes its own piece
    remove_others(staging)


def _require_all(staging: Staging, pieces: Sequence[Written]) -> None:
    if len({one.partition for one in pieces}) != len(pieces):
        raise StateError("staging: two pieces of one partition; stage the table again under another run id.")
    if missing := {one.name for one in pieces} - set(staging.pieces()):
        raise StateError(
            f"staging: {len(missing):,} of {len(pieces):,} pieces are not there; is it the same place on all "
            "machines of the cluster?"
        )


def remove_others(staging: Staging) -> None:
    """Removes the pieces that the seal does not name."""
    sealed = staging.read_seal()
    if sealed is not None:
        wanted = {str(one["name"]) for one in sealed["pieces"]}
        for name in set(staging.pieces()) - wanted:
            staging.remove(name)


def abandon(job: Job) -> None:
    """Removes the pieces of a call that failed; a run that is sealed stays as it is."""
    staging = staging_of(job.location, job.run_id)
    staging.end_job(job.token)
    if staging.read_seal() is None:
        for name in staging.pieces():
            if job.token in name:
                staging.remove(name)
    else:
        remove_others(staging)
