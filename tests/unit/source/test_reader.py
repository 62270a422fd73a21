"""Files: finding them, opening them, encodings, headers, compression, Parquet."""

import datetime as dt
import gzip
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import pytest

from importer.core.errors import SourceError
from importer.source import object_store, parquet
from importer.source.columns import check_columns
from importer.source.locate import expand
from importer.source.options import SourceOptions
from importer.source.reader import open_source

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from backports import zstd

Cells = list[tuple[Any, ...]]


def read(
    path: Path | str, options: SourceOptions | None = None, block: int = 1 << 20
) -> tuple[Cells, list[Any]]:
    rows: Cells = []
    aside: list[Any] = []
    for batch in open_source(str(path), options or SourceOptions()).batches(block):
        rows += batch.cells.rows()
        aside += batch.set_aside.rows()
        assert batch.cells.height == batch.row.len() == batch.line.len()
    return rows, aside


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(data: bytes | str, name: str = "list.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


# ------------------------------------------------------------------------------------- encodings

ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "latin-1",
    "cp1252",
    "cp932",
    "gb18030",
]
TEXT = 'id,näme\n1,"Mü\nller"\n2,x"y\n3,ä\n'


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_encodings_and_line_ends(file: Callable[..., Path], encoding: str, end: str, block: int) -> None:
    text = TEXT.replace("ä", "a").replace("ü", "u") if encoding == "cp932" else TEXT
    data = text.replace("\n", end).encode(encoding)
    path = file(data)
    rows, aside = read(path, SourceOptions(encoding=encoding), block)
    first, last = ("Mu", "a") if encoding == "cp932" else ("Mü", "ä")
    assert rows == [("1", f"{first}{end}ller"), ("3", last)]
    [(row, line, raw, reason, _)] = aside
    assert (row, line, reason) == (2, 4, "row_malformed")
    assert raw in data
    assert raw.decode(
        encoding.replace("utf-16", "utf-16-le") if encoding == "utf-16" else encoding, "replace"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8", "cp1252"])
def test_header_and_rows_make_a_file_that_reads_back(file: Callable[..., Path], encoding: str) -> None:
    options = SourceOptions(encoding=encoding, skip_lines=1)
    path = file('export of "today"\n\nid,name\n1,ä\n2,x"y\n'.encode(encoding))
    source = open_source(str(path), options)
    [batch] = source.batches()
    again = file(source.header_raw + batch.set_aside["raw"][0] + source.newline, "again.csv")
    assert read(again, options)[1][0][2] == batch.set_aside["raw"][0]


@pytest.mark.parametrize(
    ("encoding", "data", "raw", "offset"),
    [
        ("utf-8", b"\xef\xbb\xbfid,n\n1,2\n2,\xff\n", b"2,\xff", 14),
        ("cp1252", b"id,n\n1,2\n2,\x81\n", b"2,\x81", 11),
        ("ascii", "id,n\n2,é\n".encode(), "2,é".encode(), 7),
        ("utf-16-le", "id,n\n2,".encode("utf-16-le") + b"\x00\xd8" + "\n".encode("utf-16-le"), None, 14),
        ("utf-16", "id,n\n2,x".encode("utf-16") + b"\x00", None, 18),
        ("cp932", b"id,n\n2,\x81\n", b"2,\x81", 7),
    ],
)
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_undecodable_bytes(
    file: Callable[..., Path], encoding: str, data: bytes, raw: bytes | None, offset: int, block: int
) -> None:
    _, aside = read(file(data), SourceOptions(encoding=encoding), block)
    assert f"byte offset {offset} " in aside[-1][4]
    assert raw is None or aside[-1][2] == raw
    assert aside[-1][2] in data


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", ""])
def test_no_encoding(file: Callable[..., Path], encoding: str) -> None:
    with pytest.raises(SourceError, match="no text encoding"):
        open_source(str(file("id\n1\n")), SourceOptions(encoding=encoding))


# ------------------------------------------------------------------------------------- compression


def gz(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


def zst(data: bytes) -> bytes:
    half = len(data) // 2
    checked = {zstd.CompressionParameter.checksum_flag: 1}
    return bytes(zstd.compress(data[:half], options=checked) + zstd.compress(data[half:], options=checked))


LIST = b"id,n\n" + b"".join(b"%d,x%d\n" % (i, i) for i in range(3000))


@pytest.mark.parametrize(("pack", "name"), [(gz, "a.csv.gz"), (zst, "a.CSV.ZST")])
def test_compressed_in_several_members(
    file: Callable[..., Path], pack: Callable[[bytes], bytes], name: str
) -> None:
    rows, aside = read(file(pack(LIST), name), block=1000)
    assert (len(rows), rows[-1], aside) == (3000, ("2999", "x2999"), [])


@pytest.mark.parametrize(("pack", "name"), [(gz, "a.csv.gz"), (zst, "a.csv.zst")])
@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-6], lambda b: b[:200], lambda b: b[:100] + b"x" + b[101:], lambda _: b"id,n\n1,2\n"],
    ids=["tail lost", "cut", "one byte", "not packed"],
)
def test_damaged_streams(
    file: Callable[..., Path], pack: Callable[[bytes], bytes], name: str, damage: Callable[[bytes], bytes]
) -> None:
    path = file(damage(pack(LIST)), name)
    with pytest.raises(SourceError, match=r"truncated or damaged|it is not packed"):
        read(path)


