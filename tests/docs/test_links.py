"""Every link and every path that the documentation names leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, title

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
_PLACE = re.compile(r"`((?:importer|config|samples|tests|docs|benchmarks|\.ci|\.github)/[\w./-]*)`")
_TO_BE_MADE = {"docs/_build", "docs/_build/html", "docs/_build/html/index.html"}


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in _LINK.findall(_prose(page)):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_every_path_that_is_named_exists(page: Path) -> None:
    places = set(_PLACE.findall(_prose(page))) - _TO_BE_MADE
    missing = sorted(place for place in places if not (ROOT / place).exists())
    assert not missing
