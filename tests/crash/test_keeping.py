"""Killed right before each call by which proven bytes are kept: done again, they are kept or gone.

Without rows: who names the directory does not matter to the disk. What recovery does around it is
in `tests/worker/test_resumption.py`.
"""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from downloads.disk import isolation, partial
from downloads.disk.isolation import directory_name
from downloads.disk.partial import LEAST_BYTES, PROOF, Proof
from tests.crash.tracing import CALL, CALLS, require_strace

ROOT = Path(__file__).resolve().parents[2]
KEEP = """
import sys
from pathlib import Path
from downloads.disk import partial
partial.keep(Path(sys.argv[1]), sys.argv[2])
"""


def left(root: Path) -> Path:
    """A directory as a killed attempt leaves it."""
    directory = root / directory_name("abc")
    (directory / ".cache").mkdir(parents=True)
    (directory / ".cache" / "junk").write_bytes(b"junk")
    (directory / isolation.OWNER).touch()
    (directory / "media.mp4.part").write_bytes(os.urandom(LEAST_BYTES))
    Proof(name="media.mp4", format_id="0", total_bytes=10**8, etag='"1"', last_modified="").write(
        directory
    )
    return directory


def keep(directory: Path, log: Path, *, inject: str = "") -> int:
    """Keep what is in the directory, in a process that strace holds; how it ended."""
    injection = ["-e", f"inject={inject}"] if inject else []
    command = ["strace", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *injection]
    program = [sys.executable, "-B", "-c", KEEP, str(directory.parent), directory.name]
    return subprocess.run([*command, *program], cwd=ROOT).returncode


def test_killed_at_any_call_the_bytes_are_kept_or_gone(tmp_path: Path) -> None:
    require_strace()
    log, root = tmp_path / "strace", tmp_path / "root"
    assert keep(left(root), log) == 0
    calls = [match[2] for match in map(CALL.match, log.read_text().splitlines()) if match]
    points = [
        (call, number) for call, count in Counter(calls).items() for number in range(1, count + 1)
    ]
    kept_again = 0

    for call, number in points:
        directory = left(tmp_path / f"{call}-{number}")
        digest = hashlib.sha256((directory / "media.mp4.part").read_bytes()).hexdigest()
        assert keep(directory, log, inject=f"{call}:signal=SIGKILL:when={number}") != 0

        kept = partial.keep(directory.parent, directory.name)

        if kept:
            kept_again += 1
            part = directory / "media.mp4.part"
            assert hashlib.sha256(part.read_bytes()).hexdigest() == digest
            assert {path.name for path in directory.iterdir()} == {part.name, PROOF}
        assert list(directory.parent.iterdir()) == [directory] * bool(kept)
    assert kept_again > 0.8 * len(points)