# ------------------------------------------------------------------------------------- headers


@pytest.mark.parametrize("header", [",", " , ", "\ufeff\u200b,"])
def test_a_header_without_a_name_is_refused(file: Callable[..., Path], header: str) -> None:
    source = open_source(str(file(f"{header}\n1,2\n")), SourceOptions())
    with pytest.raises(SourceError, match="the header names no column"):
        source.batches()


def test_all_faults_of_columns_at_once(
    file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = open_source(file("id,extra,mail,mail\n", "one.csv").name, SourceOptions())
    two = open_source(file("id,note\n", "two.csv").name, SourceOptions())
    with pytest.raises(SourceError) as caught:
        check_columns([one, two], ["id", "mail", "city"], ["note"])
    told = str(caught.value)
    for part in (
        "one.csv",
        "two.csv",
        '"city" is missing',
        '"extra": neither',
        '"mail" is in the header more than once',
        '"mail", "city"',
    ):
        assert part in told


def test_a_customer_in_the_place_of_the_header_is_not_quoted(file: Callable[..., Path]) -> None:
    source = open_source(str(file("4711,Ada,Ada\n")), SourceOptions())
    with pytest.raises(SourceError, match="none of the declared columns") as caught:
        check_columns([source], ["id", "name"], [])
    assert "Ada" not in str(caught.value)
    assert not [fault for fault in source.faults if "Ada" in fault]


def test_a_wrong_delimiter_is_hinted_at(file: Callable[..., Path]) -> None:
    source = open_source(str(file("id;name\n1;2\n")), SourceOptions())
    with pytest.raises(SourceError, match="is the delimiter ',' right"):
        check_columns([source], ["id", "name"], [])


def test_without_a_header(file: Callable[..., Path]) -> None:
    options = SourceOptions(header=False, columns=("id", "n"))
    source = open_source(str(file("\n1,2\nid,n\n")), options)
    assert source.header_raw == b""
    assert read(source.path, options)[0] == [("1", "2"), ("id", "n")]
    with pytest.raises(SourceError, match="header = false needs columns"):
        open_source(source.path, SourceOptions(header=False))


def test_skipped_lines_and_a_header_over_two_lines(file: Callable[..., Path]) -> None:
    options = SourceOptions(skip_lines=2)
    source = open_source(str(file('"export\n\nid,"two\nlines"\n1,2\n')), options)
    [batch] = source.batches()
    assert (source.columns, batch.line.to_list()) == (("id", "two\nlines"), [5])
    assert source.header_raw == b'"export\n\nid,"two\nlines"\n'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "empty"),
        ("\n\r\n", "empty"),
        ('id,"n\n1,2\n', "out of place"),
        ('id,n"x\n', "out of place"),
        (b"id,\xff\n", "not written in"),
        (b"PK\x03\x04", "zip archive"),
        (b"\x1f\x8b\x08", "compressed stream is truncated"),
        (b"PAR1", "Parquet"),
        (b"\xff\xfei\0", "UTF-16"),
    ],
)
def test_no_header_to_read(file: Callable[..., Path], data: bytes | str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_source(str(file(data)), SourceOptions())


def test_a_header_alone_is_a_list_without_rows(file: Callable[..., Path]) -> None:
    assert read(file("id,n")) == ([], [])


def test_formats(file: Callable[..., Path]) -> None:
    assert read(file("a\tb\n1\t2\n", "x.tsv"))[0] == [("1", "2")]
    assert read(file("a;b\n1;2\n", "x.dat"), SourceOptions(format="csv", delimiter=";"))[0] == [("1", "2")]
    with pytest.raises(SourceError, match="declare format"):
        open_source(str(file("a,b\n", "x.dat")), SourceOptions())
    with pytest.raises(SourceError, match="format must be"):
        open_source(str(file("a,b\n", "x.csv")), SourceOptions(format="xls"))
    with pytest.raises(SourceError, match="delimiter, quote and escape must differ"):
        open_source(str(file("a,b\n", "x.csv")), SourceOptions(delimiter='"'))


def test_batches_can_be_read_again_and_block_sizes_do_not_matter(file: Callable[..., Path]) -> None:
    path = file(b"id,n\n" + b'1,"a\nb"\n2,x"\n3,c\n' * 500)
    whole = read(path)
    assert len(whole[1]) == 500
    assert [read(path, block=size) for size in (11, 100, 4096)] == [whole] * 3


# ------------------------------------------------------------------------------------- finding sources


def test_expand(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "B.csv", ".hidden.csv", "x[1].csv"):
        (tmp_path / name).write_text("id\n")
    (tmp_path / "folder").mkdir()
    names = [Path(p).name for p in expand(["."], base=tmp_path)]
    assert names == ["B.csv", "a.csv", "b.csv", "x[1].csv"]
    assert [Path(p).name for p in expand(["b.csv", "a.csv"], base=tmp_path)] == ["b.csv", "a.csv"]
    assert [Path(p).name for p in expand(["[ab].csv"], base=tmp_path)] == ["a.csv", "b.csv"]
    assert [Path(p).name for p in expand([str(tmp_path / "x[1].csv")], base=Path("/"))] == ["x[1].csv"]
    assert expand(["s3://bucket/list.csv"], base=tmp_path) == ["s3://bucket/list.csv"]


@pytest.mark.parametrize("paths", [["none.csv"], ["*.none"], ["folder"], ["a.csv", "./a.csv"], []])
def test_expand_finds_nothing_or_the_same_twice(tmp_path: Path, paths: list[str]) -> None:
    (tmp_path / "a.csv").write_text("id\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError):
        expand(paths, base=tmp_path)


@pytest.mark.parametrize("name", ["none.csv", ".", "none.parquet"])
def test_open_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError):
        open_source(str(tmp_path / name), SourceOptions(format="parquet" if "parquet" in name else "csv"))


def test_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = obstore.store.MemoryStore()
    for name in ("in/b.csv", "in/a.csv", "in/deep/c.csv", "in/d.csv.gz"):
        obstore.put(store, name, gzip.compress(LIST) if name.endswith("gz") else LIST)
    monkeypatch.setattr(
        object_store, "store_of", lambda url: (store, url.partition("://")[2].partition("/")[2])
    )
    assert expand(["s3://x/in/"], base=Path()) == [f"s3://x/in/{n}" for n in ("a.csv", "b.csv", "d.csv.gz")]
    assert expand(["s3://x/in/*.csv"], base=Path()) == ["s3://x/in/a.csv", "s3://x/in/b.csv"]
    assert len(read("s3://x/in/a.csv")[0]) == len(read("s3://x/in/d.csv.gz")[0]) == 3000
    with pytest.raises(SourceError, match="there is no such object"):
        read("s3://x/in/none.csv")
    with pytest.raises(SourceError, match="no object"):
        expand(["s3://x/none/"], base=Path())


# ------------------------------------------------------------------------------------- Parquet


def test_parquet_types_come_through(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "id": ["1", None],
            "big": pl.Series([2**64 - 1, 0], dtype=pl.UInt64),
            "price": pl.Series([Decimal("1.10"), None], dtype=pl.Decimal(20, 2)),
            "day": [dt.date(2024, 2, 29), None],
            "at": [dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC), None],
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "tags": [["x", "y"], []],
        }
    )
    path = tmp_path / "a*[1].parquet"
    frame.write_parquet(path)
    source = open_source(str(path), SourceOptions())
    [batch] = source.batches()
    assert batch.cells.equals(frame)
    assert (batch.row.to_list(), batch.line.to_list(), batch.raw) == ([1, 2], [None, None], None)


