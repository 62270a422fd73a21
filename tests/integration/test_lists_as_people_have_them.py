"""Lists as spreadsheets, web forms and other tools export them: what arrives is right, or it is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import importer
from importer.config import loader
from importer.core.models import RunSummary
from importer.sandbox import server as sandbox
from importer.sandbox.options import SandboxOptions

KEY = "sk_key"
Stored = dict[str, dict[str, Any]]


@pytest.fixture(params=["csv", "parquet"])
def imported(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports rows of texts from a CSV or a Parquet file; checks that `check` counts the same."""

    def play(
        rows: dict[str, list[str]], attributes: dict[str, Any], **sections: Any
    ) -> tuple[RunSummary, Stored]:
        frame, path = pl.DataFrame(rows), tmp_path / f"list.{request.param}"
        if request.param == "csv":
            frame.write_csv(path, quote_style="always")
        else:
            frame.write_parquet(path)
        monkeypatch.setenv("LIST_KEY", KEY)
        config = loader.parse(
            {
                "name": "lists",
                "source": {"path": str(path), **sections.get("source", {})},
                "identity": {"column": "id", **sections.get("identity", {})},
                "destination": {"type": "vevee", "api_key": "env:LIST_KEY", "requests_per_second": 0},
                "attributes": attributes,
            }
        )
        options = importer.Options(state_dir=tmp_path / "state")
        checked = importer.check(config, (), options)
        with sandbox.running(config, SandboxOptions(), KEY) as server:
            summary = importer.run(
                config, (), importer.Options(state_dir=tmp_path / "state", base_url=server.url)
            )
            stored: Stored = dict(server.stored)
        assert checked.values["rejected"] == summary.values["rejected"]
        assert checked.rows["rejected"] == summary.rows["rejected"]
        return summary, stored

    return play


def reasons(summary: RunSummary) -> dict[str, int]:
    found: Counter[str] = Counter()
    for reject in summary.reject_counts:
        found[reject.reason] += reject.count
    return dict(found)


def test_people_without_an_id_are_not_merged(imported: Any) -> None:
    ids = ["null", "NULL", "undefined", "0", "N/A", "anonymous", "   ", "-1", "test", "C-100", "1.00012E+11"]
    ids.append("00000000-0000-0000-0000-000000000000")
    summary, stored = imported({"id": ids, "n": [str(i) for i in range(len(ids))]}, {"n": {"type": "number"}})
    assert stored == {"0": {"n": 3}, "-1": {"n": 7}, "test": {"n": 8}, "C-100": {"n": 9}}
    assert reasons(summary) == {
        "distinct_id_placeholder": 6,
        "distinct_id_missing": 1,
        "distinct_id_inexact": 1,
    }
    assert summary.exit_code == 1


def test_addresses_and_phone_numbers(imported: Any) -> None:
    rows = {
        "id": ["1", "2", "3", "4", "5"],
        "email": [
            "ana@x.example ",
            "\u200bbo@x.example\u00a0",
            "a@x.example ; b@y.example",
            "mailto:a@x.example",
            " ",
        ],
        "phone": ["(775) 555-0154", "+12025550143", "+1 202 555 0102 / +1 202 555 0103", "4.47912E+11", ""],
    }
    summary, stored = imported(rows, {"email": {"type": "email"}, "phone": {"type": "phone", "region": "US"}})
    assert stored == {
        "1": {"email": "ana@x.example", "phone": "+17755550154"},
        "2": {"email": "bo@x.example", "phone": "+12025550143"},
    }
    assert reasons(summary) == {"several_values": 2, "attribute_value_invalid": 2}


