"""A page needs every fact that its template names; a compiled template is kept as Python keeps modules."""

import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from importer.report import page


def test_a_template_gets_every_fact_that_it_names() -> None:
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        page.render("report.html.j2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Python keeps what it has compiled."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    made = Path(cache_from_source(page.__file__)).parent
    made.mkdir(parents=True)
    return made


def trends_page() -> str:
    """As a new process writes it."""
    page.compiled.cache_clear()
    return page.render("trends.html.j2", name="<nightly>", runs=[], charts=[], rejected=[])


def test_a_template_is_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trends_page()
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr("jinja2.Environment.compile", lambda *_: pytest.fail("compiled again"))
    assert trends_page() == first
    assert "&lt;nightly&gt;" in first


def test_a_page_is_written_where_nothing_can_be_kept(folder: Path) -> None:
    folder.rmdir()
    assert "&lt;nightly&gt;" in trends_page()


def test_a_page_is_written_where_the_disk_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    assert "&lt;nightly&gt;" in trends_page()
    assert not list(folder.iterdir())
