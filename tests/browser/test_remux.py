"""From a film that this browser may not play to one that it plays, in a real browser."""

import subprocess
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads import actions
from downloads.models import Download, PublishedFile
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

SECONDS = 2
MEDIA = {"container": "mkv", "video_codec": "vp8", "audio_codec": "opus", "duration": SECONDS}


def matroska(owner: User) -> Download:
    """A download that left a film in Matroska."""
    download = lives.complete(lives.submit(owner), name="film.mkv", media=MEDIA)
    actions.clean(download, actor="test")
    path = Path(settings.VNSITE.media_root, download.library_path, "film.mkv")
    sources = (f"testsrc=size=64x36:rate=5:duration={SECONDS}", f"sine=duration={SECONDS}")
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
    subprocess.run(["ffmpeg", "-y", "-v", "error", *inputs, *codecs, str(path)], check=True)
    PublishedFile.objects.update(size=path.stat().st_size, media_type="video/x-matroska")
    return download


def test_a_film_is_remuxed_by_a_button_and_plays(site: Serving, page: Page, staff: User) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    before = matroska(staff)
    sign_in(page, staff)
    page.goto(f"downloads/{before.correlation_id}/")

    page.get_by_role("button", name="Remux for this browser").click()

    video = page.locator("#part-film video")
    wait_for(lambda: video.evaluate_all("films => films[0]?.readyState >= 1"), what="the film")
    assert str(video.get_attribute("src")).endswith(".webm")
    video.evaluate("film => { film.muted = true; return film.play() }")
    expect(page.get_by_text("nothing was fetched")).to_have_count(1)
    page.goto(f"downloads/{before.correlation_id}/")
    page.get_by_role("link", name="Remuxed: WEBM").click()
    expect(page.locator("#part-film video")).to_be_visible()
