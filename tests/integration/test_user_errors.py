"""Every mistake a user can make: the right exit code, a sentence with the next step, and nothing sent."""

import gzip
import os
import re
import socket
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter  # type: ignore[import-untyped]
from backports import zstd

from tests.support.oracle.program import KEY_NAME, ROOT, Result, config_text, importer
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import KEY, ReplyServer

MARK = "Beeblebrox"
"""Stands in every cell of every list here; no message may show it."""

DECLARED = Declared(
    "id",
    (
        Attribute("plan", "single_choice", options=("free", "pro")),
        Attribute("age", "number"),
        Attribute("name", "free_text"),
    ),
)
HEADER = "id,plan,age,name\n"
ROWS = f"{MARK}-1,pro,7,{MARK}\n{MARK}-2,free,{MARK},Zaphod {MARK}\n"
LIST = HEADER + ROWS


@dataclass
class Setting:
    """One command, ready to go wrong: `prepare` of a case changes what it needs."""

    folder: Path
    url: str
    command: list[object] = field(default_factory=lambda: ["run"])
    flags: list[object] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    source: object = ""
    tables: dict[str, Any] = field(default_factory=dict)
    config: str | bytes | None = None
    declared: Declared = DECLARED
    with_config: bool = True

    def run(self) -> Result:
        path = self.folder / "import.toml"
        text = config_text(self.declared, self.source or self.folder / "list.csv", self.url, **self.tables)
        if not path.exists():
            content = self.config or text
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        config = [path] if self.with_config else []
        return importer(
            *self.command, *config, *self.flags, cwd=self.folder, env=self.env, without=self.without
        )

    def text(self) -> str:
        return config_text(self.declared, self.folder / "list.csv", self.url)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.source = path
        return path


Prepare = Callable[[Setting], object]


@dataclass(frozen=True)
class Case:
    name: str
    code: int | tuple[int, ...]
    hint: str
    """What stderr must say, as a regular expression."""
    prepare: Prepare


def flags(*given: object) -> Prepare:
    return lambda s: s.flags.extend(given)


def listing(content: str | bytes, name: str = "list.csv") -> Prepare:
    return lambda s: s.write(name, content)


def config(change: Callable[[str], str]) -> Prepare:
    def prepare(s: Setting) -> None:
        s.config = change(s.text())

    return prepare


def replaced(old: str, new: str) -> Prepare:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return config(change)


def destination(**keys: Any) -> Prepare:
    return lambda s: s.tables.update(destination=keys)


def source(**keys: Any) -> Prepare:
    return lambda s: s.tables.update(source=keys)


def command(*words: object, with_config: bool = False) -> Prepare:
    def prepare(s: Setting) -> None:
        s.command, s.with_config = list(words), with_config

    return prepare


def key_file(mode: int, content: str) -> Prepare:
    def prepare(s: Setting) -> None:
        path = s.folder / "key"
        path.write_text(content, "utf-8")
        path.chmod(mode)
        s.tables["destination"] = {"api_key": f"file:{path}"}

    return prepare


def state_is_a_file(s: Setting) -> None:
    (s.folder / "state").write_text("")
    s.flags += ["--state-dir", s.folder / "state"]


def state_by_environment_is_a_file(s: Setting) -> None:
    (s.folder / "state").write_text("")
    s.env["IMPORTER_STATE_DIR"] = str(s.folder / "state")


def run_id_taken(s: Setting) -> None:
    s.flags += ["--run-id", "again"]
    s.command = ["check"]
    assert s.run().code in (0, 1)
    s.command = ["run"]


def parquet(change: Callable[[bytes], bytes]) -> Prepare:
    def prepare(s: Setting) -> None:
        frame = pl.DataFrame({"id": [MARK], "plan": ["pro"], "age": [7], "name": [MARK]})
        path = s.folder / "list.parquet"
        frame.write_parquet(path)
        s.write("list.parquet", change(path.read_bytes()))

    return prepare


def two_lists(second: str) -> Prepare:
    def prepare(s: Setting) -> None:
        s.write("a.csv", LIST)
        s.write("b.csv", second)
        s.source = s.folder / "*.csv"

    return prepare


