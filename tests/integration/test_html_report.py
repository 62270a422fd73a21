"""`report.html` in a real browser: it filters, sorts, copies, fits a phone, and runs nothing from data."""

import csv
import io
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import importer
from importer.cli import main
from importer.config import parse
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions
from importer.storage.run_folder import RunFolder

KEY = "sk_test_html"
HOSTILE = [
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "javascript:document.title='owned'",
    "{{ 7 * 7 }}{% raw %}",
    "\u202eRTL\u202c \u0645\u0631\u062d\u0628\u0627",
    "=cmd|' /C calc'!A0",
    "x" * 1_000_000,
    '"><svg onload=document.title=1>',
]


def chromium() -> str:
    """Debian's browser; where the checks run (CI=true) it has to be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found and os.environ.get("CI") != "true":
        pytest.skip("no chromium here; apt-get install chromium")
    assert found, "chromium is missing; the checks install it"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


def mapping(folder: Path) -> dict[str, Any]:
    return {
        "name": "people",
        "source": {"path": str(folder / "list.csv")},
        "identity": {"column": "id"},
        "destination": {"type": "vevee", "api_key": "env:HTML_KEY", "requests_per_second": 5000},
        "attributes": {
            "plan": {"type": "single_choice", "options": ["pro", "free"]},
            "age": {"type": "number", "max": 120},
            "name": {"type": "free_text", "max_length": 50},
            **{f"score_{n}": {"type": "number"} for n in range(3)},
        },
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A good run, and after it a bad one of 400 rows."""
    place = tmp_path_factory.mktemp("html")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTML_KEY", KEY)
        config = mapping(place)
        with sandbox.running(parse(config), SandboxOptions(), KEY) as server:

            def options(run_id: str) -> importer.Options:
                return importer.Options(state_dir=place / "state", base_url=server.url, run_id=run_id)

            header = ["id", "plan", "age", "name", *(f"score_{n}" for n in range(3))]
            (place / "list.csv").write_text(f"{','.join(header)}\n1,pro,7,Ana,,,\n", "utf-8")
            assert importer.run(config, (), options("good")).exit_code == 0
            text = io.StringIO()
            rows = csv.writer(text, lineterminator="\n")
            rows.writerow(header)
            for n in range(400):
                plan = HOSTILE[n % len(HOSTILE)] if n < 180 else "techno" if n < 300 else "pro"
                age, name, scores = (
                    "many" if n % 5 == 0 else n % 90,
                    "Zoë" * (1 if n % 7 else 30),
                    ["high"] * 3,
                )
                rows.writerow([f"u{n}", plan, age, name, *(scores if n < 10 else ["", "", ""])])
            (place / "list.csv").write_text(text.getvalue(), "utf-8")
            assert importer.run(config, (), options("bad")).exit_code == 1
        yield RunFolder(place / "state" / "runs" / "bad")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1100, "height": 800})
    yield opened
    opened.close()


@pytest.fixture
def seen() -> list[str]:
    """What the browser said or asked for."""
    return []


@pytest.fixture
def page(context: BrowserContext, folder: RunFolder, seen: list[str]) -> Page:
    opened = context.new_page()
    opened.on("console", lambda message: seen.append(message.text))
    opened.on("pageerror", lambda error: seen.append(str(error)))
    opened.on("request", lambda request: seen.append(request.url))
    opened.goto(folder.html_report.as_uri())
    return opened


def shown_rows(page: Page) -> int:
    return page.locator("#examples tbody tr:visible").count()


