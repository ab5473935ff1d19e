"""The memory of the fork server is gathered in huge pages, where the kernel does that."""

import subprocess
import sys

import pytest

PROGRAM = """
import re
from pathlib import Path
from downloads.fetch.huge_pages import gather

def huge_kilobytes():
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"AnonHugePages: +([0-9]+) kB", rollup)[1])

kept = [bytearray([number]) * 10**6 for number in range(16)]
before = huge_kilobytes()
gathered = gather()
assert all(part == bytes([number]) * 10**6 for number, part in enumerate(kept))
print(gathered, huge_kilobytes() - before)
"""


def test_memory_is_gathered_and_stays_what_it_was() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )

    gathered, kilobytes = map(int, done.stdout.split())
    if not gathered:
        pytest.skip("this kernel gathers nothing: Linux 6.1 does")
    assert kilobytes > 0
