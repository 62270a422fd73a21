"""`python -m tests.torture --minutes N [--seed S]`, and one round again: `--seed S --only ROUND`.

Exit codes: 0 all passed, 1 a round failed (its seed and number are printed).
"""

import argparse
import random
import sys
import time

from tests.torture.rounds import Done, play, rounds, total


def main() -> int:
    """Plays and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (default: 1)")
    parser.add_argument("--seed", type=int, help="default: a new one")
    parser.add_argument("--only", type=int, metavar="ROUND", help="this round of the seed alone")
    options = parser.parse_args()
    # A process that is killed leaves its semaphores; Python's tracker takes them away and would say so.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    say(f"seed {seed}")
    until = time.monotonic() + 60 * options.minutes
    played = iter([play(seed, options.only)]) if options.only is not None else rounds(seed, until)
    done: list[Done] = []
    for one in played:
        done.append(one)
        report(one, seed)
    say(total(done))
    return int(any(one.failure for one in done))


def report(one: Done, seed: int) -> None:
    """One line for a round; all of its steps where it failed."""
    verdict = "FAILED" if one.failure else "passed"
    say(f"{one.number:>5} {one.kind:<8} {verdict:<6} {one.seconds:5.1f} s  {'; '.join(one.figures.steps)}")
    if one.failure:
        say(one.failure)
        say(f"again: python -m tests.torture --seed {seed} --only {one.number}")


def say(text: str) -> None:
    """On standard output at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
