"""Where the importer meets its surroundings: wrong input ends in 2, 3, 5 or 7, never in 9."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.oracle.program import Result, config_text, importer
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import ReplyServer

DECLARED = Declared("id", (Attribute("plan", "free_text"),))
SECRET = "Beeblebrox"
LIST = f"id,plan\nu1,{SECRET}\n"


@dataclass
class World:
    """A folder with a list, a configuration and the words of one command."""

    folder: Path
    url: str
    variables: dict[str, str]
    words: list[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "import.toml"

    def text(self) -> str:
        return config_text(DECLARED, self.folder / "list.csv", self.url)

    def run(self) -> Result:
        return importer(*map(os.fsdecode, self.words), cwd=self.folder, env=self.variables)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ReplyServer() as server:
        (tmp_path / "list.csv").write_text(LIST)
        found = World(tmp_path, server.url, {}, [b"run", b"import.toml", b"--run-id", b"r"])
        found.config.write_text(found.text())
        yield found


Change = Callable[[World], object]


def toml(text: str | bytes) -> Change:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda world: world.config.write_bytes(content)


def added(text: str) -> Change:
    return lambda world: world.config.write_text(world.text() + text)


def replaced(old: str, new: str) -> Change:
    def change(world: World) -> None:
        text = world.text()
        assert old in text
        world.config.write_text(text.replace(old, new))

    return change


def words(*given: bytes) -> Change:
    return lambda world: world.words.extend(given)


def variable(name: str, value: str) -> Change:
    return lambda world: world.variables.update({name: value})


def notified(url: str) -> Change:
    def change(world: World) -> None:
        added('\n[notify]\nwebhook = "env:HOOK"\n')(world)
        world.variables["HOOK"] = url
        world.words += [b"--max-rejects", b"0"]

    return change


def file_named(name: bytes) -> Change:
    def change(world: World) -> None:
        Path(os.fsdecode(os.fsencode(world.folder) + b"/" + name)).write_text(LIST)
        world.words.append(name)

    return change


def folder_with(name: bytes) -> Change:
    def change(world: World) -> None:
        (world.folder / "lists").mkdir()
        Path(os.fsdecode(os.fsencode(world.folder) + b"/lists/" + name)).write_text(LIST)
        world.words.append(b"lists")

    return change


BORDERS: dict[str, tuple[int, str, Change]] = {
    "arrays in arrays": (2, "nested", toml("name = " + "[" * 5_000 + "]" * 5_000)),
    "tables in tables": (2, "nested", toml("name = " + "{a=" * 5_000 + "1" + "}" * 5_000)),
    "a dotted key of 5,000 parts": (2, "nested", toml(".".join(["a"] * 5_000) + " = 1")),
    "a section of 5,000 parts": (2, "nested", toml("[" + ".".join(["a"] * 5_000) + "]")),
    "an integer of 5,000 digits": (
        2,
        "number",
        replaced("requests_per_second = 0", "max_in_flight = " + "9" * 5_000),
    ),
    "an integer of 400 digits": (
        2,
        "destination.requests_per_second",
        replaced("requests_per_second = 0", "requests_per_second = 1" + "0" * 400),
    ),
    "not a number": (
        2,
        "requests_per_second",
        replaced("requests_per_second = 0", "requests_per_second = nan"),
    ),
    "bytes that are no text": (2, "UTF-8", toml(b"name = '\xff\xfe'")),
    "NUL bytes": (2, "not valid TOML", toml(b"\0" * 100)),
    "a huge configuration": (2, "MiB", toml("# " + "x" * 5_000_000)),
    "a folder as configuration": (2, "is a folder", lambda w: w.words.__setitem__(1, b".")),
    "a config that is not UTF-8": (2, "not UTF-8", lambda w: w.words.__setitem__(1, b"caf\xe9.toml")),
    "a source that is not UTF-8": (2, "not UTF-8", file_named(b"caf\xe9.csv")),
    "a file in a folder that is not UTF-8": (3, "not UTF-8", folder_with(b"caf\xe9.csv")),
    "a run id that is not UTF-8": (2, "not UTF-8", words(b"--run-id", b"caf\xe9")),
    "a state folder that is not UTF-8": (2, "not UTF-8", words(b"--state-dir", b"caf\xe9")),
    "a state folder by environment": (2, "not UTF-8", variable("IMPORTER_STATE_DIR", "caf\udce9")),
    "a state folder with NUL": (2, "", lambda w: w.words.extend([b"--state-dir", b"x" * 300])),
    "a base URL with half a bracket": (2, "--base-url", words(b"--base-url", b"https://[x")),
    "a base URL with a wrong port": (2, "--base-url", words(b"--base-url", b"https://host:port")),
    "half a bracket in base_url": (
        2,
        "base_url",
        lambda w: w.config.write_text(config_text(DECLARED, w.folder / "list.csv", "https://[x")),
    ),
}
WEBHOOKS = ["https://[x", "https://host:port/", "http://", "ftp://host/", "\u202e", "https://h\x00st/"]


@pytest.mark.parametrize("name", BORDERS)
def test_wrong_surroundings_end_in_a_sentence(name: str, world: World) -> None:
    code, said, change = BORDERS[name]
    change(world)
    done = world.run()
    err = done.err
    assert done.code in ((code,) if name != "a state folder with NUL" else (2, 7)), err
    assert said in err
    assert err.startswith("importer: ")
    assert len(err) < 1_000
    assert "Traceback" not in err
    assert "internal error" not in err
    assert SECRET not in err


@pytest.mark.parametrize("url", WEBHOOKS[:-1])
def test_a_wrong_webhook_changes_no_exit_code(url: str, world: World) -> None:
    (world.folder / "list.csv").write_text(LIST + ",x\n")
    notified(url)(world)
    done = world.run()
    err = done.err
    assert done.code == 6, err
    assert "the webhook was not notified: " in err
    assert "internal error" not in err
