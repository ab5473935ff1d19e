"""How long it takes to import the films that another tool left.

`.venv/bin/python -m benchmarks.importing [--count 5000] [--json]`

So many films, each with an `.info.json` of 60 kB, subtitles and a picture, first each in a folder
of its own, then all in one folder with `--own-folders`: the seconds until they are entries, and of
them those of CPU; the seconds of a second run that finds all of them known; and how long the median
and the longest write of somebody else took meanwhile. With VNSITE_DATABASE_URL in the database that
it names, which must be empty.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.figures import Figures, show

# Type, index and content of an MP4 that is as long as it says.
FILM = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\0\0mdat" + b"film" * 1000
FORMATS = 120  # that an info lists, half a kilobyte each
PAUSE_SECONDS = 0.005  # between two writes of somebody else


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(VNSITE_DATA_DIR=folder, DJANGO_SETTINGS_MODULE="vnsite.settings")
        figures = measure(Path(folder) / "media", options.count)
    show(figures, as_json=options.json)


def measure(root: Path, count: int) -> Figures:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(root / "own", count, own_folders=True)
    fill(root / "flat", count, own_folders=False)
    writer = Writer()
    writer.start()
    found = {
        **taken_by("where they are", root / "own"),
        **taken_by("known", root / "own"),
        **taken_by("moved into folders", root / "flat", "--own-folders"),
    }
    return found | writer.end() | {"load_average": os.getloadavg()[0]}


def fill(folder: Path, count: int, *, own_folders: bool) -> None:
    formats = [{"format_id": str(each), "url": "x" * 480} for each in range(FORMATS)]
    for number in range(count):
        name = f"Film {number} [{number:011d}]"
        home = folder / name if own_folders else folder
        home.mkdir(parents=True, exist_ok=True)
        info = {"id": f"{folder.name}{number:09d}", "title": name, "formats": formats}
        link = f"https://www.youtube.com/watch?v={info['id']}"
        info |= {"extractor_key": "Youtube", "webpage_url": link, "uploader": "Ada"}
        (home / f"{name}.mp4").write_bytes(FILM)
        (home / f"{name}.info.json").write_text(json.dumps(info))
        (home / f"{name}.en.vtt").write_text("WEBVTT\n")
        (home / f"{name}.jpg").write_bytes(b"picture")


def taken_by(name: str, folder: Path, *arguments: str) -> Figures:
    """Import a folder; return the seconds."""
    from django.core.management import call_command

    began, cpu = time.monotonic(), time.thread_time()
    call_command("import_library", str(folder), *arguments, stdout=io.StringIO())
    return {f"{name}, s": time.monotonic() - began, f"{name}, s of CPU": time.thread_time() - cpu}


class Writer(threading.Thread):
    """Somebody else who writes all the time, in a connection of their own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ending = threading.Event()
        self._took_ms: list[float] = []

    def end(self) -> Figures:
        self._ending.set()
        self.join()
        median, longest = statistics.median(self._took_ms), max(self._took_ms)
        return {"another write, ms": median, "the longest of them, ms": longest}

    def run(self) -> None:
        from django.db import connection

        from downloads.models import StreamPosition
        from downloads.models.transactions import short_transaction

        while not self._ending.wait(PAUSE_SECONDS):
            began = time.monotonic()
            with short_transaction():
                StreamPosition.hold()
            self._took_ms.append(1000 * (time.monotonic() - began))
        connection.close()


if __name__ == "__main__":
    main()
