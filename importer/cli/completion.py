"""`importer completion SHELL`; a module of its own, since it needs nothing of the library."""

import argparse


def completion(args: argparse.Namespace) -> int:
    """`importer completion SHELL`: for bash and zsh to evaluate, for fish to source."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["importer"], shell=args.shell))
    return 0
