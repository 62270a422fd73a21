"""Bytes into text, block by block, and back without a loss."""

import io

import pytest

from importer.core.errors import SourceError
from importer.source.decode import TextEncoding, TextStream


def decoded(data: bytes, name: str, size: int) -> tuple[bytes, TextStream, TextEncoding]:
    """All text of the stream, read in blocks of about `size` bytes."""
    encoding = TextEncoding(name)
    stream = TextStream(io.BytesIO(data), encoding)
    text, final = b"", False
    while not final:
        more, final = stream.read(size)
        text += more
    return text, stream, encoding


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize("name", ["utf-8", "cp1252", "utf-16", "utf-16-be", "utf-32", "shift_jis"])
def test_text_is_the_same_however_the_stream_is_cut(name: str, size: int) -> None:
    text = "id,n\n1,ab\n" + ("" if name == "shift_jis" else "ä€\n")
    if name == "shift_jis":
        text += "日本\n"
    found, stream, encoding = decoded(text.encode(name), name, size)
    assert found.decode() == text
    assert stream.offset == len(text.encode(name))
    assert stream.bom + encoding.restore(found) == text.encode(name)


@pytest.mark.parametrize(
    ("name", "data", "bom"),
    [
        ("utf-8", b"\xef\xbb\xbfid", b"\xef\xbb\xbf"),
        ("utf-16", b"\xff\xfei\0d\0", b"\xff\xfe"),
        ("utf-16", b"\xfe\xff\0i\0d", b"\xfe\xff"),
        ("utf-16", b"i\0d\0", b""),
        ("utf-32-le", b"\xff\xfe\0\0i\0\0\0d\0\0\0", b"\xff\xfe\0\0"),
        ("cp1252", b"id", b""),
    ],
)
def test_a_byte_order_mark_is_taken_off_and_says_the_byte_order(name: str, data: bytes, bom: bytes) -> None:
    found, stream, _ = decoded(data, name, 5)
    assert found == b"id"
    assert stream.bom == bom
    assert stream.offset == len(data)


@pytest.mark.parametrize(
    ("name", "data"), [("cp1252", b"a\x81b"), ("shift_jis", b"a\xffb"), ("ascii", b"a\xe4")]
)
def test_a_byte_that_cannot_be_decoded_is_kept(name: str, data: bytes) -> None:
    text, _, encoding = decoded(data, name, 100)
    with pytest.raises(UnicodeDecodeError):
        text.decode()
    assert encoding.restore(text) == data


def test_bytes_of_utf_8_are_given_as_they_are() -> None:
    data = b"a\xff\xfe,\xc3\n"
    text, _, encoding = decoded(data, "utf-8", 100)
    assert text == data
    assert encoding.restore(text) == data


def test_the_first_block_can_leave_out_what_was_read_before() -> None:
    stream = TextStream(io.BytesIO(b"header\n1\n2\n"), TextEncoding("utf-8"))
    assert stream.head == b"header\n1\n2\n"
    data, _ = stream.read_from(7, 3)
    assert b"1\n2\n".startswith(data)
    whole = TextStream(io.BytesIO(b"header\n1\n2\n"), TextEncoding("utf-8"))
    assert whole.read_from(7, 100) == (b"1\n2\n", True)


@pytest.mark.parametrize("name", ["no such", "base64", "rot13", ""])
def test_what_is_no_text_encoding_is_refused(name: str) -> None:
    with pytest.raises(SourceError) as caught:
        TextEncoding(name)
    assert str(caught.value) == (
        f'"{name}" is no text encoding; declare one such as "utf-8", "cp1252" or "utf-16".'
    )
