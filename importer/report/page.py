"""An HTML page from a template, with style and script inside and a policy that allows only those."""

import base64
import hashlib
import os
import sys
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Template
from jinja2.bccache import Bucket

from importer.core.text import printable
from importer.report.reject_groups import LONGEST

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **facts: Any) -> str:
    """The page of the template of this name; `facts` are its variables."""
    style, script = (_TEMPLATES.joinpath(name).read_text("utf-8") for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return compiled(template).render(style=style, script=script, policy=policy, **facts)


@cache
def compiled(template: str) -> Template:
    """The template of this name, loaded once in a process."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_bytecode(),
    )
    environment.filters |= {"n": _number, "words": _words, "short": _short}
    return environment.get_template(template)


class _Bytecode(FileSystemBytecodeCache):
    """Compiled templates on a disk that may be full."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


def _bytecode() -> _Bytecode | None:
    """Where Python keeps this module compiled, if it does: compiling a template takes longer than filling it.

    Jinja compiles again where the text of a template has changed, but not where the options above have:
    their names stand in the name of the file.
    """
    folder = Path(cache_from_source(__file__)).parent
    if sys.dont_write_bytecode or not os.access(folder, os.W_OK):
        return None
    return _Bytecode(str(folder), "autoescape-strict-trim-%s.cache")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _number(count: float) -> str:
    return f"{count:,}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(text: object) -> str:
    return printable(text, LONGEST)
