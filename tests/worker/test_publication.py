"""The lease is looked at directly before every effect on the library."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from downloads.diagnostics import invariants
from downloads.disk import library
from downloads.disk.isolation import IsolatedDownload
from downloads.disk.names import NotMedia
from downloads.fetch.protocol import Fetched, ManifestFile
from downloads.fetch.verify import describe, manifest_of
from downloads.models import Download, Worker, submissions
from downloads.rules.lease import Lease
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, Role, State
from downloads.worker import publication
from downloads.worker.owned import LeaseOver, OwnedRow
from tests.helpers import lives
from tests.helpers.films import BOXES
from tests.helpers.share import share

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

SUBTITLES = "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n"
LEASE_SECONDS = 60  # of which the worker may use 50


@pytest.fixture
def downloading() -> Download:
    """It runs, with two fetched files in its directory."""
    wish = ("https://example.org/v", DownloadOptions())
    submissions.submit([wish], owner=None, actor="test")
    worker: Worker = lives.make_worker()
    download = lives.claim_next(worker)
    assert download is not None
    isolated = IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )
    with isolated as directory:
        for name in ("a.mp4", "b.mp4"):
            (directory / name).write_bytes(BOXES + name.encode())
        isolated.keep()
    download.move(State.READY, actor="test", reason=Reason.DIRECTORY_MADE)
    download.move(State.DOWNLOADING, actor="test", reason=Reason.CHILD_STARTED)
    return download


def row_whose_looks_take(download: Download, seconds: int) -> OwnedRow:
    """A right to write that was renewed at 0; each look at the clock finds it so much later."""
    clock = count(0, seconds)
    lease = Lease(LEASE_SECONDS, clock=lambda: next(clock))
    lease.renew(asked_at=0)
    return OwnedRow(download, actor="test", lease=lease, term=lease.term)


def fetched(download: Download) -> Fetched:
    directory = settings.VNSITE.temp_root / download.directory
    files: list[ManifestFile] = [describe(directory / name) for name in ("a.mp4", "b.mp4")]
    return Fetched(title="v", files=files)


def publish(row: OwnedRow) -> None:
    directory = settings.VNSITE.temp_root / row.download.directory
    publication.publish(row, fetched(row.download), directory=directory)


def library_entries() -> list[str]:
    root = settings.VNSITE.media_root
    return [path.name for path in root.glob("*")] if root.exists() else []


def test_with_the_lease_it_is_published(downloading: Download) -> None:
    publish(row_whose_looks_take(downloading, 1))

    assert library.holds(
        settings.VNSITE.media_root,
        downloading.library_path,
        {"v.mp4": len(BOXES) + 5, "v (2).mp4": len(BOXES) + 5},
    )


def test_what_lies_beside_a_video_is_published_with_it(downloading: Download) -> None:
    directory = settings.VNSITE.temp_root / downloading.directory
    (directory / "subtitles0.vtt").write_text(SUBTITLES)
    subtitles = manifest_of(
        directory / "subtitles0.vtt", media_type="text/vtt", role=Role.SUBTITLES, language="en"
    )
    video = describe(directory / "a.mp4")

    publication.publish(
        row_whose_looks_take(downloading, 0),
        Fetched(title="v", files=[video, subtitles]),
        directory=directory,
    )

    published = downloading.files.values_list("name", "role", "language")
    assert sorted(published) == [("v.en.vtt", "subtitles", "en"), ("v.mp4", "video", "")]
    assert invariants.check() == []


@pytest.mark.parametrize("language", ["../../../x", "", "e/n"])
def test_a_language_that_is_a_path_is_not_published(downloading: Download, language: str) -> None:
    directory = settings.VNSITE.temp_root / downloading.directory
    subtitles = replace(
        describe(directory / "a.mp4"),
        media_type="text/vtt",
        role=Role.SUBTITLES,
        language=language,
    )

    with pytest.raises(NotMedia):
        publication.publish(
            row_whose_looks_take(downloading, 0),
            Fetched(title="v", files=[subtitles]),
            directory=directory,
        )

    assert library_entries() == []


def test_the_entry_is_named_by_the_template(downloading: Download) -> None:
    config = settings.VNSITE.model_copy(update={"library_names": "{site}/{date}/{title} {id}"})
    with override_settings(VNSITE=config):
        publish(row_whose_looks_take(downloading, 0))

    day = f"{downloading.created_at:%Y-%m-%d}"
    assert downloading.library_path == f"example.org/{day}/v {downloading.correlation_id}"
    assert (settings.VNSITE.media_root / downloading.library_path / "v.mp4").exists()
    assert invariants.check() == []


@pytest.mark.parametrize(
    ("media", "folders"),
    [
        ({"uploader": "A/B", "uploaded_at": "2020-02-03T00:00:00+00:00"}, "A_B/2020"),
        ({"channel": "A channel"}, "A channel/{now}"),
        ({}, "example.org/{now}"),
    ],
)
def test_a_folder_of_the_uploader_and_one_of_the_year(
    downloading: Download, media: dict[str, str], folders: str
) -> None:
    downloading.note(media=media)
    template = "{uploader}/{year}/{title} [{id}]"
    with override_settings(VNSITE=settings.VNSITE.model_copy(update={"library_names": template})):
        publish(row_whose_looks_take(downloading, 0))

    name = f"v [{downloading.correlation_id}]"
    expected = folders.format(now=downloading.created_at.year)
    assert downloading.library_path == f"{expected}/{name}"
    assert invariants.check() == []


def test_names_are_as_long_as_the_library_takes(downloading: Download, tmp_path: Path) -> None:
    root = settings.VNSITE.media_root
    long = replace(fetched(downloading), title="\u65e5" * 200)
    directory = settings.VNSITE.temp_root / downloading.directory
    with share(root, tmp_path / "share", "names=143"):
        publication.publish(row_whose_looks_take(downloading, 0), long, directory=directory)

        names = [
            downloading.library_path,
            *(f["name"] for f in (downloading.manifest or {})["files"]),
        ]

    assert all(138 <= len(name.encode()) <= 143 for name in names)


def test_without_the_lease_the_library_is_not_touched(downloading: Download) -> None:
    with pytest.raises(LeaseOver):
        publish(row_whose_looks_take(downloading, LEASE_SECONDS))

    assert library_entries() == []


@pytest.mark.parametrize("seconds", [17, 24, 25, 49])
def test_a_lease_that_ends_while_files_are_staged_leaves_none(
    downloading: Download, seconds: int
) -> None:
    with pytest.raises(LeaseOver):
        publish(row_whose_looks_take(downloading, seconds))

    assert not library.is_staged(settings.VNSITE.media_root, downloading.directory)
    assert library_entries() in ([], [library.STAGING])
    downloading.refresh_from_db()
    assert downloading.library_path == ""
