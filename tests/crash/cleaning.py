"""`manage.py cleanup_orphans` as a process of its own, whole or killed in the middle."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from tests.helpers.waiting import DEADLINE_SECONDS, wait_for
from tests.helpers.worker import ROOT, worker_environment


class Cleanup:
    """A `cleanup_orphans` as a process of its own; see strace(1) for `inject`."""

    def __init__(self, inject: str) -> None:
        self._log = Path(settings.VNSITE.data_dir) / f"cleanup.{secrets.token_hex(4)}"
        strace = ["strace", "-f", "-o", "/dev/null", "-e", f"inject={inject}"] if inject else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*strace, sys.executable, "manage.py", "cleanup_orphans", "--skip-checks"],
                cwd=ROOT,
                env={**os.environ, **worker_environment(), "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def wait_until_it_says(self, text: str) -> None:
        wait_for(lambda: text in self._log.read_text(), what=f"a cleanup to say {text!r}")

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait(DEADLINE_SECONDS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def begun_cleanup(*, inject: str = "") -> Iterator[Cleanup]:
    begun = Cleanup(inject)
    try:
        yield begun
    finally:
        begun.close()


def cleanup(*, inject: str = "") -> int:
    """The exit code of a `cleanup_orphans`."""
    with begun_cleanup(inject=inject) as process:
        return process.wait()
