"""The version and the install command that the installed package tells."""

import json
import re
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from importer.core import package


def test_the_version_is_that_of_the_metadata() -> None:
    assert package.version() == metadata.version("customer-importer")


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (
            {"url": "file:///home/ana/my%20work/importer", "dir_info": {"editable": True}},
            'python -m pip install -e "/home/ana/my work/importer[fast]"',
        ),
        ({"url": "file:///srv/importer", "dir_info": {}}, 'python -m pip install "/srv/importer[fast]"'),
        (
            {"url": "file:///srv/customer_importer-1.0-py3-none-any.whl", "archive_info": {}},
            'python -m pip install "/srv/customer_importer-1.0-py3-none-any.whl[fast]"',
        ),
        (
            {"url": "https://example.com/x.whl", "archive_info": {}},
            'python -m pip install "PATH-TO-CHECKOUT-OR-WHEEL[fast]"',
        ),
        (None, 'python -m pip install "PATH-TO-CHECKOUT-OR-WHEEL[fast]"'),
    ],
)
def test_an_extra_is_installed_from_where_the_package_came_from(
    origin: dict[str, Any] | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(origin) if origin else None
    found = SimpleNamespace(read_text=lambda _: text)
    monkeypatch.setattr(metadata, "distribution", lambda _: found)
    assert package.install_command("fast") == command


def test_no_command_names_the_package_alone() -> None:
    assert not re.search(r"install customer-importer", package.install_command("fast"))
