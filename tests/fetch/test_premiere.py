"""When an announced stream starts, as an extractor knows it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import DownloadError

from downloads.fetch import downloader as downloading
from downloads.fetch import premiere
from downloads.fetch.extractors import Matcher
from downloads.fetch.failure import class_of, facts_of
from downloads.fetch.premiere import LiveRefused, NotStarted
from downloads.rules.errors import ErrorClass

IN_AN_HOUR = int(time.time()) + 3600


class StudioIE(InfoExtractor):  # type: ignore[misc]
    """Says of an announced video what the extractor of YouTube says of one."""

    _VALID_URL = r"https://studio\.example/(?P<id>\w+)"
    said: dict[str, Any]
    reason = "Premieres in 59 minutes"

    def _real_extract(self, url: str) -> dict[str, Any]:
        self.raise_no_formats(self.reason, expected=True)
        return {"id": self._match_id(url), "title": "Soon", "formats": [], **self.said}


@pytest.fixture
def studio() -> StudioIE:
    return StudioIE()


@pytest.fixture
def downloader(studio: StudioIE) -> Iterator[downloading.Downloader]:
    downloader = downloading.build()
    downloader._ies = {}
    downloader.add_info_extractor(studio)
    downloader.matcher = Matcher(downloader._ies, needs={})
    yield downloader
    downloader.close()


def ending(downloader: downloading.Downloader, *, wish: str = "wait") -> Exception:
    url = "https://studio.example/1"
    downloader.wish_for_live = wish
    with pytest.raises((DownloadError, NotStarted)) as raised:
        downloader.extract_info(url)
    try:
        premiere.raise_with_start(raised.value, downloader, url, wish=wish)
    except (NotStarted, LiveRefused) as error:
        return error
    return raised.value


def test_the_start_of_a_premiere_is_told(
    downloader: downloading.Downloader, studio: StudioIE
) -> None:
    studio.said = {"release_timestamp": IN_AN_HOUR, "live_status": "is_upcoming"}

    broke = facts_of(ending(downloader), refusals=[])

    assert broke.data == {"starts_at": IN_AN_HOUR}


def test_a_premiere_is_not_waited_for_when_only_a_running_stream_is_wished_for(
    downloader: downloading.Downloader, studio: StudioIE
) -> None:
    studio.said = {"release_timestamp": IN_AN_HOUR, "live_status": "is_upcoming"}

    error = ending(downloader, wish="now")

    assert class_of(error) is ErrorClass.LIVE_NOT_STARTED
    assert facts_of(error, refusals=[]).retry_after_seconds is None


def test_a_premiere_is_refused_as_wished(
    downloader: downloading.Downloader, studio: StudioIE
) -> None:
    studio.said = {"release_timestamp": IN_AN_HOUR, "live_status": "is_upcoming"}

    error = ending(downloader, wish="refuse")

    assert isinstance(error, LiveRefused)
    assert class_of(error) is ErrorClass.FORMAT_UNAVAILABLE


@pytest.mark.parametrize("said", [{}, {"release_timestamp": IN_AN_HOUR - 7200}])
def test_a_stream_without_a_time_to_come_has_not_started(
    downloader: downloading.Downloader, studio: StudioIE, said: dict[str, Any]
) -> None:
    studio.said = said

    error = ending(downloader)

    assert class_of(error) is ErrorClass.LIVE_NOT_STARTED
    assert facts_of(error, refusals=[]).data == {}


def test_what_has_another_reason_is_not_asked_again(
    downloader: downloading.Downloader, studio: StudioIE
) -> None:
    studio.reason, studio.said = "Private video", {"release_timestamp": IN_AN_HOUR}

    assert class_of(ending(downloader)) is ErrorClass.LOGIN_REQUIRED
