"""Bytes into text by the declared encoding, block by block, so that no byte is ever lost."""

import codecs
import re
from typing import IO

from importer.core.errors import SourceError


class TextEncoding:
    """A declared encoding.

    Its text is UTF-8 in which a byte b that cannot be decoded is U+DC00 + b: no UTF-8 either, so that
    `records` meets the bad bytes of all encodings in one way, and none is ever lost.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.codec = _codec(name)
        self.plain = self.codec.name in ("utf-8", "utf-8-sig")
        self.exact = self.codec

    def settle(self, head: bytes) -> bytes:
        """Fix the byte order by the mark in `head` and return the mark; b"" where there is none."""
        quotes = _MARKS.get(self.codec.name, ((b"\xef\xbb\xbf", "utf-8"),) if self.plain else ())
        for bom, name in quotes:
            if head.startswith(bom):
                self.exact = codecs.lookup(name)
                return bom
        if self.codec.name in _MARKS:
            self.exact = codecs.lookup(_MARKS[self.codec.name][0][1])
        return b""

    def restore(self, text: bytes) -> bytes:
        """The bytes of the file that `text` was decoded from."""
        if self.plain:
            return text
        parts = _LOST.split(text.decode("utf-8", "surrogatepass"))
        return b"".join(self._restore_part(part) for part in parts)

    def _restore_part(self, part: str) -> bytes:
        if _LOST.fullmatch(part):
            return bytes(ord(c) - 0xDC00 for c in part)
        return self.exact.encode(part)[0]


_LOST = re.compile("([\udc00-\udcff]+)")
_MARKS: dict[str, tuple[tuple[bytes, str], ...]] = {
    "utf-16": ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")),
    "utf-32": ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be")),
    "utf-16-le": ((b"\xff\xfe", "utf-16-le"),),
    "utf-16-be": ((b"\xfe\xff", "utf-16-be"),),
    "utf-32-le": ((b"\xff\xfe\0\0", "utf-32-le"),),
    "utf-32-be": ((b"\0\0\xfe\xff", "utf-32-be"),),
}


def _codec(name: str) -> codecs.CodecInfo:
    try:
        found = codecs.lookup(name)
        "".encode(name)
    except (LookupError, ValueError, UnicodeError):
        found = None
    if found is None or found.incrementaldecoder is None:
        raise SourceError(f'"{name}" is no text encoding; declare one such as "utf-8", "cp1252" or "utf-16".')
    return found


def _keep_lost(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: bytes that cannot be decoded as lone surrogates."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + b) for b in error.object[error.start : error.end]), error.end


codecs.register_error("importer.keep_lost", _keep_lost)


class TextStream:
    """A stream as text in UTF-8, block by block. The byte-order mark is taken off."""

    def __init__(self, stream: IO[bytes], encoding: TextEncoding) -> None:
        self._stream = stream
        self._encoding = encoding
        self._ahead = self._take(4096)
        self.bom = encoding.settle(self._ahead)
        self._ahead = self._ahead[len(self.bom) :]
        self._read_bytes = len(self.bom)
        self._decoder: codecs.IncrementalDecoder | None = None
        if not encoding.plain:
            assert encoding.exact.incrementaldecoder is not None
            self._decoder = encoding.exact.incrementaldecoder("importer.keep_lost")
        self.offset = self._read_bytes
        """Bytes of the file behind which the text given out so far ends."""

    @property
    def head(self) -> bytes:
        """The first bytes behind the mark, before anything is read."""
        return self._ahead

    def read_from(self, skip: int, size: int) -> tuple[bytes, bool]:
        """The first block, without the `skip` bytes of text before it."""
        data, final = self.read(size)
        while len(data) < skip and not final:
            more, final = self.read(size)
            data += more
        return data[skip:], final

    def read(self, size: int) -> tuple[bytes, bool]:
        """The text of about `size` bytes of the stream, and whether it is the last one."""
        data = self._ahead
        if len(data) < size:  # only the first time, or where the caller asks for more than before
            data += self._take(size - len(data))
        self._ahead = self._take(size)
        final = not self._ahead
        self._read_bytes += len(data)
        if self._decoder is None:
            self.offset = self._read_bytes
            return data, final
        text = self._decode(data, final)
        self.offset = self._read_bytes - len(self._decoder.getstate()[0])
        return text.encode("utf-8", "surrogatepass"), final

    def _decode(self, data: bytes, final: bool) -> str:
        assert self._decoder is not None
        try:
            return self._decoder.decode(data, final)
        except (UnicodeError, ValueError):
            raise SourceError(
                f'the file cannot be read as "{self._encoding.name}"; declare the encoding it is written in.'
            ) from None

    def _take(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        pieces = []
        while size > 0 and (piece := self._stream.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
