"""Downloads at every station of their life, brought there by the moves that the worker makes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from downloads.models import (
    Download,
    Entry,
    Listing,
    Worker,
    claims,
    complete_with_listing,
    submissions,
)
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ListKind, Reason, State

numbers = count(1)
HOST = "host"  # of the workers that are made here


def submit(owner: User | None = None, *, url: str = "", **options: Any) -> Download:
    """A waiting download; each of another URL unless one is given."""
    link = url or f"https://example.org/watch/{next(numbers)}"
    (submitted,) = submissions.submit(
        [(link, DownloadOptions(**options))], owner=owner, actor="test"
    )
    return submitted.download


def submit_many(count: int) -> list[Download]:
    """So many waiting downloads, added in one go."""
    links = [f"https://example.org/watch/{next(numbers)}" for _ in range(count)]
    wishes = [(link, DownloadOptions()) for link in links]
    return [each.download for each in submissions.submit(wishes, owner=None, actor="test")]


def make_worker(*, heartbeat_at: datetime | None = None, slots: int = 4, **columns: Any) -> Worker:
    """A worker that is alive unless its heartbeat is old."""
    now = timezone.now()
    known = {"name": f"{HOST}-{next(numbers)}", "host": HOST, "pid": 1}
    return Worker.objects.create(
        slots=slots, started_at=now, heartbeat_at=heartbeat_at or now, **{**known, **columns}
    )


def claim_next(worker: Worker) -> Download | None:
    """What a worker with one free slot gets; None when nothing is claimable."""
    claimed = claims.claim(worker, slots=1)
    return claimed[0] if claimed else None


def long_ago() -> datetime:
    return timezone.now() - timedelta(hours=2)


def start(download: Download, worker: Worker | None = None) -> Download:
    """Walk from CREATED to DOWNLOADING, with an isolated directory on the disk.

    The download must be the one that is claimed next.
    """
    worker = worker or make_worker()
    claimed = claim_next(worker)
    assert claimed is not None
    assert claimed.pk == download.pk
    directory = settings.VNSITE.temp_root / claimed.directory
    directory.mkdir(parents=True)
    (directory / "part.mp4").write_bytes(b"x" * 1000)
    actor = worker.actor
    claimed.move(State.READY, actor=actor, reason=Reason.DIRECTORY_MADE)
    claimed.move(State.DOWNLOADING, actor=actor, reason=Reason.CHILD_STARTED)
    return claimed


def fail(download: Download, error_class: ErrorClass = ErrorClass.UNAVAILABLE) -> Download:
    """Walk from CREATED to FAILED; its directory is kept."""
    running = start(download)
    running.move(State.FAILED, actor="test", reason=error_class, error_class=error_class)
    return running


def complete(
    download: Download,
    *,
    name: str = "clip.mp4",
    beside: Sequence[dict[str, str]] = (),
    data: Mapping[str, Any] | None = None,
    media: Mapping[str, Any] | None = None,
) -> Download:
    """Walk from CREATED to COMPLETED with a published video; its directory is kept.

    `beside`: columns of further files. `data` and `media`: see `Download.complete`.
    """
    running = start(download)
    library_path = f"Title [{running.correlation_id}]"
    published = settings.VNSITE.media_root / library_path
    published.mkdir(parents=True)
    video = {"name": name, "media_type": "video/mp4"}
    files = [{"size": 5, "sha256": "0" * 64, **file} for file in (video, *beside)]
    for file in files:
        (published / str(file["name"])).write_bytes(b"video")
    running.decide_to_publish(library_path=library_path, manifest={})
    running.complete(files, actor="test", title=running.title, data=data or {}, media=media)
    return running


def list_up(download: Download, *entries: Entry, code: str = "") -> Listing:
    """Walk from CREATED to COMPLETED with a listing of the entries; its directory is kept."""
    return end_listed(start(download), *entries, code=code)


def end_listed(running: Download, *entries: Entry, code: str = "") -> Listing:
    """Walk from DOWNLOADING to COMPLETED with a listing; `code`: why it is not complete."""
    listing = Listing(title="A list", kind=ListKind.PLAYLIST, is_complete=not code)
    data = {"code": code} if code else {}
    complete_with_listing(running, listing, entries, actor="test", data=data)
    return listing


def entry(number: int, **columns: Any) -> Entry:
    """An entry that is not saved yet, with a media id and a link of its own."""
    known = {
        "extractor": "site",
        "media_id": f"video-{number}",
        "url": f"https://example.org/video/{number}",
        "title": f"Video {number}",
    }
    return Entry(**{**known, **columns})
