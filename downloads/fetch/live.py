"""Has live streams recorded, where yt-dlp would have ffmpeg fetch them, which gets no network here.

A recording takes the place of the fetching of one video; all before and after it is yt-dlp's.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.networking import Request
from yt_dlp.networking.exceptions import RequestError

from downloads.disk.partial import CARRIED
from downloads.disk.recording import RECORDING
from downloads.fetch.failure import class_of
from downloads.fetch.join import join
from downloads.fetch.premiere import LiveRefused
from downloads.fetch.protocol import Job, Wishes
from downloads.fetch.recorder import MAX_PLAYLIST_BYTES, Recorder
from downloads.rules.errors import ADVICE, Retry
from downloads.rules.playlist import is_unfinished
from downloads.rules.states import Stop

# Of a video and its formats: what yt-dlp needs to finish it without the site.
OF_VIDEO = ("id", "title", "extractor", "extractor_key", "webpage_url", "original_url")
OF_FORMAT = ("format_id", "url", "ext", "protocol", "vcodec", "acodec", "height", "width")


class NotRecordable(Exception):
    """A live stream of a kind that cannot be recorded. The message says which."""


class Live:
    """The recording of one download, if it becomes one. Belongs to one child."""

    def __init__(
        self,
        downloader: YoutubeDL,
        job: Job,
        *,
        wish: str,
        wishes: Wishes,
        on_recorded: Callable[[int], None],
        on_joining: Callable[[], None],
    ) -> None:
        self._downloader = downloader
        self._job = job
        self.wish = wish  # the option `live`
        self._wishes = wishes
        self._on_recorded = on_recorded
        self._on_joining = on_joining
        self._path = Path(job.directory, RECORDING)
        with suppress(FileNotFoundError):
            Path(job.directory, CARRIED, RECORDING).rename(self._path)
        if self.is_begun and (video := self.recorder.recording.video):
            self._prefer(video["formats"])

    @property
    def is_begun(self) -> bool:
        """Whether something was recorded, in this attempt or before."""
        return self._path.exists() and self.recorder.has_recorded

    @property
    def is_stopped(self) -> bool:
        """Whether the recording has its end, and only has to be finished."""
        return self.is_begun and bool(self.recorder.recording.stopped)

    @cached_property
    def recorder(self) -> Recorder:
        return Recorder(
            self._job,
            urlopen=lambda request: YoutubeDL.urlopen(self._downloader, request),
            wishes=self._wishes,
            on_recorded=self._on_recorded,
        )

    @property
    def data(self) -> dict[str, int | str]:
        """For the history; {} when this is no recording."""
        return self.recorder.recording.data if self.is_begun else {}

    def _prefer(self, formats: list[dict[str, Any]]) -> None:
        """Have the formats chosen that were recorded so far, if the site still offers them."""
        wanted = "+".join(each["format_id"] for each in formats)
        selector = f"{wanted}/{self._downloader.params['format']}"
        self._downloader.format_selector = self._downloader.build_format_selector(selector)

    def narrow(self, video: dict[str, Any]) -> None:
        """Leave only the formats of a live video that can be recorded.

        Raises NotRecordable when there is none.
        """
        formats = video.get("formats") or []
        if not (video.get("is_live") or video.get("live_status") == "is_live") or not formats:
            return
        self._require_wish()
        video["formats"] = [each for each in formats if _is_hls(each) or not _is_dash(each)]
        if not video["formats"]:
            raise NotRecordable("A live stream over DASH cannot be recorded")

    def look(self, video: dict[str, Any]) -> None:
        """Mark a chosen video as live when its playlists are unfinished.

        Many extractors do not say it; yt-dlp would fetch what is listed now and call it complete.
        """
        parts = _parts_of(video)
        if video.get("is_live") or not all(map(_is_hls, parts)):
            return
        if self.is_begun or any(map(self._is_unfinished, parts)):
            self._require_wish()
            video["is_live"] = True

    def _require_wish(self) -> None:
        """Raise LiveRefused when no running stream is wished for."""
        if self.wish == "refuse":
            raise LiveRefused("It is a live stream")

    def _is_unfinished(self, part: dict[str, Any]) -> bool:
        """Whether its playlist is; a finished one is left there for yt-dlp, which asks no more."""
        if not part.get("hls_media_playlist_data"):
            request = Request(part["url"], headers=dict(part.get("http_headers") or {}))
            with suppress(RequestError):  # yt-dlp asks again, and says what is wrong
                with YoutubeDL.urlopen(self._downloader, request) as response:
                    text = response.read(MAX_PLAYLIST_BYTES).decode("utf-8", "ignore")
                part |= {"hls_media_playlist_data": text, "url": response.url}
        return is_unfinished(part.get("hls_media_playlist_data") or "")

    def takes(self, video: dict[str, Any]) -> bool:
        return bool(video.get("is_live")) and all(map(_is_hls, _parts_of(video)))

    def record(self, name: str, video: dict[str, Any]) -> None:
        """Record a video until there is a reason to stop, and write it into the file `name`."""
        recording = self.recorder.recording
        parts = _parts_of(video)
        if recording.video is None:
            recording.describe(
                {key: video.get(key) for key in OF_VIDEO}
                | {"formats": [{key: part.get(key) for key in OF_FORMAT} for part in parts]}
            )
        self.recorder.record([(part["url"], part.get("http_headers") or {}) for part in parts])
        self._on_joining()
        join(self._downloader, recording, Path(name))

    def can_finish(self, error: Exception) -> bool:
        """Whether what was recorded is all that there will be, because of how the site failed."""
        if not self.is_begun or self.is_stopped:
            return False
        return self._job.is_last_try or ADVICE[class_of(error)].retry is Retry.NEVER

    def finish(self) -> Any:
        """Finish what was recorded without asking the site; returns yt-dlp's info."""
        recording = self.recorder.recording
        if not recording.stopped:
            recording.stop(Stop.LOST)
        return self._downloader.process_ie_result(recording.video)


def _parts_of(video: dict[str, Any]) -> list[dict[str, Any]]:
    return video.get("requested_formats") or [video]


def _is_hls(part: dict[str, Any]) -> bool:
    return str(part.get("protocol")).startswith("m3u8")


def _is_dash(part: dict[str, Any]) -> bool:
    return part.get("protocol") == "http_dash_segments"
