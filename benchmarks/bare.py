"""What a user may run instead of vnsite: its time and CPU for the same links."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from benchmarks.site import ROOT

# Each prints its seconds and its CPU after the first link, which loads what yt-dlp loads lazily.
FRAME = """
import os, resource, sys, time, yt_dlp

def cpu():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)

downloader = yt_dlp.YoutubeDL({{"quiet": True, "noprogress": True, "cachedir": False}})
first, *urls = sys.argv[1:]
downloader.extract_info(first)
began, used = time.monotonic(), cpu()
{work}
print(time.monotonic() - began, cpu() - used)
"""
LOOP = """
for url in urls:
    downloader.extract_info(url)
"""
# Four at a time, like the worker; without rows, logs or promises.
FORKS = """
running = 0
for url in urls:
    if running == 4:
        os.wait()
        running -= 1
    if os.fork() == 0:
        try:
            downloader.extract_info(url)
        finally:
            os._exit(0)
    running += 1
while running:
    os.wait()
    running -= 1
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    seconds: float
    cpu_seconds: float


def loop(warm: str, urls: list[str]) -> Cost:
    """One `YoutubeDL` that fetches them one after the other; `warm` is fetched before."""
    return _python(LOOP, warm, urls)


def forks(warm: str, urls: list[str]) -> Cost:
    """A fork for each, of the process that has fetched `warm`."""
    return _python(FORKS, warm, urls)


def command(url: str, *options: str) -> Cost:
    """The `yt-dlp` command, its start included: nobody gets a download without it."""
    return run(sys.executable, "-m", "yt_dlp", "--quiet", *options, url)


def tool(name: str, url: str) -> Cost | None:
    """`curl` or `aria2c`; None when it is not installed."""
    program = shutil.which(name)
    if program is None:
        return None
    options = {"curl": ("-s", "-O"), "aria2c": ("-q", "--file-allocation=none")}[name]
    return run(program, *options, url)


def run(*arguments: str) -> Cost:
    """Run a command in an empty folder of the disk that vnsite works on."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    _output(*arguments)
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds=seconds, cpu_seconds=used)


def _python(work: str, warm: str, urls: list[str]) -> Cost:
    printed = _output(sys.executable, "-c", FRAME.format(work=work), warm, *urls)
    seconds, cpu_seconds = map(float, printed.split()[-2:])
    return Cost(seconds=seconds, cpu_seconds=cpu_seconds)


def _output(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="vnsite-bare-") as folder:
        finished = subprocess.run(
            arguments,
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "YTDLP_NO_PLUGINS": "1", "PATH": os.environ["PATH"]},
            check=True,
            capture_output=True,
            text=True,
        )
    return finished.stdout
