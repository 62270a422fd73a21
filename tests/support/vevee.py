"""A short list to Vevee, and a sandbox that knows other attributes than the list declares."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from importer.config import loader as configuration
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.sandbox.server import SandboxServer
from tests.support.oracle.program import config_text
from tests.support.oracle.reading import Attribute, Declared
from tests.support.oracle.replies import KEY

TAGS = ("a", "b", "c")
LIST = "id,tags,age,name\np1,a|b,41,Zoë\np2,c,30,\np3,b|c,7,Ida\np4,a|c,,Tom\n"


def declared(tags: tuple[str, ...] = TAGS, blank: Literal["skip", "clear"] = "skip") -> Declared:
    return Declared(
        "id",
        (
            Attribute("tags", "multi_choice", options=tags),
            Attribute("age", "number"),
            Attribute("name", "free_text", blank=blank),
        ),
    )


@contextmanager
def playing(
    folder: Path, ours: Declared, theirs: Declared, options: Mapping[str, Any], **destination: Any
) -> Iterator[tuple[Path, SandboxServer]]:
    """The list, its configuration as we declare it, and a sandbox with the definitions of `theirs`."""
    source, config = folder / "list.csv", folder / "import.toml"
    source.write_text(LIST, "utf-8")
    config.write_text(config_text(theirs, source, "http://127.0.0.1:1", destination=destination), "utf-8")
    with sandbox.running(configuration.load(config), SandboxOptions(**options), KEY) as server:
        config.write_text(config_text(ours, source, server.url, destination=destination), "utf-8")
        yield config, server