def test_parquet_in_bounded_batches(tmp_path: Path) -> None:
    path = tmp_path / "year=2024" / "a.parquet"
    path.parent.mkdir()
    pl.DataFrame({"id": range(200_000)}).write_parquet(path, row_group_size=30_000)
    source = open_source(str(path), SourceOptions())
    batches = list(source.batches())
    assert source.columns == ("id",)
    assert pl.concat([b.row for b in batches]).to_list() == list(range(1, 200_001))
    assert pl.concat([b.cells for b in batches])["id"].to_list() == list(range(200_000))
    assert max(b.cells.height for b in batches) <= 100_000


def test_a_row_group_is_read_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"id": range(20_000), "text": [f"x{i}" * (i % 7) for i in range(20_000)]})
    frame.write_parquet(path, row_group_size=20_000)
    monkeypatch.setattr(parquet, "PARQUET_BYTES", 100_000)
    batches = list(open_source(str(path), SourceOptions()).batches())
    assert pl.concat([b.cells for b in batches]).equals(frame)
    assert max(b.cells.height for b in batches) < 10_000
    assert pl.concat([b.row for b in batches]).to_list() == list(range(1, 20_001))


def parquet_bytes(cut: slice) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"id": [str(i) for i in range(2000)]}).write_parquet(out)
    return out.getvalue()[cut]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1",
        b"id,n\n1,2\n",
        b"PARE" + b"\0" * 20 + b"PARE",
        parquet_bytes(slice(100)),
        parquet_bytes(slice(-50)),
        parquet_bytes(slice(20)) + parquet_bytes(slice(-40, None)),
        parquet_bytes(slice(20)) + b"\xff" * 300 + parquet_bytes(slice(320, None)),
    ],
)
def test_parquet_that_cannot_be_read(file: Callable[..., Path], data: bytes) -> None:
    with pytest.raises(SourceError):
        read(file(data, "a.parquet"))
