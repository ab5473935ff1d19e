"""Looks for bytes in files, in a process of its own.

Whoever closes a file of SQLite's in a process that has the database open takes away the locks of
that process (https://www.sqlite.org/howtocorrupt.html, 2.2): another one then removes the log
under it, and every connection after that fails with "disk I/O error".
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def files_with(needle: bytes, *roots: Path) -> list[Path]:
    """The files below the roots that have these bytes; links are not followed."""
    command = [sys.executable, "-m", "tests.helpers.searching", *map(str, roots)]
    done = subprocess.run(command, input=needle, stdout=subprocess.PIPE, check=True)
    return [Path(line) for line in done.stdout.decode().splitlines()]


def main() -> None:
    needle = sys.stdin.buffer.read()
    for root in map(Path, sys.argv[1:]):
        for path in root.rglob("*"):
            with suppress(FileNotFoundError):  # it was removed meanwhile
                if path.is_file() and not path.is_symlink() and needle in path.read_bytes():
                    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
