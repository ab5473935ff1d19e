"""How fast recovery removes the directories of attempts that are over, beside `shutil.rmtree`.

`.venv/bin/python -m benchmarks.cleanup [--count 10000] [--rounds 3] [--json]`

Each directory is one that an attempt on this machine left, whose download was deleted: its lock
file, its bytes and what yt-dlp notes beside them. `recover` is what `cleanup_orphans` and the
worker's sweep call: it looks for owners and processes, and follows no link. The loop of
`shutil.rmtree` over as many of the same directories does nothing of that.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figures, rounds, show

DEAD_PID = 2**22  # the kernel gives out lower ones


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vnsite-benchmark-") as directory:
        os.environ |= {
            "VNSITE_DATA_DIR": directory,
            "VNSITE_LOG_LEVEL": "warning",
            "DJANGO_SETTINGS_MODULE": "vnsite.settings",
        }
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        figures = rounds(lambda _: measure(options.count), options.rounds)
    show(figures, as_json=options.json)


def measure(count: int) -> Figures:
    """Remove `count` directories by each of the two, and compare."""
    from django.conf import settings

    from downloads.worker import recovery

    root = settings.VNSITE.temp_root
    names = leave_directories(root, count)
    plain_seconds, plain_cpu = timed(lambda: [shutil.rmtree(root / name) for name in names])
    leave_directories(root, count)
    seconds, cpu = timed(lambda: recovery.recover(actor="benchmark"))
    assert not list(root.iterdir())
    return {
        "directories": count,
        "removed_a_second": count / seconds,
        "removed_a_second_of_cpu": count / cpu,
        "rmtree_a_second": count / plain_seconds,
        "rmtree_a_second_of_cpu": count / plain_cpu,
    }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds and the seconds of CPU that it took."""
    began, used = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - used


def leave_directories(root: Path, count: int) -> list[str]:
    """Make directories as dead attempts leave them, with their rows; return their names."""
    import socket

    from django.utils import timezone

    from downloads.disk import isolation
    from downloads.fetch.processes import boot_id
    from downloads.models import Attempt

    names = [isolation.directory_name(isolation.new_correlation_id()) for _ in range(count)]
    here = {"host": socket.gethostname(), "boot_id": boot_id(), "started_at": timezone.now()}
    child = {"child_pid": DEAD_PID, "child_started": 1}
    Attempt.objects.bulk_create(
        (Attempt(directory=name, number=1, **here, **child) for name in names), batch_size=1000
    )
    for name in names:
        directory = root / name
        directory.mkdir(mode=0o700, parents=True)
        for file in (isolation.OWNER, "video.mp4.part", "video.mp4.ytdl"):
            (directory / file).write_bytes(b"")
    return names


if __name__ == "__main__":
    main()
