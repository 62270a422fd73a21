"""What an import that counts has sent, by content: an `increase` must not be applied by sending a list again.

Kept for each import in `<state-dir>/counted/`, written before the first call of a run goes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars_hash as plh

from importer.config.schema import Config
from importer.core.errors import ConfigError, StateError, command
from importer.storage import account, atomic_files, checked_files, run_folder, state_folder
from importer.storage.checked_files import DamagedError
from importer.storage.run_folder import RunFolder
from importer.values import cell_texts

_WORD = 1 << 64


def is_counting(config: Config) -> bool:
    """Whether sending this import twice is not the same as sending it once."""
    return any(a.operation == "increase" for a in config.attributes.values())


@dataclass(slots=True)
class ContentHash:
    """The content of a source: its rows, whatever their order and however they are packed."""

    rows: int = 0
    total: int = 0

    def add(self, cells: pl.DataFrame, raw: pl.Series | None) -> None:
        """Takes more rows: their text where the source has one, else their cells."""
        text = raw if raw is not None else _joined(cells)
        hashes = text.to_frame("t").select(plh.col("t").nchash.xxhash64()).to_series()
        self.rows += len(text)
        self.total = (self.total + int(hashes.cast(pl.Int128).sum())) % _WORD

    def absorb(self, *contents: str) -> None:
        """Takes the rows of other parts of the same source, each as the text of its hash."""
        for content in contents:
            rows, _, total = content.partition("-")
            self.rows += int(rows)
            self.total = (self.total + int(total, 16)) % _WORD

    def __str__(self) -> str:
        return f"{self.rows}-{self.total:016x}"


def _joined(cells: pl.DataFrame) -> pl.Series:
    columns = [cell_texts.display(c).fill_null("\x00") for c in cells.get_columns()]
    return pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator="\x1f")).to_series()


class CountedLists:
    """Content → the run that has sent it, of one import. StateError where it cannot be read or written."""

    def __init__(self, state_dir: Path, config: Config) -> None:
        self._path = state_dir / "counted" / f"{account.import_id(config)}.json"
        self._state_dir = state_dir

    def known(self) -> dict[str, str]:
        """All of it."""
        if not self._path.exists():
            return {}
        try:
            return dict(checked_files.read_json(self._path))
        except (OSError, DamagedError):
            raise StateError(
                f"{self._path}: damaged, so it is not known what was counted; see: importer runs. Delete it, "
                "and only lists that were never sent may follow."
            ) from None

    def remember(self, contents: Sequence[str], run_id: str) -> None:
        """Before the first call of a run: what it counts from here on."""
        known = self.known() | dict.fromkeys(contents, run_id)
        atomic_files.make_folder(self._path.parent)
        checked_files.write_json(self._path, known, durable=True)

    def refuse_unfinished(self, but: RunFolder) -> None:
        """ConfigError where a run that has begun to count is not finished: a new one would count again."""
        begun = set(self.known().values()) - {but.run_id}
        for folder in state_folder.all_runs(self._state_dir):
            state = run_folder.state_of(folder.read_meta(), folder.read_summary())
            if folder.run_id in begun and state not in ("finished", "superseded"):
                first = command("resume", folder.run_id, state_dir=self._state_dir)
                raise ConfigError(
                    f"Run {folder.run_id} of this import is not finished, and what it has increased must not "
                    f"be increased again; give it up with --allow-duplicates, or first: {first}"
                )

    def refuse_lost_journal(self, folder: RunFolder) -> None:
        """StateError where a run has begun to count a list that its journal does not know: that is lost."""
        if folder.run_id in self.known().values():
            raise StateError(
                f"{folder.journal}: lost what the run has sent, and an increase must not be sent twice. "
                "Compare with the destination what was counted, and give this run up with: "
                "importer run CONFIG --allow-duplicates"
            )

    def refuse_again(self, sources: Mapping[str, str], run_id: str) -> None:
        """ConfigError where another run has sent the content of one of these sources (path → content)."""
        known = self.known()
        for path, content in sources.items():
            if known.get(content, run_id) != run_id:
                raise ConfigError(
                    f"{path}: run {known[content]} has sent this content, and an increase counts whenever it "
                    "is sent. Nothing was sent; if it is meant, add --allow-duplicates."
                )
