"""A file is what was written, or it is called damaged; nothing else is."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.storage import checked_files
from importer.storage.checked_files import DamagedError

FRAME = pl.DataFrame({"id": ["p1", "p2", "p3"], "v": ["1", None, "x" * 1000]})


def test_a_json_object_comes_back(tmp_path: Path) -> None:
    value = {"name": "Zoë \ud800", "nested": {"a": [1, 2.5, None]}, "big": 1 << 70}
    checked_files.write_json(tmp_path / "f.json", value)
    assert checked_files.read_json(tmp_path / "f.json") == value


def test_members_keep_their_order(tmp_path: Path) -> None:
    """That of the attributes of a configuration is that of the columns of a report."""
    checked_files.write_json(tmp_path / "f.json", {"attributes": {"plan": 1, "age": 2}, "a": 3})
    found = checked_files.read_json(tmp_path / "f.json")
    assert [*found, *found["attributes"]] == ["attributes", "a", "plan", "age"]


def test_a_json_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"name": "a"}')
    assert checked_files.read_json(tmp_path / "f.json") == {"name": "a"}


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": 1', "\0", "[" * 100_000])
def test_what_is_no_json_object_is_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(DamagedError):
        checked_files.read_json(tmp_path / "f.json")


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    checked_files.write_json(tmp_path / "f.json", {"a": 1})
    found = json.loads((tmp_path / "f.json").read_text())
    found["state_version"] = 2
    del found["checksum"]
    found["checksum"] = checked_files._checksum(checked_files._canonical(found))
    (tmp_path / "f.json").write_text(json.dumps(found))
    with pytest.raises(DamagedError, match="another version"):
        checked_files.read_json(tmp_path / "f.json")


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_of_a_json_file_passes_for_another_value(
    at: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "f.json"
    value = {"name": "list", "number": 17, "state": "open"}
    checked_files.write_json(path, value)
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        found = checked_files.read_json(path)
    except DamagedError:
        return
    assert found == value  # white space between members


KINDS = pytest.mark.parametrize("write", [checked_files.write_frame, checked_files.write_parquet])


@KINDS
def test_a_table_comes_back_whole_or_by_columns(write: Callable[..., None], tmp_path: Path) -> None:
    write(tmp_path / "f", FRAME, durable=True)
    assert checked_files.read_frame(tmp_path / "f").equals(FRAME)
    assert checked_files.read_frame(tmp_path / "f", ["id"]).equals(FRAME.select("id"))
    assert checked_files.size_of(tmp_path / "f") == (3, FRAME.estimated_size())


def test_a_table_of_the_version_before_is_read(tmp_path: Path) -> None:
    FRAME.write_ipc(tmp_path / "f.arrow", compression="lz4")
    assert checked_files.read_frame(tmp_path / "f.arrow", ["v"]).equals(FRAME.select("v"))
    assert checked_files.size_of(tmp_path / "f.arrow")[0] == 3


@KINDS
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_each_flipped_bit_of_a_table_is_damage(
    write: Callable[..., None], at: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / "f"
    write(path, FRAME)
    data = bytearray(path.read_bytes())
    place = int(at * (len(data) - 24))  # the rest counts rows and bytes, for estimates alone
    data[place] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        checked_files.read_frame(path)


@KINDS
@pytest.mark.parametrize("kept", [0, 1, 5, 100, -1, -25])
def test_a_shortened_table_is_damage(write: Callable[..., None], kept: int, tmp_path: Path) -> None:
    path = tmp_path / "f"
    write(path, FRAME)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedError):
        checked_files.read_frame(path)


def test_a_column_that_is_not_there_is_a_fault_of_the_caller(tmp_path: Path) -> None:
    checked_files.write_frame(tmp_path / "f.arrow", FRAME)
    with pytest.raises(pl.exceptions.PolarsError):
        checked_files.read_frame(tmp_path / "f.arrow", ["no such"])


def test_a_parquet_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    checked_files.write_parquet(path, FRAME)
    assert checked_files.scan_parquet(path).collect().equals(FRAME)
    assert checked_files.size_of(path) == (3, FRAME.estimated_size())


def test_a_parquet_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    FRAME.write_parquet(path)
    assert checked_files.scan_parquet(path).collect().equals(FRAME)
    assert checked_files.size_of(path)[0] == 3


@pytest.mark.parametrize("trailer", [True, False])
@pytest.mark.parametrize("kept", [0, 1, 5, 100, -1, -25])
def test_a_shortened_parquet_file_is_damage(kept: int, trailer: bool, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    write = checked_files.write_parquet if trailer else lambda path, frame: frame.write_parquet(path)
    write(path, FRAME)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DamagedError):
        checked_files.scan_parquet(path)
    with pytest.raises(DamagedError):
        checked_files.size_of(path)


@pytest.mark.parametrize("place", [0, 30, -26])
def test_a_flipped_bit_of_a_parquet_file_is_damage(place: int, tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    checked_files.write_parquet(path, FRAME)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        checked_files.scan_parquet(path)


def test_a_parquet_file_without_a_checksum_whose_middle_is_lost_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    with pytest.raises(DamagedError, match="no Parquet file"):
        checked_files.scan_parquet(path)
