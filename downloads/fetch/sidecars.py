"""Fetches what lies beside a video: subtitles and a picture. Nothing of it costs the video.

A sidecar that the site refuses, or that is not what it says, becomes a warning: a code with flat
values, for the history.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yt_dlp.networking import Request

from downloads.disk.names import SUBTITLES_TYPE
from downloads.fetch import subtitles as texts
from downloads.fetch.extras import write_extras
from downloads.fetch.failure import class_of
from downloads.fetch.pictures import NotPicture, picture_of
from downloads.fetch.protocol import ManifestFile
from downloads.fetch.read_limits import MAX_PAGE_BYTES, TooLarge
from downloads.fetch.recipe import Beside, Clip
from downloads.fetch.subtitles import NotSubtitles
from downloads.fetch.verify import manifest_of
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Role
from downloads.sandbox.guard import Guard

PATIENCE_SECONDS = 20.0  # without a byte
PATIENCE_SHARE = 1 / 3  # of the time after which the worker takes a silent child for stalled
LONGEST_SECONDS = 300.0  # of all together
MAX_PICTURES = 5  # that are tried, the best first
MAX_OFFERED = 20  # languages that a warning names

Values = dict[str, str | int]


class TooSlow(Exception):
    """A sidecar did not come in time."""


@dataclass(frozen=True, kw_only=True)
class Subtitles:
    """A WebVTT file of the isolated directory."""

    path: Path
    language: str


class Sidecars:
    """The sidecars of one download. Belongs to one child."""

    def __init__(
        self,
        downloader: Any,
        wish: Beside,
        *,
        directory: Path,
        guard: Guard,
        clip: Clip | None,
        stall_seconds: float,
        on_life: Callable[[], None],
    ) -> None:
        """`on_life` is told again and again that the site sends something."""
        self._downloader = downloader
        self._wish = wish
        self._directory = directory
        self._guard = guard
        self._clip = clip
        self._patience_seconds = min(PATIENCE_SECONDS, stall_seconds * PATIENCE_SHARE)
        self._on_life = on_life
        self._ends_at = 0.0
        self.subtitles: list[Subtitles] = []
        self.picture: Path | None = None
        self.warnings: list[Values] = []

    @property
    def lacks_picture(self) -> bool:
        """Whether a picture was wished for, and none came."""
        return self._wish.wants_picture and self.picture is None

    def warn(self, code: str, **values: str | int) -> None:
        self.warnings.append({"code": code, **values})

    def fetch(self, info: Mapping[str, Any]) -> None:
        """Fetch what is wished for of a video. Raises nothing that the video would not raise."""
        self._ends_at = time.monotonic() + LONGEST_SECONDS
        if self._wish.subtitles and not info.get("is_live"):
            self._fetch_subtitles(info)
        if self._wish.wants_picture:
            self._fetch_picture(info)

    def published(self, info: Mapping[str, Any]) -> list[ManifestFile]:
        """Describe the files that are published, and write those that are made of the `info`."""
        files = [
            manifest_of(
                each.path, media_type=SUBTITLES_TYPE, role=Role.SUBTITLES, language=each.language
            )
            for each in self.subtitles
        ]
        if self.picture and self._wish.thumbnail:
            files.append(manifest_of(self.picture, media_type="image/jpeg", role=Role.THUMBNAIL))
        return [*files, *write_extras(self._wish.extras, info, self._directory, self.picture)]

    def _fetch_subtitles(self, info: Mapping[str, Any]) -> None:
        chosen = texts.choose(
            info, self._wish.subtitles, automatic_captions=self._wish.automatic_captions
        )
        offered = " ".join(chosen.offered[:MAX_OFFERED])
        for language in chosen.missing:
            self.warn("no_subtitles", language=language, offered=offered)
        if chosen.left_out:
            self.warn("too_many_subtitles", number=chosen.left_out)
        if not chosen.offered and not chosen.missing:
            self.warn("no_subtitles", language=texts.ALL, offered="")
        for number, (language, sources) in enumerate(chosen.sources.items()):
            path = self._directory / f"subtitles{number}"
            with self._without_harm("subtitles", language=language):
                fetched = self._fetch_text(path, sources[0], info)
                self.subtitles.append(Subtitles(path=fetched, language=language))

    def _fetch_text(self, path: Path, source: Mapping[str, Any], info: Mapping[str, Any]) -> Path:
        suffix = texts.suffix_of(source)
        path = path.with_suffix(f".{suffix}")
        if source.get("data") is not None:
            path.write_text(str(source["data"]), encoding="utf-8", errors="replace")
        else:
            headers = source.get("http_headers") or info.get("http_headers")
            self._downloader.dl(str(path), {**source, "http_headers": headers}, subtitle=True)
        return texts.to_webvtt(path, suffix=suffix, clip=self._clip)

    def _fetch_picture(self, info: Mapping[str, Any]) -> None:
        """Fetch the best picture that comes. Only the best one's failure is told, if none does."""
        offered = [each for each in info.get("thumbnails") or [] if each.get("url")]
        told = len(self.warnings)
        for each in reversed(offered[-MAX_PICTURES:]):
            with self._without_harm("thumbnail"):
                request = Request(each["url"], headers=each.get("http_headers") or {})
                with self._downloader.urlopen(request) as response:
                    self.picture = picture_of(response.read(), directory=self._directory)
            if self.picture is not None:
                break
        del self.warnings[told if self.picture else told + 1 :]

    @contextmanager
    def _without_harm(self, what: str, **values: str) -> Iterator[None]:
        """Turn what goes wrong inside into a warning, with the class of the error."""
        refusals = len(self._guard.refusals)
        try:
            with self._patience():
                yield
        except Exception as error:
            is_refused = len(self._guard.refusals) > refusals
            self.warn("not_fetched", what=what, reason=_reason(error, is_refused), **values)
        finally:
            del self._guard.refusals[refusals:]  # or they would be the cause of a later failure

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Raise TooSlow, wherever it is, when nothing comes for too long."""

        def on_alarm(_signal: int, _frame: object) -> None:
            raise TooSlow("It did not come in time")

        def on_progress(report: Mapping[str, Any]) -> None:
            if (report.get("downloaded_bytes") or 0) > MAX_PAGE_BYTES:
                raise TooLarge("The site sent too much")
            self._require_time()
            self._on_life()
            signal.setitimer(signal.ITIMER_REAL, self._patience_seconds)

        self._require_time()
        signal.signal(signal.SIGALRM, on_alarm)
        hooks, self._downloader._progress_hooks = self._downloader._progress_hooks, [on_progress]
        self._on_life()
        signal.setitimer(signal.ITIMER_REAL, self._patience_seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._downloader._progress_hooks = hooks

    def _require_time(self) -> None:
        if time.monotonic() > self._ends_at:
            raise TooSlow("It did not come in time")


def _reason(error: Exception, is_refused: bool) -> str:
    """Return the code of what went wrong; `is_refused`: by the guard, whatever came of that."""
    if is_refused:
        return ErrorClass.POLICY_BLOCKED
    others = {NotSubtitles: "not_subtitles", NotPicture: "not_picture", TooSlow: "stalled"}
    return others.get(type(error)) or class_of(error)
