"""`importer snapshot export`: what the snapshot knows of each person's row, as a table for other engines."""

from pathlib import Path

from importer.config.options import Options
from importer.config.schema import Config
from importer.pipeline.open_snapshot import snapshot_of
from importer.storage import locks, snapshot_exports, state_folder
from importer.storage.run_folder import RunFolder

_HOLDER = "snapshot-export"
"""What stands in the place of a run's id while the import is locked."""


def export_snapshot(config: Config, options: Options, place: str | None = None) -> str:
    """Writes the fingerprints of an import's snapshot into a folder or URL; the path or URL of the file.

    None = the state folder. Without a run before there is nobody in it. StateError where a run is going on,
    or the place does not take the file; ConfigError for options that do not fit.
    """
    config, state_dir = options.applied_to(config), options.state_dir_of(config)
    state_folder.prepare(state_dir)
    holder = RunFolder(Path(state_dir) / "runs" / _HOLDER)
    with locks.import_lock(state_dir, config, holder, options.lock_timeout):
        return snapshot_exports.export(snapshot_of(state_dir, config), state_dir, place)
