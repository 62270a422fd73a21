"""The result of reading: sources, counts and warnings, as a resumed run loads them again."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from importer.core.models import Hint, RunWarning
from importer.source import csv_grammar
from importer.source.csv_grammar import Layout
from importer.source.version import SourceVersion
from importer.validate.read_counts import ReadCounts

_BY_ATTRIBUTE = ("blanks", "undeclared", "gone_values")


@dataclass(frozen=True, slots=True)
class Original:
    """How the rows of one source are written back.

    `path` as given; `format` as the source has it; `header` the bytes before the first row; `newline` the
    source's line end; `layout` how its text is written, None where rows are kept as cells.
    """

    path: str
    format: str
    header: bytes
    newline: bytes
    layout: Layout | None


@dataclass(frozen=True, slots=True)
class ReadSource:
    """One source as the run knows it: enough to read its spooled rows when the file itself is gone."""

    path: str
    format: str
    rows: int
    layout: csv_grammar.Layout | None
    header: bytes
    newline: bytes
    mark: SourceVersion | None = None

    def original(self) -> Original:
        """How rows of this source are written back."""
        return Original(self.path, self.format, self.header, self.newline, self.layout)


@dataclass(slots=True)
class ReadResult:
    """The result of reading. `edges` is the last source order of each part of the reports, in order.

    `contents` is the hash of each source by its path, where the import increases values (see
    storage.counted_lists). `guards` is what the guards found in the list: guard → sentence. `mixed` names the
    attributes whose texts are of several kinds, where the destination fixes a type by the first one.
    """

    sources: list[ReadSource] = field(default_factory=list)
    edges: list[int] = field(default_factory=list)
    counts: ReadCounts = field(default_factory=ReadCounts)
    limited: bool = False
    warnings: list[RunWarning] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    guards: Mapping[str, str] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)

    @property
    def paths(self) -> Sequence[str]:
        """The paths of the sources, in the order read."""
        return [source.path for source in self.sources]

    @property
    def sources_of_list(self) -> Sequence[ReadSource]:
        """The sources without the one of our own rows, the last one, which clear who has left the list."""
        return self.sources[:-1] if self.counts.gone_rows else self.sources

    def cells(self, layout: int, rows: pl.DataFrame) -> pl.DataFrame:
        """Spooled rows → their cells under the source's own column names."""
        known = self.sources[layout].layout
        return rows["cells"].struct.unnest() if known is None else csv_grammar.parse(known, rows["raw"])

    def dump(self) -> dict[str, Any]:
        """As JSON, for a later attempt of the run."""
        intake = asdict(self.counts)
        intake["reasons"] = [[*key, count] for key, count in self.counts.reasons.items()]
        intake["by_source"] = [[*key, count] for key, count in self.counts.by_source.items()]
        intake |= {name: dict(getattr(self.counts, name)) for name in _BY_ATTRIBUTE}
        sources = [
            {
                "path": s.path,
                "format": s.format,
                "rows": s.rows,
                "layout": asdict(s.layout) if s.layout else None,
                "header": b64encode(s.header).decode(),
                "newline": b64encode(s.newline).decode(),
                "mark": asdict(s.mark) if s.mark else None,
            }
            for s in self.sources
        ]
        return {
            "sources": sources,
            "edges": self.edges,
            "intake": intake,
            "limited": self.limited,
            "warnings": [asdict(w) for w in self.warnings],
            "contents": self.contents,
            "guards": dict(self.guards),
            "mixed": self.mixed,
            "hints": [asdict(hint) for hint in self.hints],
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> "ReadResult":
        """The result that an earlier attempt of the run stored.

        The journal has checked that it is what was stored. Version 0.1.0 stored fewer counts.
        """
        intake = dict(data["intake"])
        intake["reasons"] = Counter({(s, r, a): n for s, r, a, n in intake["reasons"]})
        by_source = intake.get("by_source", ())
        intake["by_source"] = Counter({(source, name): n for source, name, n in by_source})
        intake |= {name: Counter(intake.get(name, {})) for name in _BY_ATTRIBUTE}
        sources = [_load_source(s) for s in data["sources"]]
        warnings = [
            RunWarning(**{**w, "rows": tuple(w["rows"]), "files": tuple(w.get("files", ()))})
            for w in data["warnings"]
        ]
        edges, limited, contents = list(data["edges"]), bool(data["limited"]), dict(data["contents"])
        guards, mixed = dict(data["guards"]), list(data["mixed"])
        hints = [Hint(**hint) for hint in data.get("hints", ())]
        return cls(sources, edges, ReadCounts(**intake), limited, warnings, contents, guards, mixed, hints)


def _load_source(data: dict[str, Any]) -> ReadSource:
    layout = data["layout"]
    if layout:
        constants = tuple((name, text) for name, text in layout.get("constants", ()))
        dialect = csv_grammar.Dialect(**layout["dialect"])
        layout = csv_grammar.Layout(dialect, tuple(layout["columns"]), constants)
    mark = SourceVersion(**data["mark"]) if data["mark"] else None
    header, newline = b64decode(data["header"]), b64decode(data["newline"])
    kind = data.get("format", "csv" if layout else "parquet")  # of version 0.1.0: there were no others
    return ReadSource(data["path"], kind, data["rows"], layout, header, newline, mark)
