"""One worker process of a run with `--workers N`: `python -m importer.worker FD FOLDER NUMBER COUNT`.

Started by `crew.py` alone; FD is its end of the socket pair.
"""

import socket
import sys
from pathlib import Path

from importer import pipeline


def main() -> None:
    """Sends this worker's chunks. Prints nothing: what there is to say goes over the line."""
    fd, folder, number, count = sys.argv[1:]
    pipeline.help_out(socket.socket(fileno=int(fd)), Path(folder), int(number), int(count))


if __name__ == "__main__":
    main()
