"""The headers of an answer, the same for both clients."""

from collections.abc import Iterator, Mapping, Sequence


class Headers(Mapping[str, str]):
    """Decoded when the first is read: nearly no answer's are ever read.

    Names in any case; of a repeated one the first counts, and a value that is not ASCII counts as absent.
    """

    __slots__ = ("_fields", "_found")

    def __init__(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self._fields = fields
        self._found: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._found is None:
            self._found = {}
            for name, value in self._fields:
                if value.isascii():
                    self._found.setdefault(name.decode("latin-1").lower(), value.decode("ascii"))
        return self._found

    def __getitem__(self, name: str) -> str:
        return self._all()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
