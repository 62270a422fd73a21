"""The key is nowhere but where it was given; the people are nowhere but in the run's own files."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.oracle.program import KEY_NAME, Result, config_text, environment, importer, start
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import Received, Reply, ReplyServer, Script, error

KEY = "sk_live_Kr1kkit9f31"
PERSON, VALUE = "Trillian42", "Magrathea"
"""Stand in ids and cells. Only rejects, rejected rows, spool, journal and snapshot may hold them."""

OWN_FILES = r"rejects\.csv|rejected_rows/|spool|journal|snapshot|report\.html|/work/|/kept/"
"""The last two are the spool: `work` until a run is finished, `kept` for the rows that may be retried."""

DECLARED = Declared(
    "id",
    (
        Attribute("plan", "single_choice", options=("free", "pro")),
        Attribute("tags", "multi_choice", options=("a", "b")),
        Attribute("age", "number"),
        Attribute("day", "date"),
        Attribute("name", "free_text", max_length=60),
    ),
)
HEADER = "id,plan,tags,age,day,name\n"
GOOD = "".join(f"{PERSON}-{n},pro,a,{n},2020-01-01,{VALUE} {n}\n" for n in range(30))
BAD = "".join(
    [
        f"{PERSON}-x1,{VALUE},{VALUE}|a,{VALUE},{VALUE},{VALUE * 9}\n",
        f"{PERSON}-x2,pro,{VALUE},1,2020-13-01,{VALUE}\n",
        f"{PERSON}-x3,{VALUE}\n",
        f'{PERSON}-x4,pro,a,1,2020-01-01,{VALUE}" stray\n',
        f"{PERSON}-x5,pro,a,1,2020-01-01,{VALUE},{VALUE}\n",
        f",pro,a,1,2020-01-01,{VALUE}\n",
        f"{PERSON}{'9' * 200},pro,a,1,2020-01-01,{VALUE}\n",
    ]
)


def start_here(folder: Path, url: str, source: Path, /, **tables: Any) -> Path:
    path = folder / "import.toml"
    path.write_text(config_text(DECLARED, source, url, **tables), "utf-8")
    return path


def assert_nowhere(result: Result, *secrets: str, except_in: str | None = None) -> None:
    """`secrets` are on no stream and in no file of the state folder, as text in any case."""
    for secret in secrets:
        for stream in (result.out, result.err):
            lines = [line for line in stream.splitlines() if secret.lower() in line.lower()]
            assert not lines, lines[:2]
    for path in result.state.rglob("*"):
        inside = str(path.relative_to(result.state))
        if except_in and re.search(except_in, inside):
            continue
        current = (inside.encode() + (path.read_bytes() if path.is_file() else b"")).lower()
        found = [secret for secret in secrets if secret.lower().encode() in current]
        assert not found, (inside, found)


def echo(status: int, calls: int = 1000) -> Script:
    """A server that repeats all it was told in every place it can, in its first `calls` answers."""

    def script(call: Received) -> Reply | None:
        if call.number > calls:
            return None
        told = call.headers.get("authorization", "") + " " + call.body.decode()
        return error(status, told, told)

    return script


def echo_reason(call: Received) -> Reply:
    told = call.headers.get("authorization", "") + " " + call.body.decode()
    keys = list(call.attributes or {})
    rejected = [{"key": keys[0], "reason": told, "message": told}]
    return Reply(200, {"personId": told, "applied": len(keys) - 1, "rejected": rejected})


def echo_page(status: int, calls: int = 1000) -> Script:
    def script(call: Received) -> Reply | None:
        told = call.headers.get("authorization", "").encode() + call.body
        return Reply(status, b"<h1>" + told) if call.number <= calls else None

    return script


def echo_location(call: Received) -> Reply:
    told = call.headers.get("authorization", "").replace(" ", "_")
    return Reply(302, b"", {"Location": f"http://127.0.0.1:9/{told}/{call.distinct_id}"})


SCRIPTS: dict[str, Script] = {
    "good": lambda _: None,
    "echo-400": echo(400),
    "echo-401": echo(401),
    "echo-403": echo(403),
    "echo-429": echo(429, 1),  # waiting for a server that never recovers takes its time
    "echo-500": echo(500, 2),
    "echo-reason": echo_reason,
    "page-200": echo_page(200),
    "page-404": echo_page(404),
    "page-503": echo_page(503, 2),
    "redirect": echo_location,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_neither_key_nor_people_leave_their_place_whatever_is_answered(name: str, tmp_path: Path) -> None:
    source = tmp_path / f"{name}.csv"
    source.write_text(HEADER + GOOD + BAD)
    with ReplyServer(script=SCRIPTS[name], key=KEY) as server:
        limits = {"retry_attempts": 1, "give_up_after": "1s"}
        config = start_here(tmp_path, server.url, source, destination=limits)
        result = importer("run", config, "--run-id", "r", cwd=tmp_path, env={KEY_NAME: KEY})
        assert server.calls, result.err
    assert result.code in (1, 4, 5), result.err
    assert_nowhere(result, KEY, KEY.removeprefix("sk_live_"))
    assert_nowhere(result, PERSON, VALUE, except_in=OWN_FILES)
    if name not in ("good", "echo-reason"):
        return
    for words in (("runs",), ("report", "r"), ("retry", "r")):
        again = importer(*words, cwd=tmp_path, env={KEY_NAME: KEY})
        assert_nowhere(again, KEY, KEY.removeprefix("sk_live_"))
        assert_nowhere(again, PERSON, VALUE, except_in=OWN_FILES)


def test_a_finished_run_keeps_no_values_of_people_without_a_reject(tmp_path: Path) -> None:
    source = text(HEADER + GOOD + f"{PERSON}-bad,gold,a,1,2020-01-01,Slartibartfast\n")(tmp_path)
    with ReplyServer(key=KEY) as server:
        config = start_here(tmp_path, server.url, source)
        for command in ("check", "run"):
            result = importer(command, config, "--run-id", command, cwd=tmp_path, env={KEY_NAME: KEY})
            assert result.code == 1, result.err
            assert_nowhere(result, VALUE, except_in="snapshot")
            [kept] = result.rejected_rows(command)
            assert "Slartibartfast" in kept.read_text()


def broken_parquet(folder: Path) -> Path:
    path = folder / "list.parquet"
    pl.DataFrame({"id": [f"{PERSON}{n}" for n in range(99)], "plan": [VALUE] * 99}).write_parquet(path)
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"\xff" * 60 + data[68:])
    return path


def text(content: str, name: str = "list.csv") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


BROKEN: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "no header": (text(GOOD), {}),
    "where casts a cell": (text(HEADER + GOOD + BAD), {"where": "CAST(age AS INT) > 3"}),
    "where compares a cell": (text(HEADER + GOOD + BAD), {"where": "CAST(day AS DATE) > '2020-01-01'"}),
    "parquet garbled": (broken_parquet, {}),
    "not gzip": (text(HEADER + GOOD, "list.csv.gz"), {}),
    "not zstd": (text(HEADER + GOOD, "list.csv.zst"), {}),
    "another delimiter": (text((HEADER + GOOD).replace(",", ";")), {}),
    "another encoding": (text(HEADER + GOOD), {"encoding": "utf-16"}),
    "quote never closed": (text(HEADER + f'"{PERSON},pro\n' + GOOD), {}),
    "every row malformed": (text(HEADER + GOOD.replace(",a,", ",")), {}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_message_about_a_broken_list_shows_a_cell(name: str, tmp_path: Path) -> None:
    write, keys = BROKEN[name]
    with ReplyServer(key=KEY) as server:
        config = start_here(tmp_path, server.url, write(tmp_path), source=keys)
        result = importer("check", config, "--run-id", "r", cwd=tmp_path, env={KEY_NAME: KEY})
    assert result.code in (1, 2, 3), result.err
    assert "Traceback" not in result.err
    assert_nowhere(result, KEY)
    assert_nowhere(result, PERSON, VALUE, except_in=OWN_FILES)


@pytest.mark.parametrize(
    "key",
    ["sk_live_two\nlines", "sk_live_ümlaut", "sk_live_tab\t", "pk_live_Kr1kkit9f31", "Kr1kkit9f31", "sk\x7f"],
    ids=ascii,
)
def test_a_key_that_cannot_serve_is_not_repeated(key: str, tmp_path: Path) -> None:
    with ReplyServer() as server:
        source = text(HEADER + GOOD)(tmp_path)
        config = start_here(tmp_path, server.url, source)
        result = importer("run", config, cwd=tmp_path, env={KEY_NAME: key})
        if key.strip() == key:
            assert (result.code, server.calls) == (2, []), result.err
    assert key.strip() not in result.err + result.out
    assert "Kr1kkit" not in result.err + result.out


def test_a_literal_key_in_the_config_is_not_repeated(tmp_path: Path) -> None:
    source = text(HEADER + GOOD)(tmp_path)
    mistakes: tuple[dict[str, Any], ...] = ({"api_key": KEY}, {"api_key": KEY, "hue": 1}, {"apikey": KEY})
    for number, keys in enumerate(mistakes):
        config = start_here(tmp_path, "https://127.0.0.1", source, destination=keys)
        result = importer("run", config, cwd=tmp_path)
        assert result.code == 2, number
        assert KEY not in result.err + result.out, number


def family(leader: int) -> Iterator[int]:
    """The processes of a session, by /proc: the program is started as the leader of its own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            except (OSError, ValueError):
                continue
            if session == leader:
                yield int(entry.name)


