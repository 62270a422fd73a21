"""Who may import whom (DESIGN.md, section 3), read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TIERS = (
    {"errors"},
    {"models", "clock"},
    {"halving"},
    {"attributes", "records", "destinations"},
    {"folding", "lines", "repair", "sources", "texts"},
    {"recovery"},
    {"splitter"},
    {"buckets", "config", "wire"},
    {"addresses", "client", "options", "journal", "pacing", "spool", "runs"},
    {"reader", "damage", "memory", "repeats", "fingerprint", "endings"},
    {"dialect", "fetch", "identities", "kinds", "snapshot"},
    {"intake", "sieve"},
    {"chunker", "sender", "reports"},
    {"crew", "reading", "closing"},
    {"reconciler"},
    {"checking", "resolving", "guards", "spent", "signals"},
    {"life"},
    {"changes"},
    {"sending", "retrying", "summary", "screen", "page"},
    {"metrics", "notify"},
    {"morning"},
    {"opening", "dispatch", "finishing"},
    {"helping"},
    {"pipeline"},
    {"worker"},
    {"sandbox", "forget", "undo", "verify", "explain", "draft"},
    {"cli"},
    {"__init__", "__main__"},  # the doors: `importer.run` and `python -m importer`
)
"""From the ground up; a module imports from lower tiers only. `destinations` stands for its whole folder."""

HTTP_ONLY_IN = {"client", "fetch", "sandbox", "wire"}
HTTP = {"aiohttp", "httpx", "httpx2", "httptools", "requests", "urllib3", "urllib.request", "http.client"}
NO_POLARS_IN = {"client", "fetch", "wire", "sender", "destinations"}
PRINTS_ONLY_IN = {"cli"}

PACKAGE = Path(__file__).parent.parent / "importer"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))
}


def _tier(module: str) -> int:
    top = module.partition(".")[0]
    found = [level for level, names in enumerate(TIERS) if top in names]
    assert found, f"importer/{module}: in no tier; add {top!r} to TIERS in {Path(__file__).name}"
    return found[0]


def _imports(tree: ast.AST) -> Iterator[str]:
    """The dotted name of everything imported, wherever it stands: at the top or in a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def _own_module(name: str) -> str:
    """`importer.config.Config` → `config`, `importer.destinations.base` → `destinations.base`."""
    parts = [*name.split(".")[1:3], "", ""]
    if f"{parts[0]}.{parts[1]}" in MODULES:
        return f"{parts[0]}.{parts[1]}"
    known = set().union(*TIERS) | set(MODULES)
    return parts[0] if parts[0] in known else "__init__"


def _may_import(module: str, target: str) -> bool:
    inside = module.startswith("destinations.") and target == "destinations.base" != module
    return inside or _tier(target) < _tier(module)


def _starts(name: str, packages: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def _breaches(module: str, source: str) -> Iterator[str]:
    tree, top = ast.parse(source), module.partition(".")[0]
    for name in _imports(tree):
        if name.startswith("."):
            yield f"{module} imports {name}: write the full name"
        elif _starts(name, {"importer"}) and not _may_import(module, _own_module(name)):
            yield f"{module} imports {name}: not of a lower tier"
        elif _starts(name, HTTP) and top not in HTTP_ONLY_IN:
            yield f"{module} imports {name}: HTTP belongs to {HTTP_ONLY_IN}"
        elif _starts(name, {"polars", "polars_hash"}) and top in NO_POLARS_IN:
            yield f"{module} imports {name}: no polars here"
        elif name == "sys.stdout" and top not in PRINTS_ONLY_IN:
            yield f"{module} imports {name}: only the command line prints"
    for node in ast.walk(tree):
        prints = isinstance(node, ast.Name) and node.id == "print"
        writes = isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdout"
        if (prints or writes) and top not in PRINTS_ONLY_IN:
            yield f"{module} uses {ast.unparse(node)}: only the command line prints"


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_its_tier(module: str) -> None:
    _tier(module)
    assert not list(_breaches(module, MODULES[module].read_text("utf-8")))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models", "from importer import config"),
        ("models", "import importer.config"),
        ("errors", "from importer import run"),
        ("reader", "from importer.chunker import Chunk"),
        ("attributes", "def f():\n    from importer.destinations.base import Call"),
        ("destinations.vevee", "from importer.destinations import attentive"),
        ("destinations.vevee", "from importer.destinations import names"),
        ("destinations.base", "from importer.destinations import vevee"),
        ("config", "from .errors import ConfigError"),
        ("pipeline", "from aiohttp import web"),
        ("journal", "import urllib.request"),
        ("sender", "from httptools import HttpResponseParser"),
        ("sender", "import polars as pl"),
        ("destinations.vevee", "from polars_hash import col"),
        ("reports", "print('x')"),
        ("reports", "import sys\nsys.stdout.write('x')"),
    ],
)
def test_a_breach_is_found(module: str, source: str) -> None:
    assert list(_breaches(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("config", "from importer import destinations\nfrom importer.destinations.base import Destination"),
        ("destinations.vevee", "from importer.destinations import base\nfrom importer.models import Call"),
        ("client", "import httpx2"),
        ("cli", "from importer import sandbox\nprint('x')"),
        ("__main__", "from importer.cli import main"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    assert not list(_breaches(module, source))


def test_a_module_without_a_tier_is_named() -> None:
    with pytest.raises(AssertionError, match="add 'utils' to TIERS"):
        _tier("utils")