def taken_port(s: Setting) -> None:
    port = s.url.rpartition(":")[2]
    command("sandbox", "--port", port)(s)


def retry_of(file: str | None) -> Prepare:
    def prepare(s: Setting) -> None:
        s.flags += ["--run-id", "first"]
        s.command = ["check"]
        assert s.run().code in (0, 1)
        if file is not None:
            s.write("corrected.csv", file)
        s.flags.clear()
        command("retry", "first", s.folder / "corrected.csv")(s)

    return prepare


def pipe(setting: Setting) -> None:
    setting.source = setting.folder / "pipe.csv"
    os.mkfifo(setting.source)


def empty_folder(s: Setting) -> None:
    (s.folder / "lists").mkdir()
    s.source = s.folder / "lists"


def two_keys_away(s: Setting) -> None:
    text = s.text().replace('plan"]', 'plan"]\ncolour = "red"')
    s.config = text.replace("[identity]", "[identity]\nkolumn = 1")


def yaml_config(s: Setting) -> None:
    (s.folder / "import.yaml").write_text("name: customers\nsource:\n  path: list.csv\n")
    command("run", "import.yaml")(s)


def workbook(name: str, sheets: int = 1) -> Prepare:
    def prepare(s: Setting) -> None:
        with xlsxwriter.Workbook(str(s.folder / name)) as out:
            for _ in range(sheets):
                out.add_worksheet().write_row(0, 0, ["id", "plan", "age", "name"])
        s.source = s.folder / name

    return prepare


def workbook_named_csv(s: Setting) -> None:
    workbook("list.xlsx")(s)
    s.write("list.csv", (s.folder / "list.xlsx").read_bytes())


def workbook_as_config(s: Setting) -> None:
    workbook("list.xlsx")(s)
    command("run", "list.xlsx")(s)


def archive_of_two(s: Setting) -> None:
    with zipfile.ZipFile(s.folder / "list.zip", "w") as out:
        out.writestr("a.csv", LIST)
        out.writestr("b.csv", LIST)
    s.source = s.folder / "list.zip"


def source_named(path: str) -> Prepare:
    return lambda s: setattr(s, "source", path)


def many_rows(count: int = 2000) -> bytes:
    return (HEADER + "".join(f"{MARK}{n},pro,{n},{n * 7919}\n" for n in range(count))).encode()


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


