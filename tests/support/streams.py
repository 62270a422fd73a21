"""Standard streams as a run may find them."""

STREAMS = {
    "as usual": ("", {}),
    "stderr closed": ("2>&-", {}),
    "stdout closed": (">&-", {}),
    "all closed": ("<&- >&- 2>&-", {}),
    "stderr full": ("2>/dev/full", {}),
    "stdout full": (">/dev/full", {}),
    "no reader": ("| true", {}),
    "no reader of stderr": ("2>&1 >/dev/null | true", {}),
    "ascii": ("", {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}),
    "C locale": ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
}
