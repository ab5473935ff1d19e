"""Remuxing a film of the library for browsers: from the wish to the entry, by a worker."""

import hashlib
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.fetch.protocol import Lent
from downloads.library.remuxing import remux
from downloads.models import Download, Site, Thumbnail, user_actor
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Result, State
from downloads.worker.loan import Loan
from tests.helpers.choices import TITLE, Choices
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.streams import packets
from tests.helpers.waiting import wait_for
from tests.helpers.worker import COMPLETED, history, running_worker, submit

pytestmark = [
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.both_databases,
]
Run = Callable[[], None]


@pytest.fixture
def film(scripted_site: ScriptedSite, media_server: MediaServer, tmp_path: Path) -> str:
    """The link of a film in Matroska."""
    path = tmp_path / "film.mkv"
    command = ["ffmpeg", "-v", "error", "-i", str(media_server.file("video.mp4")), "-c", "copy"]
    subprocess.run([*command, str(path)], check=True)
    return scripted_site.serve(
        "/film.mkv", Answer(body=path.read_bytes(), media_type="video/x-matroska")
    )


@pytest.fixture
def kept(film: str, run: Run) -> Download:
    """A download that left that film."""
    download = submit(film)
    run()
    download.refresh_from_db()
    return download


def file_of(download: Download) -> Path:
    (file,) = download.files
    return Path(settings.VNSITE.media_root) / download.library_path / file.name


def hashes(path: Path, kind: str) -> list[str]:
    """Of the packets of the pictures ("v") or the sound ("a"), whatever clock they have."""
    return [line.rpartition(",")[2] for line in packets(path, kind)]


def test_the_streams_are_copied_into_an_entry_of_its_own(
    kept: Download, run: Run, scripted_site: ScriptedSite, user: User
) -> None:
    before, asked = file_of(kept).read_bytes(), len(scripted_site.requests)

    made = remux(kept, actor=user_actor(user)).download
    run()

    made.refresh_from_db()
    assert history(made) == COMPLETED
    assert made.transitions.get(reason="published").data == {"code": "remuxed"}
    assert len(scripted_site.requests) == asked
    assert (made.owner, made.title, made.url) == (kept.owner, kept.title, kept.url)
    assert (made.media["container"], made.media["video_codec"]) == ("mp4", "h264")
    assert file_of(made).suffix == ".mp4"
    for kind in ("v", "a"):
        assert hashes(file_of(made), kind) == hashes(file_of(kept), kind) != []
    assert file_of(kept).read_bytes() == before
    assert invariants.check(hashes=True) == []


def test_what_lies_beside_the_film_and_what_was_said_of_it_come_along(
    offer: Choices, user: User
) -> None:
    wishes = {"container": "mkv", "subtitles": ["en"], "extras": ["nfo", "poster", "info"]}
    kept = submit(offer.url("/stream"), **wishes)
    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0
    kept.refresh_from_db()
    made = remux(kept, actor=user_actor(user)).download

    with running_worker("--once") as worker:  # the site may not be asked any more
        assert worker.wait() == 0

    made.refresh_from_db()
    names = {file.name: file for file in made.files}
    assert set(names) == {
        f"{TITLE}.mp4",
        f"{TITLE}.en.vtt",
        f"{TITLE}.jpg",
        f"{TITLE}-poster.jpg",
        f"{TITLE}.nfo",
        f"{TITLE}.info.json",
    }
    for file in kept.files.exclude(role="video"):
        copy = names[file.name]
        assert (copy.sha256, copy.role, copy.language) == (file.sha256, file.role, file.language)
    assert made.manifest["about"] == kept.manifest["about"] != {}
    assert (
        Thumbnail.objects.get(download=made).content == Thumbnail.objects.get(download=kept).content
    )


def test_it_is_lent_nothing_of_its_site(kept: Download, user: User) -> None:
    Download.objects.filter(pk=kept.pk).update(owner=user)
    kept.refresh_from_db()
    made = remux(kept, actor=user_actor(user)).download
    now = timezone.now()
    Site.objects.create(host=kept.site, proxy="http://proxy.example:3128", changed_at=now)

    assert Loan.of(kept).lent.proxy
    assert Loan.of(made).lent == Lent()


def test_it_says_nothing_of_the_site_that_it_does_not_ask(
    kept: Download, run: Run, user: User
) -> None:
    Site.objects.refused(kept.site, ErrorClass.FORBIDDEN, retry_after_seconds=None)
    gone = remux(kept, actor=user_actor(user)).download
    Download.objects.filter(pk=gone.pk).update(remux_of="nothing")
    made = remux(kept, actor=user_actor(user)).download

    run()

    made.refresh_from_db()
    gone.refresh_from_db()
    assert (made.outcome, gone.outcome) == ("completed", "failed")
    assert Site.objects.get(host=kept.site).failures == 1


def test_a_retry_without_a_container_makes_the_usual_one(
    kept: Download, run: Run, user: User
) -> None:
    made = remux(kept, actor=user_actor(user)).download
    actions.cancel(made, actor="test")
    actions.retry(made, actor="test", options=DownloadOptions())

    run()

    made.refresh_from_db()
    assert (made.outcome, made.media["container"]) == ("completed", "mp4")


def test_a_film_that_is_gone_by_then_is_said(kept: Download, run: Run, user: User) -> None:
    made = remux(kept, actor=user_actor(user)).download
    file_of(kept).unlink()

    run()

    made.refresh_from_db()
    assert (made.state, made.error_class) == (State.CLEANED, "unavailable")
    assert made.error_data["code"] == "source_gone"
    assert made.attempt == 1


def test_a_kill_in_the_midst_of_it_costs_an_attempt(kept: Download, run: Run, user: User) -> None:
    made = remux(kept, actor=user_actor(user)).download
    with running_worker() as worker:
        wait_for(lambda: Download.objects.get(pk=made.pk).state != State.CREATED)
        worker.send(signal.SIGKILL)
        worker.wait()

    run()

    made.refresh_from_db()
    assert (made.state, made.result) == (State.CLEANED, Result.FILES)
    digest = hashlib.sha256(file_of(made).read_bytes()).hexdigest()
    assert digest == made.files.get().sha256
    assert invariants.check(hashes=True) == []