@pytest.mark.parametrize("place", ["env", "file"])
def test_the_key_is_in_no_process_list(place: str, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY + "\n")
    key_file.chmod(0o600)
    api_key = f"env:{KEY_NAME}" if place == "env" else f"file:{key_file}"
    env = {KEY_NAME: KEY if place == "env" else "unused"}
    seen: dict[int, tuple[bytes, bytes]] = {}
    with ReplyServer(key=KEY, delay=0.03) as server:
        source = text(HEADER + GOOD)(tmp_path)
        keys = {"api_key": api_key, "max_in_flight": 1}
        config = start_here(tmp_path, server.url, source, destination=keys)
        with start("run", config, "--run-id", "r", cwd=tmp_path, env=env) as process:
            while process.poll() is None:
                for pid in family(process.pid):
                    try:
                        line = Path(f"/proc/{pid}/cmdline").read_bytes()
                        seen[pid] = line, Path(f"/proc/{pid}/environ").read_bytes()
                    except OSError:
                        continue
                time.sleep(0.02)
            out, err = process.communicate()
        assert process.returncode == 0, err
        assert len(server.stored) == 30
    assert process.pid in seen
    for line, variables in seen.values():
        assert KEY.encode() not in line
        holders = [v for v in variables.split(b"\0") if KEY.encode() in v]
        assert holders == ([f"{KEY_NAME}={KEY}".encode()] if place == "env" else [])
    result = Result(process.returncode, out.decode(), err.decode(), tmp_path / ".importer")
    assert_nowhere(result, KEY)


def test_proxies_and_netrc_do_not_see_the_key_on_loopback(tmp_path: Path) -> None:
    """`.netrc` is never read: its login for the host must not replace the key."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    with ReplyServer(key=KEY) as server:
        config = start_here(tmp_path, server.url, text(HEADER + GOOD)(tmp_path))
        env = {KEY_NAME: KEY, "HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
        result = importer("run", config, "--run-id", "r", cwd=tmp_path, env=env)
        assert result.code == 0, result.err
        assert {c.headers["authorization"] for c in server.calls} == {f"Bearer {KEY}"}
        assert not any(PERSON.encode() in " ".join(c.headers.values()).encode() for c in server.calls)


def test_the_oracle_gives_the_program_nothing_it_should_not_have() -> None:
    assert not any("proxy" in name.lower() for name in environment())
    assert set(environment()) <= {*os.environ, "PYTHONPATH", "PYTHONUTF8", KEY_NAME}
