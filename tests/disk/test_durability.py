"""That what is published is on the disk, and in which order: the calls of a real process."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from downloads.disk import library
from tests.crash.tracing import require_strace
from tests.helpers.worker import ROOT

PUBLISH = """
import sys
from pathlib import Path
from downloads.disk.library import StagedFile, publish, stage
root, source, sha256 = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
stage(root, "key", [StagedFile(source=source, name="a.mp4", size=5, sha256=sha256)])
publish(root, "key", "entry")
"""
STEP = re.compile(r"(?:\d+ +)?(fsync\(\d+<(?P<synced>[^>]*)>\)|renameat2\() *.* = 0")


@pytest.mark.parametrize("fault", ["", "rename:error=EXDEV"], ids=["moved", "copied"])
def test_file_and_name_are_durable_before_the_entry_appears_and_the_entry_after(
    tmp_path: Path, fault: str
) -> None:
    require_strace()
    root, source, log = tmp_path / "media", tmp_path / "source.mp4", tmp_path / "strace"
    root.mkdir()
    source.write_bytes(b"video")
    sha256 = hashlib.sha256(b"video").hexdigest()
    injection = ["-e", f"inject={fault}"] if fault else []
    strace = ["strace", "-y", "-o", str(log), "-e", "trace=fsync,renameat2,rename", *injection]

    program = [sys.executable, "-c", PUBLISH, str(root), str(source), sha256]
    subprocess.run([*strace, *program], cwd=ROOT, check=True)

    staged = root / library.STAGING / "key"
    steps = [match["synced"] for match in map(STEP.match, log.read_text().splitlines()) if match]
    assert steps == [str(staged / "a.mp4"), str(staged), None, str(root)]
