"""Finds out when an announced video or stream starts, so that its download can wait until then."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from yt_dlp import YoutubeDL
from yt_dlp.utils import YoutubeDLError

from downloads.fetch.failure import class_of
from downloads.rules.errors import ErrorClass


class NotStarted(Exception):
    """The stream has not started."""

    def __init__(self, starts_at: int | None) -> None:
        super().__init__("The stream has not started")
        self.starts_at = starts_at  # seconds since 1970; None: it is not waited for


class LiveRefused(Exception):
    """It is a live stream, or will be one, and none is wished for."""


def refuse_announced(video: Mapping[str, Any], *, wish: str) -> None:
    """Raise NotStarted for what an extractor says of a video that starts at a time to come.

    `wish` is the option `live`: LiveRefused for "refuse".
    """
    starts_at = video.get("release_timestamp")
    has_media = video.get("formats") or video.get("url")
    if isinstance(starts_at, int | float) and starts_at > time.time() and not has_media:
        if wish == "refuse":
            raise LiveRefused("The stream has not started")
        raise NotStarted(int(starts_at) if wish == "wait" else None)


def raise_with_start(error: Exception, downloader: YoutubeDL, url: str, *, wish: str) -> None:
    """Raise NotStarted when `error` says so and the site says when; LiveRefused by `wish`.

    Extractors that are told to wait for a video return what they know of it. All others are not
    told: they would return nothing where they now say what is wrong.
    """
    if isinstance(error, NotStarted) or class_of(error) is not ErrorClass.LIVE_NOT_STARTED:
        return
    if wish == "refuse":
        raise LiveRefused("The stream has not started") from error
    downloader.params["wait_for_video"] = (0, 0)
    with suppress(YoutubeDLError):  # `error` says more
        downloader.extract_info(url)
