"""`demo`, `init`, `config show`, `schema`, `sandbox`: the commands of the first day."""

import argparse
import json
import os
from functools import partial
from pathlib import Path

from importer.cli.import_commands import state_dir_of
from importer.cli.logs import say_more
from importer.cli.progress import Progress
from importer.cli.streams import print_lines
from importer.config import loader as configuration
from importer.config.options import Options
from importer.config.schema import Config
from importer.core import examples
from importer.core.errors import ConfigError, command
from importer.core.models import RunSummary
from importer.report import text_report
from importer.report.summary import as_json
from importer.storage.run_folder import RunFolder

_DEMO_KEY = "IMPORTER_DEMO_KEY"


def demo(args: argparse.Namespace) -> int:
    """`importer demo`: the sample list into a sandbox of its own, which ends with the command."""
    from importer.sandbox import demo as sample
    from importer.sandbox import server as sandbox

    config = configuration.load(examples.folder() / "config" / f"{args.destination}.toml")
    key, state_dir = sample.default_key(config), state_dir_of(args)
    os.environ[_DEMO_KEY] = key
    section = config.destination.model_copy(update={"api_key": f"env:{_DEMO_KEY}"})
    config = config.model_copy(update={"destination": section})
    with sandbox.running(config, sample.demo_options(config), key) as server:
        summary = _import_sample(config, server.url, state_dir)
    folder = RunFolder(state_dir / "runs" / summary.run_id)
    print_lines(text_report.summary_lines(as_json(summary), "run"))
    print_lines(["", f"  report   {folder.html_report}"])
    print_lines([f"  rejects  {folder.rejects}", f"  rows     {folder.rejected_rows}"])
    print_lines(["  next     a configuration for a list of your own: importer init LIST > people.toml"])
    return 0 if summary.state == "finished" else summary.exit_code


def _import_sample(config: Config, url: str, state_dir: Path) -> RunSummary:
    from importer.pipeline import runner

    options = Options(state_dir=state_dir, base_url=url, rate=0)
    with Progress(quiet=False, events=False) as progress:
        return runner.run(config, [str(examples.folder() / "samples" / "customers.csv")], options, progress)


def init(args: argparse.Namespace) -> int:
    """`importer init SOURCE`: a configuration to read and correct; or, with `--example`, one of ours."""
    lines = _draft(args) if args.example is None else _example(args)
    if args.o is None:
        print_lines(lines)
        return 0
    _write_new(args.o, "".join(f"{line}\n" for line in lines))
    print_lines(
        [f"written  {args.o}", f"next     read and correct it, then: {command('check', str(args.o))}"]
    )
    return 0


def _draft(args: argparse.Namespace) -> list[str]:
    from importer.commands.init import Wishes, draft

    if args.source is None:
        raise ConfigError("init: name the list to draft from, or an example: importer init --example vevee")
    return list(draft(args.source, Wishes(args.destination, args.id, args.like)))


def _example(args: argparse.Namespace) -> list[str]:
    if args.source is not None:
        raise ConfigError("init: a list and --example cannot be together; leave one of them out.")
    known = examples.configurations()
    if args.example not in known:
        raise ConfigError(f"--example {args.example}: no such example; there are: {', '.join(known)}.")
    return known[args.example].read_text("utf-8").splitlines()


def _write_new(path: Path, text: str) -> None:
    """ConfigError where the file is there already, or cannot be written."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"-o: {path} is there already; name another file, or remove it first.") from None
    except OSError as error:
        raise ConfigError(
            f"-o: {path} cannot be written ({type(error).__name__}); name another file."
        ) from None


def schema(args: argparse.Namespace) -> int:
    """`importer schema`: for editors that complete and check TOML."""
    from importer.config.json_schema import add_installed

    shown = json.loads((examples.folder() / "config" / "importer.schema.json").read_text("utf-8"))
    add_installed(shown)
    print_lines(json.dumps(shown, indent=2, ensure_ascii=False).splitlines())
    return 0


def show_config(args: argparse.Namespace) -> int:
    """`importer config show CONFIG`: bases joined, variables replaced, defaults filled in."""
    from importer.config.show import as_toml

    print_lines(as_toml(configuration.load(args.config)))
    return 0


def sandbox(args: argparse.Namespace) -> int:
    """`importer sandbox [CONFIG]`: serves until Ctrl-C."""
    from importer.sandbox import demo as sample
    from importer.sandbox import faults, server
    from importer.sandbox.options import SandboxOptions

    config = configuration.load(args.config or examples.folder() / "config" / "vevee.toml")
    options = SandboxOptions(
        faults=tuple(faults.parse_fault(text) for text in args.fail),
        latency=args.latency,
        rate_limit=args.rate_limit,
        quota=args.quota,
        seed=args.seed,
        archived=frozenset(args.archived),
        undefined=frozenset(args.undefined),
        port=args.port,
    )
    key = sample.key_for(config)
    shown_key = key if key == sample.default_key(config) else ""
    ready = partial(_say_ready, config, args.config or "config/vevee.toml", shown_key)
    server.serve(config, options, key, ready)
    return 0


def _say_ready(config: Config, path: str, key: str, url: str) -> None:
    """What to type in another shell; `key` is the sandbox's own, "" where the user has set one."""
    say_more(f"{config.destination.type} sandbox on {url}, Ctrl-C stops it. In another shell:")
    if key:
        kind, _, name = config.destination.api_key.partition(":")
        say_more(f"  export {name}={key}" if kind == "env" else f"  put {key} into {name}")
    say_more(f"  {command('run', path, '--base-url', url, '--rate', '0')}")