CASES = (
    # usage
    Case("no command", 2, "usage|importer", command()),
    Case("unknown command", 2, "usage|unknown|invalid", command("imprt")),
    Case("no config", 2, "CONFIG|config", command("run")),
    Case("unknown flag", 2, "--frobnicate", flags("--frobnicate")),
    Case("limit is not a number", 2, "--limit", flags("--limit", "some")),
    Case("limit is negative", 2, "--limit", flags("--limit", "-1")),
    Case("max-rejects is a word", 2, '--max-rejects: expected.*found "few"', flags("--max-rejects", "few")),
    Case("max-rejects is negative", 2, "--max-rejects", flags("--max-rejects=-1")),
    Case("max-rejects above 100 %", 2, "--max-rejects", flags("--max-rejects", "101%")),
    Case("max-rejects is nan", 2, "--max-rejects", flags("--max-rejects", "nan%")),
    Case("rate is a word", 2, "--rate", flags("--rate", "fast")),
    Case("rate is negative", 2, "--rate", flags("--rate=-1")),
    Case("run id leaves the folder", 2, "--run-id|run id", flags("--run-id", "../evil")),
    Case("run id with a blank", 2, '--run-id: expected.*found "a b"', flags("--run-id", "a b")),
    Case("run id is empty", 2, "--run-id|run id", flags("--run-id", "")),
    Case("run id is taken", 2, "again", run_id_taken),
    Case("report of an unknown run", 2, "nope", command("report", "nope")),
    Case("report of a path", 2, "run", command("report", "../../etc")),
    Case("report without any run", 2, "run", command("report")),
    Case("retry of an unknown run", 2, "nope", command("retry", "nope")),
    Case("retry from a missing file", 3, r"corrected\.csv", retry_of(None)),
    Case("retry from another list", 3, "plan", retry_of("id,age\n1,2\n")),
    Case("base-url without tls", 2, "https", flags("--base-url", "http://example.com")),
    Case("base-url is a word", 2, "http", flags("--base-url", "vevee")),
    Case("port in use", 2, "port", taken_port),
    Case("port out of range", 2, "port", command("sandbox", "--port", "99999")),
    Case("unknown fault", 2, "--fail|fault", command("sandbox", "--fail", "nonsense")),
    # configuration
    Case("missing config", 2, r"absent\.toml", command("run", "absent.toml")),
    Case("config is a folder", 2, "text file|folder", command("run", ".")),
    Case("config is not text", 2, r"import\.toml", lambda s: setattr(s, "config", b"\xff\xfe\x00")),
    Case("config is empty", 2, "name", config(lambda _: "# nothing\n")),
    Case("bad TOML", 2, r"TOML.*line 1", config(lambda t: "name = \n" + t)),
    Case("a key twice", 2, "TOML", config(lambda t: 'name = "x"\n' + t)),
    Case("unknown keys, all named", 2, r"(?s)kolumn.*colour|colour.*kolumn", two_keys_away),
    Case("unknown table", 2, "sauce", config(lambda t: t + "\n[sauce]\nhot = true\n")),
    Case("bad name", 2, "name", replaced('name = "customers"', 'name = "../x"')),
    Case("literal key", 2, "env:", destination(api_key="sk_live_secret_literal")),
    Case("unknown destination", 2, "vevee", destination(type="hubspot")),
    Case("unknown type", 2, "plan", replaced('"single_choice"', '"choice"')),
    Case("choice without options", 2, "options", replaced('options = ["free", "pro"]', "")),
    Case("unknown format", 2, "format", source(format="ods")),
    Case("unknown encoding", 2, "encoding", source(encoding="utf-7-and-a-half")),
    Case("column both ignored and declared", 2, "plan", source(ignore=["plan"])),
    Case("operation unknown here", 2, "operation", replaced('"number"', '"number"\noperation = "increase"')),
    Case("no tls", 2, "https", destination(base_url="http://api.example.com")),
    Case("base_url is no url", 2, "http", destination(base_url="ftp://127.0.0.1")),
    Case("base_url with a password", 2, "base_url", destination(base_url="https://a:b@example.com")),
    Case("variable not set", 2, KEY_NAME, lambda s: s.without.append(KEY_NAME)),
    Case("variable is empty", 2, KEY_NAME, lambda s: s.env.update({KEY_NAME: ""})),
    Case("key of two lines", 2, KEY_NAME, lambda s: s.env.update({KEY_NAME: "sk_a\nX-Evil: 1"})),
    Case("key is public", 2, "pk_", lambda s: s.env.update({KEY_NAME: "pk_live_1"})),
    Case("key file is missing", 2, "nokey", destination(api_key="file:/nonexistent/nokey")),
    Case("key file is open to others", 2, "chmod 600", key_file(0o644, KEY)),
    Case("key file is empty", 2, "key", key_file(0o600, "\n")),
    Case("where does not parse", 2, "where", source(where="plan = = 'pro'")),
    Case("where has a subquery", 2, "where", source(where="id IN (SELECT id FROM self)")),
    Case("where opens a file", 2, "where", source(where="id IN (SELECT * FROM read_csv('/etc/passwd'))")),
    Case("where calls a reader", 2, "where", source(where="read_csv('/etc/passwd') = 'x'")),
    Case("where is two statements", 2, "where", source(where="plan = 'pro'; DROP TABLE self")),
    Case("where is no condition", (2, 3), "where", source(where="plan")),
    Case(
        "where names no column",
        3,
        'where: the source has no column "plam". Did you mean "plan"',
        source(where="plam = 'red'"),
    ),
    Case("text in double quotes in where", 3, "single quotes", source(where='plan = "pro"')),
    Case("where cannot cast a cell", (2, 3), "where", source(where="CAST(age AS INT) > 3")),
    # sources
    Case("missing source", 3, r"absent\.csv", lambda s: setattr(s, "source", s.folder / "absent.csv")),
    Case("glob without a match", 3, r"\*\.tsv", lambda s: setattr(s, "source", s.folder / "*.tsv")),
    Case("folder without a list", 3, "lists", empty_folder),
    Case("a pipe", 3, "read only once", pipe),
    Case("unknown extension", (2, 3), r"list\.xlsx", listing(LIST, "list.xlsx")),
    Case("empty file", 3, r"list\.csv", listing("")),
    Case("only blank lines", 3, r"list\.csv", listing("\n\n\n")),
    Case(
        "columns missing, undeclared and twice, all named",
        3,
        r"(?s)(?=.*age)(?=.*shoe)(?=.*hat)(?=.*plan)",
        listing(f"id,plan,name,shoe,plan,hat\n{MARK},pro,{MARK},1,2,3\n"),
    ),
    Case("a column missing", 3, "age", listing(f"id,plan,name\n{MARK},pro,{MARK}\n")),
    Case("a column undeclared", 3, "shoe", listing(f"id,plan,age,name,shoe\n{MARK},pro,1,{MARK},2\n")),
    Case("a column twice", 3, "age", listing(f"id,plan,age,age,name\n{MARK},pro,1,1,{MARK}\n")),
    Case("the id's column missing", 3, "id", listing(f"key,plan,age,name\n{MARK},pro,1,{MARK}\n")),
    Case("no declared column: the first line may be a customer", 3, "header", listing(ROWS)),
    Case("the second list lacks a column", 3, r"(?s)b\.csv.*age", two_lists(f"id,plan,name\n{MARK},pro,x\n")),
    Case("another delimiter", 3, "delimiter|header|column", listing(LIST.replace(",", ";"))),
    Case("gz cut short", 3, r"list\.csv\.gz", listing(cut(gzip.compress(many_rows())), "list.csv.gz")),
    Case("gz is none", 3, r"list\.csv\.gz", listing(LIST, "list.csv.gz")),
    Case("gz is empty", 3, r"list\.csv\.gz", listing("", "list.csv.gz")),
    Case("zst cut short", 3, r"list\.csv\.zst", listing(cut(zstd.compress(many_rows())), "list.csv.zst")),
    Case("zst is none", 3, r"list\.csv\.zst", listing("\x01\x02" + LIST, "list.csv.zst")),
    Case("parquet cut short", 3, r"list\.parquet", parquet(cut)),
    Case("parquet is empty", 3, r"list\.parquet", parquet(lambda _: b"")),
    Case("parquet is csv", 3, r"list\.parquet", parquet(lambda _: LIST.encode())),
    Case("parquet is garbled", 3, r"list\.parquet", parquet(lambda d: d[:4] + b"\xff" * 40 + d[44:])),
    # the state folder
    Case("state is a file", 7, "state", state_is_a_file),
    Case("state by environment is a file", 7, "state", state_by_environment_is_a_file),
    Case("state below a file", 7, "passwd", flags("--state-dir", "/etc/passwd/state")),
    Case("state cannot be written", 7, "proc", flags("--state-dir", "/proc/state")),
    # mistyped names, and what was probably meant
    Case("command mistyped", 2, 'Did you mean "check"', command("chekc")),
    Case("flag mistyped", 2, 'Did you mean "--changed-only"', flags("--change-only")),
    Case("guard mistyped", 2, 'Did you mean "min_rows"', flags("--allow", "minrows")),
    Case("config mistyped", 2, r'Did you mean "import\.toml"', command("run", "imprt.toml")),
    Case("list as config", 2, r"looks like a list.*importer init list\.csv", command("run", "list.csv")),
    Case(
        "source mistyped",
        3,
        r'Did you mean "list\.csv"',
        lambda s: setattr(s, "source", s.folder / "lsit.csv"),
    ),
    Case(
        "column mistyped",
        3,
        r'"plan" is missing \(did you mean "plann"',
        listing(f"id,plann,age,name\n{MARK},,,\n"),
    ),
    Case(
        "key mistyped",
        2,
        r'plan\.optoins: unknown key\. Did you mean "options"',
        replaced("options = ", "optoins = "),
    ),
    Case("section mistyped", 2, 'sorce: unknown key. Did you mean "source"', replaced("[source]", "[sorce]")),
    Case("destination mistyped", 2, 'Did you mean "vevee"', destination(type="veve")),
    Case("type of another program", 2, 'Did you mean "number"', replaced('"number"', '"integer"')),
    Case("a dry run", 2, "To send nothing: importer check", flags("--dry-run")),
    Case("config is YAML", 2, "a configuration is a TOML file", yaml_config),
    # values of the wrong form, in words of the file
    Case("date as DD/MM", 2, 'write "%d/%m/%Y"', replaced('"number"', '"date"\nformat = "DD/MM/YYYY"')),
    Case(
        "date and time as MM/DD",
        2,
        'write "%m/%d/%Y %H:%M:%S"',
        replaced('"number"', '"datetime"\nformat = "MM/DD/YYYY HH:MM:SS"'),
    ),
    Case("text for a list", 2, "plan.options: expected a list", replaced('["free", "pro"]', '"free"')),
    Case("number for a text", 2, "source.encoding: expected a text in quotes", source(encoding=5)),
    Case("text for a number", 2, "max_in_flight: expected a whole number", destination(max_in_flight="8")),
    Case("word for a time", 2, "read_timeout: expected a time like", destination(read_timeout="soon")),
    Case("backslash in a path", 2, "single quotes", config(lambda t: 'x = "C:\\data"\n' + t)),
    Case("base file missing", 2, r"absent\.toml: no such", config(lambda t: 'extends = "absent.toml"\n' + t)),
    Case(
        "variable in the path",
        2,
        r"source\.path: the variable NOWHERE is not set; set it",
        lambda s: setattr(s, "source", "${NOWHERE}/x.csv"),
    ),
    Case(
        "word for a duration",
        2,
        '--max-duration: expected a time like.*found "tomorrow"',
        flags("--max-duration", "tomorrow"),
    ),
    # a list out of a spreadsheet, in a hurry
    Case("workbook as config", 2, r"importer init list\.xlsx", workbook_as_config),
    Case("workbook named csv", 3, r"an Excel workbook: name it \.zip or \.xlsx", workbook_named_csv),
    Case("workbook of several sheets", 3, 'sheet = "Sheet1"', workbook("list.xlsx", 2)),
    Case(
        "workbook of 2003", 3, r"save it as \.xlsx", listing(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    ),
    Case(
        "text of Excel",
        3,
        r'delimiter = "\\t" and encoding = "utf-16"',
        listing(LIST.replace(",", "\t").encode("utf-16")),
    ),
    Case("title above the header", 3, "skip_lines = 1", listing("Customers of March\n\n" + LIST)),
    Case(
        "more skipped than there is",
        3,
        "no line is left for the header behind the 50 of skip_lines",
        source(skip_lines=50),
    ),
    Case(
        "quotes of another kind",
        3,
        """delimiter = ";" and quote = "'\"""",
        listing("'id';'plan';'age';'name'\n'1';'pro';'3';'x'\n"),
    ),
    Case(
        "sign-in page",
        3,
        "a web page.*fetch the list again",
        listing("<!DOCTYPE html><html><body>Sign in</body></html>\n"),
    ),
    Case("archive of two lists", 3, "unpack it and name the list", archive_of_two),
    Case("packed in name only", 3, r"take \.zst off the name", listing(LIST, "list.csv.zst")),
    Case(
        "typographic quotes",
        2,
        "line 1.*write straight ones",
        replaced('name = "customers"', "name = “customers”"),
    ),
    Case(
        "text without quotes",
        2,
        "line 1.*texts stand in quotes",
        replaced('name = "customers"', "name = customers"),
    ),
    Case(
        "date without a year", 2, "format: no year in it", replaced('"number"', '"date"\nformat = "%d.%m."')
    ),
    Case(
        "country of another code",
        2,
        'region: "UK".*write "GB"',
        replaced('"number"', '"phone"\nregion = "UK"'),
    ),
    Case(
        "config without a command",
        2,
        r"behind a command: importer check import\.toml; see",
        command("import.toml"),
    ),
    Case("file for a run", 2, "importer retry RUN FILE", command("retry", "list.csv")),
    Case(
        "draft over a file", 2, "-o: list.csv is there already", command("init", "list.csv", "-o", "list.csv")
    ),
    # a scheduler's command, in a hurry
    Case("source on the web", 3, "fetch it first", source_named("https://example.com/list.csv")),
    Case("source as a URL of a file", 3, "without file://", source_named("file:///srv/list.csv")),
    Case("source with one slash", 3, "s3://bucket/name", source_named("s3:/bucket/list.csv")),
    Case(
        "time of day that is none",
        2,
        "--stop-by: expected a time of day like 06:00",
        flags("--stop-by", "25:00"),
    ),
    Case("unknown form of a log", 2, '"yaml". One of: text, json', flags("--log-format", "yaml")),
    Case(
        "key that is unlike all",
        2,
        r"notify\.slack: unknown key. There are: .*webhook",
        config(lambda t: t + '\n[notify]\nslack = "x"\n'),
    ),
    Case(
        "limit of another unit", 2, 'Did you mean "requests_per_second"', destination(requests_per_minute=60)
    ),
    Case("circle of configurations", 2, "in a circle", config(lambda t: 'extends = "import.toml"\n' + t)),
)


@pytest.fixture(scope="module")
def server() -> Iterator[ReplyServer]:
    with ReplyServer() as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_has_its_exit_code_and_sentence(case: Case, server: ReplyServer, tmp_path: Path) -> None:
    setting = Setting(tmp_path, server.url)
    (tmp_path / "list.csv").write_text(LIST)
    case.prepare(setting)
    server.erase()
    result = setting.run()
    assert result.code in (case.code if isinstance(case.code, tuple) else (case.code,)), result.err
    assert server.calls == []
    assert re.search(case.hint, result.err, re.IGNORECASE), result.err
    assert result.out == ""
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 10, result.err
    assert len(result.err) < 1500, result.err
    assert_clean(result)


def assert_clean(result: Result) -> None:
    """No insides, no cell, no key on any stream."""
    shown = result.out + result.err
    insides = "Traceback|Errno|polars|pydantic|aiohttp|httpx|reqwest|Exception|object at 0x"
    assert not re.search(insides, shown, re.IGNORECASE), shown
    for secret in (MARK, str(ROOT / "importer"), "sk_live_secret_literal", KEY):
        assert secret not in shown


def test_a_header_alone_is_a_list_of_nobody(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(HEADER)
    pl.DataFrame(schema=dict.fromkeys(("id", "plan", "age", "name"), pl.String)).write_parquet(
        tmp_path / "list.parquet"
    )
    with ReplyServer() as server:
        for number, name in enumerate(("list.csv", "list.parquet")):
            setting = Setting(tmp_path, server.url, flags=[name, "--run-id", f"r{number}"])
            result = setting.run()
            assert result.code == 0, result.err
            summary = result.summary(f"r{number}")
            assert summary["rows"]["read"] == summary["values"]["read"] == summary["people"]["read"] == 0
        assert server.calls == []


def test_no_runs_are_a_short_list(tmp_path: Path) -> None:
    result = importer("runs", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "Traceback" not in result.err


def test_nobody_listens_there(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (tmp_path / "list.csv").write_text(LIST)
        limits = {"retry_attempts": 2, "retry_seconds": 1}
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        setting = Setting(tmp_path, url, tables={"destination": limits}, flags=["--run-id", "r"])
        result = setting.run()
    assert result.code == 5, result.err
    assert "importer resume r" in result.err
    assert_clean(result)
    summary = result.summary("r")
    assert (summary["state"], summary["values"]["applied"]) == ("stopped", 0)


def test_a_server_that_speaks_no_tls(server: ReplyServer, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    limits = {"retry_attempts": 2, "retry_seconds": 1}
    url = server.url.replace("http:", "https:")
    result = Setting(tmp_path, url, tables={"destination": limits}).run()
    assert result.code == 5, result.err
    assert_clean(result)


@pytest.mark.parametrize("words", ["--help", "run --help", "check --help"])
def test_help_needs_nothing(words: str, tmp_path: Path) -> None:
    result = importer(*words.split(), cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out.strip()
    assert result.err == ""
    assert list(tmp_path.iterdir()) == []
