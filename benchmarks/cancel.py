"""From asking to cancel a running download to a dead process tree, and to an empty disk.

`.venv/bin/python -m benchmarks.cancel [--kinds KIND …] [--count 20] [--rounds 1] [--json]`

Three kinds, one after the other: a file that comes slowly; HLS, six fragments at once, each answer
late; and post-processing, while ffmpeg encodes. The time runs from the request; `tree_gone` ends
when no process of the attempt exists, `cleaned` when the API says CLEANED and nothing is on the
disk.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import nginx
from benchmarks.figures import Figures, quantile, rounds, show
from benchmarks.hls import delaying
from benchmarks.site import Site, media_site, running_site, wait_until

KINDS = ("file", "hls", "post_processing")
SEGMENTS = 150  # encoding their sound takes a second or more
LATE_SECONDS = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        media_site() as slow,
        nginx.media_site(segments=SEGMENTS) as fast,
        delaying(fast, LATE_SECONDS) as late,
        running_site(allow=f"{slow},{fast},{late}") as site,
    ):
        kinds: dict[str, Callable[[str], tuple[float, float]]] = {
            "file": lambda key: cancel_one(site, f"http://{slow}/slow.mp4?rate=50000&{key}"),
            "hls": lambda key: cancel_one(site, f"http://{late}/hls/index.m3u8?{key}"),
            "post_processing": lambda key: cancel_one(
                site, f"http://{fast}/hls/index.m3u8?{key}", audio="mp3"
            ),
        }

        def measure(number: int) -> Figures:
            figures: Figures = {}
            for kind in options.kinds:
                times = [kinds[kind](f"{number}-{turn}") for turn in range(options.count)]
                for index, name in enumerate(("tree_gone", "cleaned")):
                    values = [each[index] for each in times]
                    figures[f"{kind}_{name}_p50_ms"] = 1000 * quantile(values, 0.5)
                    figures[f"{kind}_{name}_p95_ms"] = 1000 * quantile(values, 0.95)
            return figures

        figures = rounds(measure, options.rounds)
    show(figures, as_json=options.json)


def cancel_one(site: Site, url: str, **options: str) -> tuple[float, float]:
    """Return the seconds until its processes were gone, and until it was cleaned."""
    added = site.ask("/downloads", {"url": url, "options": options})
    path = f"/downloads/{added['correlation_id']}"

    def is_busy() -> bool:
        download = site.ask(path)
        if options:
            return download["phase"] == "post-processing"
        return (download["progress"] or {}).get("bytes", 0) > 0

    wait_until(is_busy, seconds=60)
    processes = marked_processes(site)
    assert processes
    began = time.monotonic()
    site.ask(f"{path}/cancel", {}, method="POST")
    wait_until(lambda: not any(map(exists, processes)), seconds=30, every_seconds=0.001)
    gone = time.monotonic() - began
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=30, every_seconds=0.005)
    cleaned = time.monotonic() - began
    assert not list((site.data_dir / "tmp").iterdir())
    return gone, cleaned


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def marked_processes(site: Site) -> list[int]:
    """The processes that work in an isolated directory of this site."""
    root = str(site.data_dir / "tmp")
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and str((process / "cwd").readlink()).startswith(root):
                found.append(int(process.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
