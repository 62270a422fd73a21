"""The guards of a run by name: what `--allow` takes and `summary.json` lists under `guards`."""

CONFIGURED = (
    "max_age",
    "min_rows",
    "max_row_change",
    "max_blank_change",
    "max_unknown_options",
    "max_attribute_rejects",
)
"""Keys of `[guards]` that are checked before the first call."""

GUARD_NAMES = (*CONFIGURED, "strict", "canary", "max_gone")
"""Those, and the guards that have a flag or a key of another section."""
