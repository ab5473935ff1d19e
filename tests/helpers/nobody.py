"""A user without rights, who runs what vnsite runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Nobody:
    folder: Path  # their own
    python: Path

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` as this user, with a data directory in their folder."""
        usual = {"VNSITE_DATA_DIR": str(self.folder / "data"), "PATH": os.environ["PATH"]}
        return subprocess.run(
            [str(self.python), "manage.py", *arguments],
            cwd=ROOT,
            env={**usual, **environment},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
        )


@contextmanager
def being_nobody() -> Iterator[Nobody]:
    """Skips the test where this process may not become another user, or they find no Python."""
    python = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if os.geteuid():
        pytest.skip("another user cannot be had here: it needs root")
    if not python.exists():
        pytest.skip(f"{python} is missing: other users may not run this one")
    folder = Path(tempfile.mkdtemp(prefix="vnsite-nobody-"))
    try:
        venv = folder / "venv"
        subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
        (packages,) = venv.glob("lib/*/site-packages")
        packages.rmdir()
        packages.symlink_to(sysconfig.get_path("purelib"))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        yield Nobody(folder=folder, python=venv / "bin" / "python")
    finally:
        shutil.rmtree(folder)
