"""What to do after a run: one sentence and one command, the same in every report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from importer.core.errors import DEFAULT_STATE_DIR, GuardError, command
from importer.storage.run_folder import RunFolder


class NextStep(NamedTuple):
    """`command` is ready to paste, "" where nothing is to be done."""

    sentence: str
    command: str

    def __str__(self) -> str:
        return f"{self.sentence}: {self.command}" if self.sentence and self.command else self.command


def next_step(summary: Mapping[str, Any], folder: RunFolder, state_dir: Path) -> NextStep:
    """What to do after a run that has a summary."""
    meta, files = folder.read_meta(), folder.rejected_files()
    if meta["mode"] == "check":
        config = meta["config_path"] or "CONFIG"
        own = (Path(config).parent / DEFAULT_STATE_DIR).resolve() == state_dir.resolve()
        place = DEFAULT_STATE_DIR if own else state_dir
        return _after_check(summary, (config, *meta["arguments"]), place)
    if summary["state"] != "finished":
        return after_stop(summary, state_dir)
    if files:
        retry = command("retry", folder.run_id, str(files[0]), state_dir=state_dir)
        return NextStep("correct the rows, then", retry)
    return NextStep("", "")


def _after_check(summary: Mapping[str, Any], words: Sequence[str], state_dir: Path) -> NextStep:
    """A check is never resumed; `words` are its configuration and sources."""
    again = command("check", *words, state_dir=state_dir)
    if summary["exit_code"] == GuardError.exit_code:
        flags = " ".join(_passing(summary))
        return NextStep(f"correct the list or the configuration, or add {flags} if it is meant, then", again)
    if summary["exit_code"]:
        return NextStep("correct the list or the configuration, then", again)
    return NextStep("", command("run", *words, state_dir=state_dir))


def after_stop(summary: Mapping[str, Any], state_dir: Path) -> NextStep:
    """The command that continues a stopped run; where a guard stopped it, with what lets it pass."""
    words = ("resume", summary["run_id"])
    if summary["exit_code"] != GuardError.exit_code:
        return NextStep("", command(*words, state_dir=state_dir))
    resume = command(*words, *_passing(summary), state_dir=state_dir)
    return NextStep("correct the list and run it again, or continue as it is", resume)


def _passing(summary: Mapping[str, Any]) -> Sequence[str]:
    """The flags that let pass what stopped the run: its guards, or else its limit of rejects."""
    return [word for name in summary["guards"] for word in ("--allow", name)] or ["--max-rejects", "N"]
