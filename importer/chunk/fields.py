"""The attributes of an import as columns of a chunk's rows."""

from dataclasses import dataclass

from importer.chunk import aggregation
from importer.config.schema import Config

CLEAR = ""
"""Stands for a value to be cleared; JSON text is never empty."""


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute inside a chunk: column names of its winner (`v3`) and its dropped options (`d3`)."""

    index: int
    key: str
    operation: str

    @property
    def takes_all(self) -> bool:
        """Whether all values of a person go out as one, instead of the last."""
        return self.operation in aggregation.TAKES_ALL

    @property
    def value(self) -> str:
        """JSON text to send, CLEAR, or null where the row has no winning value of this attribute."""
        return f"v{self.index}"

    @property
    def bad(self) -> str:
        """True where the row has a value of this attribute that failed its check."""
        return f"b{self.index}"

    @property
    def dropped(self) -> str:
        """The undeclared options left out of the winning value, joined by ", "; null where none."""
        return f"d{self.index}"

    @property
    def left_out(self) -> str:
        """The Outcome of a value that this run leaves out, as an earlier one sent it; null elsewhere."""
        return f"w{self.index}"

    @property
    def known(self) -> str:
        """What the snapshot knows of this attribute of the person."""
        return f"h{self.index}"

    @property
    def unchanged(self) -> str:
        """True where the snapshot knows that the destination has this value."""
        return f"same{self.index}"


def fields(config: Config) -> list[Field]:
    """The attributes in declared order."""
    return [Field(i, key, a.operation) for i, (key, a) in enumerate(config.attributes.items())]