def test_blanks_marks_maps_and_defaults(imported: Any) -> None:
    rows = {
        "id": ["1", "2", "3"],
        "age": [" 41", " ", "\u00a0"],
        "vip": ["Ja ", "Nein", "ja"],
        "plan": ["", " ", "pro "],
        "tags": ["retail, ag-exempt", '"VIP","Blog"', '["a","b"]'],
        "spent": ["12.50 €", "(3.00)", "-"],
    }
    summary, stored = imported(
        rows,
        {
            "age": {"type": "number"},
            "vip": {"type": "boolean", "map": {"Ja": "true", "Nein": "false"}},
            "plan": {"type": "single_choice", "options": ("free", "pro"), "default": "free"},
            "tags": {"type": "multi_choice", "allow_custom": True, "separator": ","},
            "spent": {"type": "number", "units": ("€",), "parentheses": True},
        },
        source={"null_values": ("", "-")},
    )
    assert stored == {
        "1": {"age": 41, "vip": True, "plan": "free", "tags": ["retail", "ag-exempt"], "spent": 12.5},
        "2": {"vip": False, "plan": "free", "tags": ["VIP", "Blog"], "spent": -3},
        "3": {"plan": "pro"},
    }
    assert reasons(summary) == {"attribute_value_invalid": 2}


def test_text_of_spreadsheets(imported: Any) -> None:
    rows = {
        "id": ['="00123"', "'7210448301122", "=00125"],
        "zip": ['="01067"', "'08901", "20095"],
        "name": ["O'Keeffe", "'s-Hertogenbosch", "x"],
    }
    attributes = {"zip": {"type": "free_text"}, "name": {"type": "free_text"}}
    summary, stored = imported(rows, attributes, source={"spreadsheet_text": "unwrap"})
    assert stored == {
        "00123": {"zip": "01067", "name": "O'Keeffe"},
        "7210448301122": {"zip": "08901", "name": "'s-Hertogenbosch"},
    }
    assert reasons(summary) == {"distinct_id_formula": 1}


def test_without_a_declaration_text_of_spreadsheets_is_a_warning_that_strict_refuses(imported: Any) -> None:
    rows = {"id": ["1", "2"], "zip": ["'08901", '="01067"']}
    summary, stored = imported(rows, {"zip": {"type": "free_text"}})
    assert stored == {"1": {"zip": "'08901"}, "2": {"zip": '="01067"'}}
    assert [(w.code, w.column, w.rows) for w in summary.warnings] == [("spreadsheet_text", "zip", (1, 2))]


def test_computed_columns(imported: Any) -> None:
    rows = {"id": ["1", "2"], "first": ["Ana ", "Bo"], "last": ["Diaz", ""], "email": ["A@X.example", "no"]}
    summary, stored = imported(
        rows,
        {
            "full_name": {"type": "free_text"},
            "email": {"type": "email"},
            "origin": {"type": "free_text"},
        },
        source={
            "computed": {
                "full_name": "first || ' ' || last",
                "email": "LOWER(email)",
                "origin": "'import-2026'",
            }
        },
    )
    assert stored == {
        "1": {"full_name": "Ana Diaz", "email": "a@x.example", "origin": "import-2026"},
        "2": {"origin": "import-2026"},
    }
    assert reasons(summary) == {"attribute_value_invalid": 1}


def test_an_id_made_of_columns(imported: Any) -> None:
    rows = {"shop": ["7", "8", "", "8"], "number": ["1", "2", "", "3"], "city": ["Rome", "Bonn", "", "Graz"]}
    summary, stored = imported(
        rows,
        {"city": {"type": "free_text"}},
        source={"computed": {"uid": "shop || '-' || number"}},
        identity={"column": "uid"},
    )
    assert stored == {"7-1": {"city": "Rome"}, "8-2": {"city": "Bonn"}, "8-3": {"city": "Graz"}}
    assert summary.rows["empty"] == 1


def test_lists_as_json(imported: Any) -> None:
    rows = {"id": ["1", "2", "3", "4"], "tags": ['["a","b"]', "[]", '["a",null]', "a,b"]}
    summary, stored = imported(
        rows, {"tags": {"type": "multi_choice", "allow_custom": True, "format": "json"}}
    )
    assert stored == {"1": {"tags": ["a", "b"]}, "2": {"tags": []}}
    assert reasons(summary) == {"list_member_null": 1, "attribute_value_invalid": 1}


def test_a_total_at_the_end_is_a_warning(imported: Any) -> None:
    rows = {"id": ["6543", "4535", "54534", "Grand Total: 6,634"], "visits": ["1", "2", "3", ""]}
    summary, _ = imported(rows, {"visits": {"type": "number"}})
    assert [(w.code, w.rows) for w in summary.warnings] == [("edge_rows_differ", (4,))]
