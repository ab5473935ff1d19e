"""Run all benchmarks, or some, each in a process of its own.

`.venv/bin/python -m benchmarks [NAME …] [--json]`

What each measures says its own `--help`: `.venv/bin/python -m benchmarks.small --help`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = sorted(
    path.stem for path in HERE.glob("*.py") if "--json" in path.read_text() and path.stem[0] != "_"
)
PARTS = ("django", "channels", "daphne", "yt-dlp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(
            f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    found = {name: run(name) for name in options.names or NAMES}
    if options.json:
        print(json.dumps({"machine": machine(), "benchmarks": found}, indent=2))
        return
    print("  ".join(f"{name} {value}" for name, value in machine().items()))
    for name, figures in found.items():
        print(f"\n{name}")
        print(json.dumps(figures, indent=2))


def run(name: str) -> Any:
    """Run one; return what it measured, or the error that it ended with."""
    print(f"{name} …", file=sys.stderr)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    finished = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True)
    if finished.returncode:
        return {"ended_with": finished.returncode}
    return json.loads(finished.stdout)


def machine() -> dict[str, str]:
    """Describe what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = {part: version(part) for part in PARTS}
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        **parts,
    }


if __name__ == "__main__":
    main()
