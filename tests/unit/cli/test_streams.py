"""Printing never fails and never changes an exit code."""

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from importer.cli.streams import ForgivingStream, forgiving_streams, print_lines


def test_what_an_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = ForgivingStream(io.TextIOWrapper(raw, encoding="ascii"))
    assert stream.write("a → b\n") == 6
    assert raw.getvalue() == b"a \\u2192 b\n"
    assert stream.lost is None


def test_a_full_device_takes_nothing_and_raises_nothing() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        stream = ForgivingStream(full)
        stream.write("one\n")
        stream.write("two\n")
        stream.flush()
        assert stream.lost == errno.ENOSPC


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        stream = ForgivingStream(pipe)
        stream.write("one\n")
        assert stream.lost == errno.EPIPE


def test_a_closed_file_is_no_error(tmp_path: Path) -> None:
    file = (tmp_path / "out").open("w", encoding="utf-8")
    file.close()
    stream = ForgivingStream(file)
    stream.write("one\n")
    assert stream.lost == errno.EBADF
    assert stream.isatty() is False


def test_missing_streams_are_replaced_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with forgiving_streams():
        assert sys.stdout.write("out") == 3
        assert sys.stderr.write("err") == 3
    assert (sys.stdout, sys.stderr) == (None, None)


def test_lines_hold_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(["a\x1b[2Jb", "c"])
    assert capsys.readouterr().out == "a\\x1b[2Jb\nc\n"
