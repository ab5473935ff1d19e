"""200 small downloads in one batch, against one process that calls yt-dlp in a loop.

`.venv/bin/python -m benchmarks.small [--count 200] [--rounds 3] [--json]`

Prints, for each round: how long the batch took to be accepted and until all of it was visible to a
browser; downloads a second of vnsite (from the request to the last CLEANED) and of the bare loop,
right before it; and their ratio.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.site import ROOT, Site, media_site, running_site, wait_until

BARE_LOOP = """
import sys, time, yt_dlp
urls = sys.argv[1:]
with yt_dlp.YoutubeDL({"quiet": True, "noprogress": True, "cachedir": False}) as downloader:
    downloader.extract_info(urls[0])
    began = time.monotonic()
    for url in urls[1:]:
        downloader.extract_info(url)
    print((len(urls) - 1) / (time.monotonic() - began))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds = []
    with media_site() as origin, running_site(allow=origin, arguments=SLOTS) as site:
        measure_round(site, origin, "warm", 8)
        for number in range(options.rounds):
            rounds.append(measure_round(site, origin, str(number), options.count))
            if not options.json:
                print("  ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()))
    ratio = statistics.median(result["ratio"] for result in rounds)
    if options.json:
        print(json.dumps({"rounds": rounds, "median_ratio": ratio}, indent=2))
    else:
        print(f"median ratio {ratio:.2f} (at least 0.50 is wanted)")


SLOTS = ("--concurrency", "4")


def measure_round(site: Site, origin: str, name: str, count: int) -> dict[str, float]:
    urls = [f"http://{origin}/small/{number}.mp4?{name}" for number in range(count)]
    bare = bare_loop(urls)
    browser = site.browser()
    cleaned_before = counts(site)["cleaned"]
    began = time.monotonic()
    site.ask("/downloads/batch", {"urls": urls})
    accepted = time.monotonic() - began
    page = browser.get(site.url).text
    visible = time.monotonic() - began
    assert len(set(re.findall(r"/downloads/([0-9a-f]{12})/", page))) >= min(count, 50)
    assert sum(counts(site).values()) - cleaned_before >= count
    wait_until(
        lambda: counts(site)["cleaned"] - cleaned_before >= count, seconds=600, every_seconds=0.1
    )
    ours = count / (time.monotonic() - began)
    return {
        "accepted_seconds": accepted,
        "visible_seconds": visible,
        "vnsite_per_second": ours,
        "bare_per_second": bare,
        "ratio": ours / bare,
    }


def counts(site: Site) -> dict[str, int]:
    answer: dict[str, int] = site.ask("/stats")["counts"]
    return answer


def bare_loop(urls: list[str]) -> float:
    """Downloads a second of one process that calls `extract_info` in a loop."""
    with tempfile.TemporaryDirectory() as directory:
        finished = subprocess.run(
            [sys.executable, "-c", BARE_LOOP, *urls],
            cwd=directory,
            env={"PYTHONPATH": str(ROOT), "YTDLP_NO_PLUGINS": "1", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(finished.stdout.split()[-1])


if __name__ == "__main__":
    main()
