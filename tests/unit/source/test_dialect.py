"""A file that does not read as declared: the right line of configuration is proposed, never applied."""

from pathlib import Path

import pytest

from importer.source import dialect
from importer.source.batch import Batch
from importer.source.csv_splitter import Splitter
from importer.source.options import SourceOptions
from importer.source.reader import open_source

DECLARED = ["id", "name", "note"]
ROWS = [("id", "name", "note"), *((str(n), f"Zoë {n}", f"a, b; {n}") for n in range(50))]


def write(path: Path, delimiter: str, quote: str = '"', encoding: str = "utf-8", before: str = "") -> str:
    """The list in another dialect."""
    lines = (delimiter.join(f"{quote}{cell}{quote}" for cell in row) for row in ROWS)
    path.write_bytes((before + "".join(f"{line}\r\n" for line in lines)).encode(encoding))
    return str(path)


@pytest.mark.parametrize(
    ("dialect_of_file", "proposed"),
    [
        ({"delimiter": ";"}, 'delimiter = ";"'),
        ({"delimiter": "\t"}, r'delimiter = "\t"'),
        ({"delimiter": "|"}, 'delimiter = "|"'),
        ({"delimiter": ",", "encoding": "cp1252"}, 'encoding = "cp1252"'),
        ({"delimiter": ",", "encoding": "utf-16"}, 'encoding = "utf-16"'),
        ({"delimiter": ",", "quote": "'"}, 'quote = "\'"'),
        ({"delimiter": ",", "before": "Export of today\r\n\r\n"}, "skip_lines = 1"),
        ({"delimiter": ";", "encoding": "cp1252"}, 'delimiter = ";" and encoding = "cp1252"'),
        ({"delimiter": ";", "quote": "'"}, 'delimiter = ";" and quote = "\'"'),
    ],
)
def test_the_right_line_is_proposed(dialect_of_file: dict[str, str], proposed: str, tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", **dialect_of_file)
    found = dialect.suggest(path, SourceOptions(), DECLARED)
    assert found is not None
    assert found.line == proposed


def test_quotes_around_the_cells_alone_are_seen(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "list.csv", ";", "'"))
    header, rest = path.read_text("utf-8").split("\n", 1)
    path.write_text(header.replace("'", "") + "\n" + rest.replace("; ", " "), "utf-8")
    found = dialect.suggest(str(path), SourceOptions(), DECLARED)
    assert found is not None
    assert found.line == 'delimiter = ";" and quote = "\'"'


@pytest.mark.parametrize(
    "text",
    [
        "id,name,note\n1,a,b\nid,name,note\n2,c,d\n",
        "id,name,note\n1,a\n2,b\nid,name,note\n3,c,d\n",
    ],
)
def test_a_header_in_the_middle_is_no_reason_to_skip_the_rows_above(text: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None


def test_marks_inside_of_fields_without_quotes_are_text(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("id,name,note\n" + "".join(f'{n},pipe of 5",x\n' for n in range(20)))
    found = dialect.suggest(str(path), SourceOptions(), DECLARED)
    assert found is not None
    assert (found.line, found.malformed) == ('bare_quotes = "keep"', 20)


def test_a_healthy_file_gets_no_proposal(tmp_path: Path) -> None:
    path = write(tmp_path / "list.csv", ",")
    assert dialect.suggest(path, SourceOptions(), DECLARED) is None


def test_a_file_that_nothing_helps_gets_none(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a,b\n1,2\n")
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None


def test_a_few_damaged_rows_are_no_other_dialect(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "list.csv", ","))
    path.write_text(path.read_text("utf-8") + "torn\r\n", "utf-8")
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None


@pytest.mark.parametrize(
    "text",
    [
        b'id,name,note\n1,"Ana,x\n2,Ben,y\n3,"Cid",z\n',  # under another quote, "Cid" would keep its marks
        "id,name,note\n1,Zoë,x\n2,Zoë,y\n".encode() + b"3,Zo\xeb,z\n",  # under cp1252, ZoÃ« would be written
    ],
)
def test_no_line_is_proposed_that_would_read_healthy_rows_wrong(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(text)
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None


TRAILED = "id,name,note\n1,Zoë,x,\n2,Ana,,\n3,Tom,y,z\n4,Ida,n\n5,Ben,,\n"


def test_delimiters_behind_every_row_need_no_declaration(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(TRAILED, "utf-8")
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None
    [batch] = open_source(str(path), SourceOptions()).batches()
    assert batch.cells["id"].to_list() == ["1", "2", "4", "5"]
    assert batch.set_aside["row"].to_list() == [3]


def test_a_row_without_its_delimiter_or_with_something_behind_it_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(TRAILED, "utf-8")
    source = open_source(str(path), SourceOptions(trailing_delimiter=True))
    assert source.columns == ("id", "name", "note")
    [batch] = source.batches()
    assert batch.cells["id"].to_list() == ["1", "2", "5"]
    assert batch.set_aside["row"].to_list() == [3, 4]


def test_a_file_is_tried_up_to_a_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"id;name;note\n1;{'x' * 1_500_000};n\n2;y;n\n")
    assert dialect.suggest(str(path), SourceOptions(), DECLARED)
    monkeypatch.setattr(dialect, "_LOOK_LINE", 1 << 18)
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None


def test_of_a_list_that_no_way_reads_the_first_lines_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these lines is damaged, and a damaged one takes thousands of times as long as a healthy one."""
    lines = list[int]()
    feed = Splitter.feed

    def counted(self: Splitter, data: bytes, *, final: bool, end: int = 0) -> Batch | None:
        lines.append(data.count(b"\n"))
        return feed(self, data, final=final, end=end)

    monkeypatch.setattr(Splitter, "feed", counted)
    path = tmp_path / "list.csv"
    path.write_bytes(b"id,n\n" + b'"\n' * 50_000)
    assert dialect.suggest(str(path), SourceOptions(), ["id", "n"]) is None
    assert 0 < sum(lines) < 100_000


def test_a_proposal_has_to_read_more_than_the_first_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    rows = "".join(f"{n};a,b;c\n" for n in range(2_000))
    path.write_text(f"id;name;note\n{rows}")
    found = dialect.suggest(str(path), SourceOptions(), DECLARED)
    assert found is not None
    assert found.line == 'delimiter = ";"'
    path.write_text(f"id;name;note\n{rows}1;a\n")
    assert dialect.suggest(str(path), SourceOptions(), DECLARED) is None
