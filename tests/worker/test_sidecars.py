"""What lies beside a video, from the site to the rows, also when the first attempt fails."""

from pathlib import Path

import pytest
from django.conf import settings

from downloads.diagnostics import invariants
from downloads.disk import partial
from downloads.disk.isolation import directory_name
from downloads.disk.partial import CARRIED, Finished
from downloads.fetch.protocol import Fetched
from downloads.fetch.resume import take_finished
from downloads.fetch.verify import describe, manifest_of
from downloads.rules.states import Role
from tests.helpers.choices import TITLE, UPLOADER, Choices
from tests.helpers.films import BOXES
from tests.helpers.worker import history, running_worker, submit

ALL = {
    f"{TITLE}.mp4": ("video", ""),
    f"{TITLE}.en.vtt": ("subtitles", "en"),
    f"{TITLE}.es-419.vtt": ("subtitles", "es-419"),
    f"{TITLE}.jpg": ("thumbnail", ""),
    f"{TITLE}-poster.jpg": ("thumbnail", ""),
    f"{TITLE}.nfo": ("info", ""),
    f"{TITLE}.info.json": ("info", ""),
}


@pytest.mark.usefixtures("shared_db", "clean_disk")
@pytest.mark.both_databases
def test_all_is_published_under_the_name_of_the_video_and_said(offer: Choices) -> None:
    options = {"quality": "1080p", "subtitles": ["all"], "extras": ["nfo", "poster", "info"]}
    download = submit(offer.url("/stream"), **options)

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    files = download.files.values_list("name", "role", "language")
    assert {name: (role, language) for name, role, language in files} == ALL
    root = settings.VNSITE.media_root / download.library_path
    assert {path.name for path in root.iterdir()} == set(ALL)
    assert download.media == {
        "uploader": UPLOADER,
        "duration": 6,
        "uploaded_at": "2026-01-31T12:00:00+00:00",
        "width": 640,
        "height": 360,
        "format_id": "400",
        "live": False,
        "video_codec": "h264",
        "audio_codec": "aac",
        "container": "mp4",
    }
    assert invariants.check(hashes=True) == []


@pytest.mark.usefixtures("shared_db", "clean_disk")
@pytest.mark.both_databases
def test_what_did_not_come_is_in_the_history(offer: Choices) -> None:
    download = submit(offer.url("/page"), subtitles=["fr", "it"])

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    assert history(download)[-2:] == [("completed", "published"), ("cleaned", "cleaned")]
    assert download.transitions.get(reason="published").data["warnings"] == [
        {"code": "no_subtitles", "language": "it", "offered": "de en fr"},
        {"code": "not_fetched", "what": "subtitles", "reason": "not_subtitles", "language": "fr"},
    ]


def finished_in(directory: Path) -> Fetched:
    """A video with its subtitles, as a child leaves them."""
    (directory / "media.mp4").write_bytes(BOXES)
    (directory / "subtitles0.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
    subtitles = manifest_of(
        directory / "subtitles0.vtt", media_type="text/vtt", role=Role.SUBTITLES, language="en"
    )
    warnings = [{"code": "no_subtitles", "language": "it", "offered": "en"}]
    return Fetched(
        title="v",
        files=[describe(directory / "media.mp4"), subtitles],
        data={"warnings": warnings},
        media={"container": "mp4"},
    )


def test_the_next_attempt_publishes_all_that_an_earlier_one_finished(tmp_path: Path) -> None:
    directory = tmp_path / directory_name("abc")
    directory.mkdir()
    fetched = finished_in(directory)
    Finished(
        title=fetched.title,
        files=[vars(file) for file in fetched.files],
        published_as=["v.mp4", "v.en.vtt"],
        data=fetched.data,
        media=fetched.media,
    ).write(directory)
    assert partial.keep(tmp_path, directory.name)
    again = tmp_path / directory_name("abc")
    again.mkdir()
    assert partial.bring(tmp_path, directory.name, again)

    taken = take_finished(again)

    assert taken == fetched
    assert {path.name for path in again.iterdir()} >= {"media.mp4", "subtitles0.vtt"}
    assert (again / CARRIED).exists()