def test_it_says_first_what_happened_and_what_to_do(page: Page, folder: RunFolder) -> None:
    assert re.fullmatch(
        r"[\d,]+ values are applied, [\d,]+ rejected\.",
        page.locator("h1").inner_text(),
    )
    command = page.locator("#next-command").inner_text()
    assert command.startswith("importer retry bad ")
    assert str(folder.rejected_rows) in command
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-copy=next-command]").click()
    page.wait_for_function("document.querySelector('[data-copy]').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_nothing_is_fetched_logged_or_run_from_data(page: Page, seen: list[str], folder: RunFolder) -> None:
    for group in page.locator("details summary").all():
        group.click()
    assert seen == [folder.html_report.as_uri()]
    assert page.title() == "people → vevee: finished"
    assert page.locator("img, iframe, object, link, a").count() == 0
    assert page.locator("script").count() == 1
    texts = page.locator("td.value").all_inner_texts()
    assert any(text.startswith("<script>document.title='owned'") for text in texts)
    assert any(text.startswith("{{ 7 * 7 }}") for text in texts)
    assert max(map(len, texts)) < 220
    assert folder.html_report.stat().st_size < 1_000_000
    assert stat.S_IMODE(folder.html_report.stat().st_mode) == 0o600


def test_filters_work_on_groups_and_rows(page: Page) -> None:
    groups = page.locator("details.group:visible")
    every = groups.count()
    page.select_option("select[name=attribute]", "age")
    assert 0 < groups.count() < every
    assert set(page.locator("#examples tbody tr:visible td:nth-child(5)").all_inner_texts()) == {"age"}
    page.fill("input[name=text]", "no such text at all")
    assert (groups.count(), shown_rows(page)) == (0, 0)
    assert page.locator(".found").inner_text() == "0 groups, 0 example rows"
    page.fill("input[name=text]", "")
    page.select_option("select[name=attribute]", "")
    assert groups.count() == every


def test_groups_hold_counts_values_what_is_accepted_and_the_fix(page: Page) -> None:
    group = page.locator("details.group[data-attribute=plan]").first
    group.locator("summary").first.click()
    text = group.inner_text()
    assert re.match(r"300\b.*plan.*attribute value invalid", text.replace("\n", " "))
    assert "one of: pro, free" in text
    assert "Correct the cells" in text
    assert re.search(r"techno ×120", text)


def test_rows_are_sorted_and_paged(page: Page) -> None:
    assert shown_rows(page) == 25
    page.locator("#examples th button", has_text="row").first.click()
    numbers = [int(n) for n in page.locator("#examples tbody tr:visible td:nth-child(2)").all_inner_texts()]
    assert numbers == sorted(numbers)
    page.locator("#examples th button", has_text="row").first.click()
    numbers = [int(n) for n in page.locator("#examples tbody tr:visible td:nth-child(2)").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert page.locator("#examples th[aria-sort=descending]").count() == 1
    page.locator("[data-page='1']").click()
    assert page.locator(".page").inner_text().startswith("Page 2 of ")


def test_what_is_filtered_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    page.select_option("select[name=attribute]", "age")
    with page.expect_download() as waiting:
        page.locator("[data-download]").click()
    waiting.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["attribute"] for line in lines} == {"age"}
    assert all(line["value"] == "many" for line in lines)


def test_shares_are_compared_with_the_run_before(page: Page) -> None:
    text = page.locator("section[aria-labelledby=attributes] tr", has_text="plan").first.inner_text()
    assert "▼" in text
    assert "▲" in text


@pytest.mark.parametrize("width", [360, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_helps_a_screen_reader(
    width: int, scheme: Any, browser: Browser, folder: RunFolder
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    try:
        page = context.new_page()
        for name in ("bad", "good"):
            page.goto(folder.beside(name).html_report.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            results = Axe().run(page)
            bad = [v["id"] for v in results.response["violations"] if v["impact"] in ("serious", "critical")]
            assert not bad, results.generate_report()
    finally:
        context.close()


def test_on_a_phone_value_and_message_come_first_and_shares_need_no_scrolling(
    context: BrowserContext, folder: RunFolder
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(folder.html_report.as_uri())
    row = page.locator("#examples tbody tr").first
    places = row.locator("td").evaluate_all(
        "cells => cells.map(c => [c.getBoundingClientRect().y, c.dataset.label])"
    )
    assert [label for _, label in sorted(places)][:3] == ["value", "message", "file"]
    shares = page.locator("[role=region][aria-labelledby=attributes]")
    assert shares.evaluate("region => region.scrollWidth <= region.clientWidth")


def test_a_good_run_says_that_nothing_has_to_be_done(context: BrowserContext, folder: RunFolder) -> None:
    page = context.new_page()
    page.goto(folder.beside("good").html_report.as_uri())
    assert page.locator("h1").inner_text().startswith("All is well: 3 values of 1 row are applied")
    assert "Nothing has to be done" in page.locator(".next").inner_text()
    assert "Nothing was rejected or adjusted." in page.content()


def test_the_trends_of_an_import_fit_a_phone_and_fetch_nothing(
    context: BrowserContext, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["runs", "--html", "--state-dir", str(folder.path.parent.parent)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.name == "trends-people.html"
    page, seen = context.new_page(), list[str]()
    page.on("console", lambda message: seen.append(message.text))
    page.on("request", lambda request: seen.append(request.url))
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(path.as_uri())
    assert seen == [path.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("h1").inner_text() == "2 runs, the last one finished with exit code 1"
    assert page.locator("section[aria-labelledby=rejected] h3").count() == 6
    assert page.locator("svg.chart").first.locator("rect").count() == 2
    results = Axe().run(page)
    assert not [v for v in results.response["violations"] if v["impact"] in ("serious", "critical")]


def test_a_copy_to_pass_on_holds_no_value_and_no_id(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "bad", "--no-values", "--state-dir", str(folder.path.parent.parent)]
    assert main.main(words) == 0
    path = Path(capsys.readouterr().out.strip())
    text = path.read_text("utf-8")
    assert path.name == "report-no-values.html"
    assert "techno" not in text
    assert "u17<" not in text
    assert "techno" in folder.html_report.read_text("utf-8")


def test_the_report_is_opened(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    assert main.main(["report", "bad", "--open", "--state-dir", str(folder.path.parent.parent)]) == 0
    assert opened == [folder.html_report.as_uri()]
    assert capsys.readouterr().out == f"{folder.html_report}\n"
