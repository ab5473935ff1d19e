"""What grows with the number of entries in the library, and how large its page is over the wire.

`.venv/bin/python -m benchmarks.library [--most 100000] [--rounds 15] [--json]`

A library with 1,000 entries, then with `--most`, of one user: the median milliseconds of CPU of a
page, without the server around it, and how many times those with 1,000; bytes of the grid of 50 as
they are sent (compressed, without posters). With VNSITE_DATABASE_URL in the database that it names,
which must be empty, and whose server's CPU does not count.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.filled import EVERY, FEW, RARE, SITES, WORDS

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import Client

LEAST = 1_000
BATCH = 2_000
UPLOADERS = 10  # each has a tenth of the library, but for one that has few
PARAGRAPH = 40  # words of a description
SAID = 1_000  # words of the subtitles that each tenth entry has
ONLY_SAID = "cormorant"  # subtitles of RARE have it
OFTEN_SAID = "guillemot"  # all subtitles have it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(VNSITE_DATA_DIR=folder, DJANGO_SETTINGS_MODULE="vnsite.settings")
        figures = {size: measure(size, options.rounds) for size in sorted({LEAST, options.most})}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, first in figures[LEAST].items():
        values = (f"{each[name]:12.2f} x{each[name] / first:5.2f}" for each in figures.values())
        print(f"{name:<36}{''.join(values)}")


def measure(size: int, rounds: int) -> dict[str, float]:
    """Return milliseconds by what took them, and bytes, with so many entries."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    user, _ = User.objects.get_or_create(username="anna")
    fill(size, user)
    client = Client(headers={"host": "localhost", "accept-encoding": "gzip"})
    client.force_login(user)
    found = {name: median_of(ask, rounds) for name, ask in pages(client)}
    return found | {"bytes of the grid": float(len(client.get("/library/").content))}


def fill(size: int, user: "User") -> None:
    """Add as many entries as are missing to `size`, with their cards."""
    from django.utils import timezone

    from downloads.library.models import Card, Position
    from downloads.models import LibraryEntry, PublishedFile

    now = timezone.now()
    present = Card.objects.count()
    for start in range(present, size, BATCH):
        numbers = range(start, min(start + BATCH, size))
        values = {number: columns_of(number) for number in numbers}
        entries = [
            LibraryEntry(
                correlation_id=f"{number:012x}",
                owner=user,
                path=f"{number:012x}",
                url=f"https://{values[number]['site']}/{number}",
                site=values[number]["site"],
                title=values[number]["title"],
                published_at=now - timedelta(minutes=size - number),
            )
            for number in numbers
        ]
        LibraryEntry.objects.bulk_create(entries)
        PublishedFile.objects.bulk_create(
            PublishedFile(
                entry=entry, name="film.mp4", size=1, sha256="0" * 64, media_type="video/mp4"
            )
            for entry in entries
        )
        Card.objects.bulk_create(
            Card(
                entry=entry,
                owner=user,
                added_at=entry.published_at,
                dated_at=entry.published_at,
                **values[number],
            )
            for number, entry in zip(numbers, entries, strict=True)
        )
        Position.objects.bulk_create(
            Position(
                entry=entry,
                user=user,
                seconds=60,
                duration_seconds=100,
                is_watched=number % 10 == 0,
                updated_at=now,
            )
            for number, entry in zip(numbers, entries, strict=True)
            if number % 10 < 2
        )


def columns_of(number: int) -> dict[str, Any]:
    """Return what a card says; `number` decides."""
    chance = random.Random(number)
    words = [EVERY, *chance.choices(WORDS, k=6), *([FEW] if number in RARE else [])]
    title = " ".join(words)
    return {
        "kind": "sound" if number % 5 == 0 else "video",
        "title": title.capitalize(),
        "sort_title": title[:100],
        "uploader": "Rare" if number in RARE else f"Uploader {number % UPLOADERS}",
        "site": SITES[number % len(SITES)],
        "duration_seconds": chance.randrange(1, 10_000),
        "size_bytes": chance.randrange(10**6, 10**9),
        "height": 1080,
        "description": " ".join(chance.choices(WORDS, k=PARAGRAPH)),
        "subtitles": said_in(number, chance) if number % 10 == 0 else "",
    }


def said_in(number: int, chance: random.Random) -> str:
    words = [*chance.choices(WORDS, k=SAID), OFTEN_SAID]
    return " ".join([*words, ONLY_SAID] if number in RARE else words)


def pages(client: "Client") -> Iterator[tuple[str, Callable[[], object]]]:
    from downloads.library.models import Card, Watched
    from downloads.web.library_list import Sort, key_of

    def page(path: str = "/library/", **query: str) -> Callable[[], object]:
        def ask() -> None:
            assert client.get(path, query).status_code == 200

        return ask

    middle = Card.objects.order_by("entry_id")[Card.objects.count() // 2]
    yield "first page", page()
    yield from ((f"by {sort}", page(sort=sort)) for sort in Sort)
    yield "half way down", page(after=key_of(middle, Sort.ADDED))
    yield "search that all match", page(q=EVERY)
    yield "search that 3 match", page(q=FEW)
    yield "search for what 3 say", page(q=ONLY_SAID)
    yield "search for what a tenth say", page(q=OFTEN_SAID)
    yield "search without a hit", page(q="zzyzx")
    yield "uploader with a tenth", page(uploader="Uploader 3")
    yield "uploader with 3", page(uploader="Rare", sort="title")
    yield "site with a fifth, by size", page(site=SITES[0], sort="size")
    yield from ((f"{each}", page(watched=each)) for each in Watched)  # a tenth is watched
    yield "sound", page(kind="sound")
    yield "storage", page("/library/storage/")


def median_of(ask: Callable[[], object], rounds: int) -> float:
    ask()  # the first one is slower
    found = []
    for _ in range(rounds):
        began = time.process_time()
        ask()
        found.append(1000 * (time.process_time() - began))
    return statistics.median(found)


if __name__ == "__main__":
    main()
