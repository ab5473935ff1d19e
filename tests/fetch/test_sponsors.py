"""SponsorBlock, asked at a server of the tests: yt-dlp asks it for videos of YouTube alone."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from downloads.fetch import downloader as downloading
from downloads.fetch import sponsors
from downloads.fetch.packing import Packing
from downloads.fetch.recipe import Beside, Pack
from downloads.fetch.sidecars import Sidecars
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard
from tests.helpers.choices import CHAPTERS, SECONDS, Choices
from tests.helpers.probe import Found, probe
from tests.helpers.scripted_site import Answer

VIDEO_ID = "abcdefghijk"
SPONSOR = "[SponsorBlock]: Sponsor"
ASKED = f"/api/skipSegments/{hashlib.sha256(VIDEO_ID.encode()).hexdigest()[:4]}"
PART = {
    "segment": [2, 4],
    "category": "sponsor",
    "actionType": "skip",
    "videoDuration": SECONDS,
    "description": "",
    "UUID": "1",
}


@pytest.fixture
def downloader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    made = downloading.build()
    yield made
    made.close()


def fetched(downloader: Any, offer: Choices, sponsorblock: str) -> tuple[Found, Sidecars]:
    """Fetch a film that says that it is of YouTube, its chapters inside."""
    sidecars = Sidecars(
        downloader,
        Beside(),
        directory=Path.cwd(),
        guard=Guard(AllowedHosts.parse(()), programs=[]),
        clip=None,
        stall_seconds=30,
        on_life=lambda: None,
    )
    api = offer.url("")
    sponsors.add_to(downloader, sponsorblock, warn=sidecars.warn, api=api)
    pack = Pack(embed=("chapters",))
    downloader.packing = Packing(downloader, pack, sidecars, warn=sidecars.warn)
    chapters = [
        {"title": title, "start_time": start, "end_time": end}
        for title, (start, end) in CHAPTERS.items()
    ]
    video = {"id": VIDEO_ID, "title": "video", "url": offer.url("/360.mp4"), "ext": "mp4"}
    of_youtube = {"extractor": "youtube", "extractor_key": "Youtube", "webpage_url": api}
    downloader.process_ie_result({**video, **of_youtube, "duration": SECONDS, "chapters": chapters})
    return probe(Path("media.mp4")), sidecars


def test_advertising_is_marked_as_chapters(downloader: Any, offer: Choices) -> None:
    answer = [{"videoID": VIDEO_ID, "segments": [PART]}]
    offer.site.serve(ASKED, Answer(body=json.dumps(answer), media_type="application/json"))

    found, _ = fetched(downloader, offer, "mark")

    assert found.chapters == {"One": (0, 2), SPONSOR: (2, 4), "Three": (4, 6)}
    assert found.seconds == pytest.approx(SECONDS, abs=0.3)


def test_advertising_is_cut_out(downloader: Any, offer: Choices) -> None:
    answer = [{"videoID": VIDEO_ID, "segments": [PART]}]
    offer.site.serve(ASKED, Answer(body=json.dumps(answer), media_type="application/json"))

    found, _ = fetched(downloader, offer, "remove")

    assert found.chapters == {"One": (0, 2), "Three": (2, 4)}
    assert found.seconds == pytest.approx(SECONDS - 2, abs=0.5)


@pytest.mark.parametrize("sponsorblock", ["mark", "remove"])
def test_a_server_that_does_not_answer_costs_a_warning_and_not_the_video(
    downloader: Any, offer: Choices, sponsorblock: str
) -> None:
    offer.site.serve(ASKED, Answer(status=500))

    found, sidecars = fetched(downloader, offer, sponsorblock)

    assert found.chapters == CHAPTERS
    assert sidecars.warnings == [{"code": "not_fetched", "what": "sponsorblock"}]


def test_nobody_is_asked_without_the_wish(downloader: Any, offer: Choices) -> None:
    fetched(downloader, offer, "off")

    assert [each for each in offer.site.requests if each.path.startswith("/api")] == []
